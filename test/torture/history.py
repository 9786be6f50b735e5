# SPDX-License-Identifier: Apache-2.0
"""
What clients were told, and what follows from it: which tasks there must be, and which events.

Every operation of the writers that is answered with 2xx changes its task, and so makes one version of it. A
client that got an answer knows the task as it is in that version; of a deletion, that no version follows.
"""
import collections
import dataclasses
import json
from typing import Optional

# The versions of task and reminders each have a topic of their own.
TASKS, REMINDERS = "task-events", "reminders"


@dataclasses.dataclass(frozen=True)
class Told:
    """An answer to a client. body: the task; None: it was deleted, or (refused) is not there."""
    user: str
    kind: str
    task: int
    body: Optional[dict]
    refused: bool = False


@dataclasses.dataclass(frozen=True)
class Event:
    """What tells two events apart. subject: the id of a task or reminder; number: its version; content: as canonical JSON."""
    user: str
    topic: str
    subject: str
    number: int
    type: str
    content: str


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Task:
    """The life of one task, as all who changed it were told."""

    def __init__(self, user, number):
        self.user, self.number = user, number
        self.versions = collections.defaultdict(list)  # version -> bodies, one unless something is wrong
        self.deletions = 0
        self.missed = 0  # answers that it is not there

    def add(self, told):
        if told.refused:
            self.missed += 1
        elif told.body is None:
            self.deletions += 1
        else:
            self.versions[told.body["version"]].append(told.body)

    @property
    def last(self):
        return max(self.versions, default=0)

    def state(self):
        """As it must be in the end; None: not there."""
        return None if self.deletions or not self.versions else self.versions[self.last][-1]

    def holes(self):
        """Versions that nobody was told of, though a later one was."""
        return [v for v in range(1, self.last) if v not in self.versions]

    def twice(self):
        """Versions that two were told to have made."""
        return [v for v, bodies in self.versions.items() if len(bodies) > 1]

    def events(self):
        before = None
        for version in sorted(self.versions):
            after = self.versions[version][-1]
            if version == 1 or before is not None:  # behind a hole it is not known what changed
                yield self.task_event(version, type_of(before, after), after)
                yield from self.reminder_events(before, after)
            before = after if version + 1 in self.versions or version == self.last else None
        if self.deletions and before is not None:
            yield self.task_event(self.last + 1, "task.deleted", None)
            yield from self.reminder_events(before, None)

    def task_event(self, version, kind, body):
        return Event(self.user, TASKS, str(self.number), version, kind, "" if body is None else canonical(body))

    def reminder_events(self, before, after):
        """One for each that will fire now, or at another time or with other words; one for each that will not any more."""
        was, now = reminders_of(before), reminders_of(after)
        for key, r in was.items():
            if key not in now and is_live(r):
                yield Event(self.user, REMINDERS, key, r["version"] + 1, "reminder.cancelled", "")
        for key, r in now.items():
            if is_live(r) and (key not in was or was[key]["version"] != r["version"]):
                yield Event(self.user, REMINDERS, key, r["version"], "reminder.scheduled", r["remind_at"])
            elif not is_live(r) and key in was and is_live(was[key]):
                yield Event(self.user, REMINDERS, key, r["version"], "reminder.cancelled", "")


def type_of(before, after):
    if before is None:
        return "task.created"
    if before["completed"] != after["completed"]:
        return "task.completed" if after["completed"] else "task.reopened"
    return "task.updated"


def reminders_of(body):
    return {} if body is None else {r["id"]: r for r in body["reminders"]}


def is_live(reminder):
    return reminder["status"] in ("pending", "triggered", "retrying")


def event_of(row):
    """The event that a row of the trail tells of; row as `todod audit export` writes it."""
    payload = row["data"]["payload"]
    if row["topic"] == REMINDERS:
        is_scheduled = row["type"] == "reminder.scheduled"
        return Event(row["user_id"], REMINDERS, payload["reminder_id"], row["sequence"], row["type"],
                     payload["remind_at"] if is_scheduled else "")
    content = "" if row["type"] == "task.deleted" else canonical(payload["task"])
    return Event(row["user_id"], row["topic"], str(row["task_id"]), row["sequence"], row["type"], content)


def tasks_of(told):
    """{(user, id): Task}"""
    found = {}
    for t in told:
        found.setdefault((t.user, t.task), Task(t.user, t.task)).add(t)
    return found
