# SPDX-License-Identifier: Apache-2.0
"""
What clients were told, and what follows from it: which tasks there must be, and which events.

Every operation of the writers that is answered with 2xx changes its task, and so makes one version of it. A
client that got an answer knows the task as it is in that version; of a deletion, that no version follows; of a change of one
reminder, that reminder. recurrer makes versions too: it tells nobody, so its rows of the trail are taken as its word, and what
they say is held against the rest (checker.py, series.py, effects.py).
"""
import collections
import dataclasses
import datetime
import json
from typing import Optional

# The versions of task and reminders each have a topic of their own.
TASKS, REMINDERS = "task-events", "reminders"
# What is told of a reminder on its way; the rest of the topic are versions of it.
WAY = ("reminder.trigger", "reminder.sent", "reminder.failed")
RECURRER = "recurrer"


@dataclasses.dataclass(frozen=True)
class Part:
    """All that a client learns of a change of one reminder. reminder None: it was removed."""
    version: int
    reminder_id: str
    reminder: Optional[dict]


@dataclasses.dataclass(frozen=True)
class Told:
    """
    An answer to a client. body: the task; None: it was deleted, or (refused) is not there, or (part) not shown. sent_at,
    answered_at: when it was asked for first, and answered. kind RECURRER: not told, but a row of what recurrer did.
    """
    user: str
    kind: str
    task: int
    body: Optional[dict]
    refused: bool = False
    part: Optional[Part] = None
    sent_at: float = 0.0
    answered_at: float = 0.0


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


def instant(text):
    """Seconds since 1970."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def plain(body):
    """
    A task without what is no version of it: that a reminder of it was triggered, which lasts for seconds; and the date that an
    answer to a completion foretells.
    """
    task = {k: v for k, v in body.items() if k != "next_occurrence"}
    task["reminders"] = [{**r, "status": "pending"} if is_live(r) else r for r in body["reminders"]]
    return task


class Task:
    """The life of one task, as all who changed it were told."""

    def __init__(self, user, number):
        self.user, self.number = user, number
        self.versions = collections.defaultdict(list)  # version -> bodies, one unless something is wrong
        self.makers = {}  # version -> who was told to have made it
        self.parts = collections.defaultdict(list)
        self.deletions, self.deleted_by = 0, None
        self.taken_back = 0
        self.missed = 0  # answers that it is not there

    def add(self, told):
        if told.refused:
            self.missed += 1
        elif told.part is not None:
            self.parts[told.part.version].append(told)
        elif told.body is not None:
            self.versions[told.body["version"]].append(plain(told.body))
            self.makers[told.body["version"]] = told
        elif told.kind == RECURRER:
            self.taken_back += 1
        else:
            self.deletions += 1
            self.deleted_by = told

    def fill(self, written):
        """Of what was told in part the rest stays as it was. written: {version: the task, as the trail has it}, for the time."""
        for version in sorted(self.parts):
            for told in self.parts[version]:
                before = self.versions.get(version - 1)
                after = written.get(version)
                self.versions[version].append(after if before is None and after else with_part(before, told.part, after))
                self.makers[version] = told

    @property
    def last(self):
        return max(self.versions, default=0)

    def state(self):
        """As it must be in the end; None: not there."""
        return None if self.is_gone or not self.versions else self.versions[self.last][-1]

    @property
    def is_gone(self):
        return self.deletions + self.taken_back > 0

    def is_by_recurrer(self, version):
        return self.makers[version].kind == RECURRER

    def holes(self):
        """Versions that nobody was told of, though a later one was."""
        return [v for v in range(1, self.last) if v not in self.versions]

    def twice(self):
        """Versions that two were told to have made."""
        return [v for v, bodies in self.versions.items() if len(bodies) > 1]

    def steps(self):
        """(version, before or None, after) of each change of which both are known; the first one's before is None."""
        for version in sorted(self.versions):
            before = self.versions[version - 1][-1] if version - 1 in self.versions else None
            if before is not None or version == 1:
                yield version, before, self.versions[version][-1]

    def events(self):
        for version, before, after in self.steps():
            is_by_recurrer = self.is_by_recurrer(version)
            yield self.task_event(version, type_of(before, after, is_by_recurrer), after)
            if before is None or not is_by_recurrer:  # else what became of a reminder, which notifier has told
                yield from self.reminder_events(before, after)
        if self.is_gone and self.versions:
            yield self.task_event(self.last + 1, "task.deleted", None)
            yield from self.reminder_events(self.versions[self.last][-1], None)

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


def with_part(before, part, after):
    """The task of before with one reminder as it was told; when that was, after says."""
    if before is None:
        return {"version": part.version, "reminders": [part.reminder] if part.reminder else [], "completed": False}
    others = [r for r in before[-1]["reminders"] if r["id"] != part.reminder_id]
    reminders = others + ([part.reminder] if part.reminder else [])
    reminders.sort(key=lambda r: (instant(r["remind_at"]), r["id"]))
    return plain({**before[-1], "version": part.version, "reminders": reminders,
                  "updated_at": after["updated_at"] if after else "not known"})


def type_of(before, after, is_by_recurrer):
    if before is None:
        return "task.recurred" if is_by_recurrer else "task.created"
    if before["completed"] != after["completed"]:
        return "task.completed" if after["completed"] else "task.reopened"
    return "task.updated"


def reminders_of(body):
    return {} if body is None else {r["id"]: r for r in body["reminders"]}


def is_live(reminder):
    return reminder["status"] in ("pending", "triggered", "retrying")


def is_of_writers(row):
    """Rows of tasks and reminders; preferences were set before there were writers."""
    return row["type"] != "preferences.changed"


def event_of(row):
    """The event that a row of the trail tells of; row as `todod audit export` writes it."""
    payload = row["data"]["payload"]
    if row["topic"] == REMINDERS:
        is_scheduled = row["type"] == "reminder.scheduled"
        return Event(row["user_id"], REMINDERS, payload["reminder_id"], row["sequence"], row["type"],
                     payload["remind_at"] if is_scheduled else "")
    content = "" if row["type"] == "task.deleted" else canonical(plain(payload["task"]))
    return Event(row["user_id"], row["topic"], str(row["task_id"]), row["sequence"], row["type"], content)


def done_by_recurrer(rows):
    """Its rows of tasks, each once, as if it had told."""
    found = {}
    for row in rows:
        if row["topic"] == TASKS and row["data"]["metadata"]["source"] == RECURRER:
            body = None if row["type"] == "task.deleted" else row["data"]["payload"]["task"]
            found[event_of(row)] = Told(row["user_id"], RECURRER, row["task_id"], body)
    return list(found.values())


def tasks_of(told, rows=()):
    """{(user, id): Task}, of what was told and of what recurrer did."""
    found, written = {}, collections.defaultdict(dict)
    for t in [*told, *done_by_recurrer(rows)]:
        found.setdefault((t.user, t.task), Task(t.user, t.task)).add(t)
    for row in rows:
        if row["topic"] == TASKS and row["type"] != "task.deleted" and is_of_writers(row):
            written[row["user_id"], row["task_id"]].setdefault(row["sequence"], plain(row["data"]["payload"]["task"]))
    for key, life in found.items():
        life.fill(written[key])
    return found
