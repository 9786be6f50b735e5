# SPDX-License-Identifier: Apache-2.0
"""
A small world in which all is well, made without todod: what clients were told, the tasks, the trail, and what reminders came to.
Tests of the checker damage it.
"""
import copy
import datetime
import random

import checker
import effects
from history import Told

USERS = ("ann", "bob")
START = 1_800_000_000.0
DAY_SECONDS = 24 * 3600
NEVER = START + 1000 * DAY_SECONDS
PLAIN = {"description": None, "priority": "medium", "tags": [], "time_zone": "UTC", "recurrence": None, "recurrence_rule": None,
         "recurrence_mode": "due", "recurrence_end_date": None, "series_id": None, "occurrence": None, "parent_task_id": None,
         "due_date": None}


def text_of(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class World:
    """
    Tasks that are made, changed and deleted; what clients were told of it, and the trail of it. Each change takes a second, but
    for what is said to take longer; its answer and its rows are there at once.
    """

    def __init__(self, seed=1, changes=400):
        self.random = random.Random(seed)
        self.told, self.rows, self.tasks = [], [], {}
        self.effects, self.died, self.dead = [], [], set()
        self.made = self.events = 0
        self.now = START
        for n in range(changes):
            user = self.random.choice(USERS)
            mine = [key for key in self.tasks if key[0] == user]
            kind = self.random.choice(["create", "create", "edit", "edit", "edit", "toggle", "toggle", "delete"])
            if kind == "create" or not mine:
                self.create(user, n)
            elif kind == "delete":
                self.delete(self.random.choice(mine))
            else:
                self.change(self.random.choice(mine), kind, n)

    def create(self, user, n):
        self.made += 1
        task = {**PLAIN, "id": self.made, "title": f"task {n}", "completed": False, "version": 1, "reminders": []}
        if self.random.random() < 0.5:
            task["reminders"] = [self.reminder(NEVER + n)]
        self.keep((user, self.made), "create", "task.created", task)

    def change(self, key, kind, n):
        task = copy.deepcopy(self.tasks[key])
        task["version"] += 1
        what = "task.updated"
        if kind == "toggle":
            task["completed"] = not task["completed"]
            what = "task.completed" if task["completed"] else "task.reopened"
        for r in task["reminders"]:
            r["version"] += 1
            r["status"] = "cancelled" if task["completed"] else "pending"
        if n is not None:
            task["title"] = f"task {n}"
        self.keep(key, kind, what, task)

    def delete(self, key):
        self.told.append(Told(key[0], "delete", key[1], None, sent_at=self.now, answered_at=self.now))
        self.take_away(key, "chat-api")

    def take_away(self, key, source):
        self.now += 1
        task = self.tasks.pop(key)
        self.row(key, "task-events", "task.deleted", task["version"] + 1, {"task": task}, source)
        self.remind(key, task["reminders"], [], source)

    def keep(self, key, kind, what, task, source="chat-api"):
        self.now += 1
        task.update(updated_at=text_of(self.now), created_at=task.get("created_at", text_of(self.now)))
        before = self.tasks.get(key, {"reminders": []})
        self.tasks[key] = task
        if source == "chat-api":
            self.told.append(Told(key[0], kind, key[1], copy.deepcopy(task), sent_at=self.now, answered_at=self.now))
        self.row(key, "task-events", what, task["version"], {"task": copy.deepcopy(task)}, source)
        if kind != "outcome":
            self.remind(key, before["reminders"], task["reminders"], source)

    def remind(self, key, before, after, source):
        was = {r["id"]: r for r in before}
        for r in after:
            if r["status"] == "pending":
                self.row(key, "reminders", "reminder.scheduled", r["version"],
                         {"reminder_id": r["id"], "remind_at": r["remind_at"]}, source)
            elif was.get(r["id"], r)["status"] == "pending":
                self.row(key, "reminders", "reminder.cancelled", r["version"], {"reminder_id": r["id"]}, source)
        for r in before:
            if r["id"] not in {now["id"] for now in after} and r["status"] == "pending":
                self.row(key, "reminders", "reminder.cancelled", r["version"] + 1, {"reminder_id": r["id"]}, source)

    def row(self, key, topic, kind, sequence, payload, source="chat-api"):
        self.events += 1
        self.rows.append({"user_id": key[0], "event_id": f"e{self.events}", "topic": topic, "type": kind, "task_id": key[1],
                          "sequence": sequence, "stored_at": text_of(self.now),
                          "data": {"payload": {"version": sequence, **payload}, "metadata": {"source": source}}})

    def world(self):
        away = effects.Spans(s for s in self.died if s[0] == "postgres")
        return effects.World(self.now, tuple(self.effects), frozenset(self.dead), died=effects.Spans(self.died), away=away)

    def check(self, **more):
        return checker.check(self.told, self.tasks, self.rows, world=self.world(), **more)

    # ---- reminders and what they come to ----

    def reminder(self, at):
        self.events += 1
        return {"id": f"r{self.events}", "version": 1, "status": "pending", "remind_at": text_of(at), "sent_at": None, "retry_count": 0,
                "last_error": None}

    def remind_in(self, user, seconds):
        """A task with a reminder. Its key."""
        self.made += 1
        task = {**PLAIN, "id": self.made, "title": f"task {self.made}", "completed": False, "version": 1,
                "reminders": [self.reminder(self.now + seconds)]}
        self.keep((user, self.made), "create", "task.created", task)
        return user, self.made

    def trigger(self, key):
        """Its time has come, unless it did before."""
        r = self.tasks[key]["reminders"][0]
        self.now = max(self.now, effects.instant(r["remind_at"]))
        self.row(key, "reminders", "reminder.trigger", r["version"], {"reminder_id": r["id"]}, "notifier")
        return r

    def mail(self, key, r):
        self.effects.append(effects.Effect("mail", key[0], r["id"], r["version"], self.now, f"{r['id']}.{r['version']}",
                                           self.tasks[key]["title"]))

    def sent(self, key, r):
        """It is told and stored."""
        self.row(key, "reminders", "reminder.sent", r["version"], {"reminder_id": r["id"]}, "notifier")
        task = copy.deepcopy(self.tasks[key])
        task["version"] += 1
        task["reminders"][0].update(status="sent", sent_at=text_of(self.now))
        self.keep(key, "outcome", "task.updated", task, "recurrer")

    def fire(self, key):
        r = self.trigger(key)
        self.mail(key, r)
        self.sent(key, r)

    # ---- series ----

    def recurring(self, user):
        self.made += 1
        task = {**PLAIN, "id": self.made, "title": f"task {self.made}", "completed": False, "version": 1, "reminders": [],
                "recurrence": "daily", "recurrence_rule": "FREQ=DAILY", "series_id": f"s{self.made}", "occurrence": 1,
                "due_date": text_of(self.now + 100)}
        self.keep((user, self.made), "create", "task.created", task)
        return user, self.made

    def toggle(self, key):
        self.change(key, "toggle", None)

    def succeed(self, key, **more):
        """What recurrer makes of a completed task. Its key."""
        self.made += 1
        before = self.tasks[key]
        task = {**copy.deepcopy(before), "id": self.made, "version": 1, "completed": False, "parent_task_id": key[1],
                "occurrence": before["occurrence"] + 1, "due_date": text_of(effects.instant(before["due_date"]) + DAY_SECONDS), **more}
        del task["created_at"]
        self.keep((key[0], self.made), "make", "task.recurred", task, "recurrer")
        return key[0], self.made

    # ---- what the faults need ----

    def find(self, topic="task-events", last=True, **fields):
        """The place of a row in the middle that fits. last: of its task, as no later version hides what is missing."""
        for i, row in list(enumerate(self.rows))[len(self.rows) // 3:]:
            later = [r for r in self.rows[i + 1:] if (r["user_id"], r["task_id"], r["topic"]) ==
                     (row["user_id"], row["task_id"], row["topic"])]
            if row["topic"] == topic and bool(later) != last and all(row[k] == v for k, v in fields.items()):
                return i
        raise AssertionError("the world has no such row")

    def successor(self, i):
        """The place of the next version."""
        row = self.rows[i]
        return next(j for j, r in enumerate(self.rows) if (r["user_id"], r["task_id"], r["topic"], r["sequence"]) ==
                    (row["user_id"], row["task_id"], row["topic"], row["sequence"] + 1))
