# SPDX-License-Identifier: Apache-2.0
"""The checker finds what it is there to find: a small world in which all is well, and one fault at a time."""
import copy
import random

import pytest

import checker
from history import Told

USERS = ("ann", "bob")


class World:
    """Tasks that are made, changed and deleted; what clients were told of it, and the trail of it."""

    def __init__(self, seed=1, changes=400):
        self.random = random.Random(seed)
        self.told, self.rows, self.tasks = [], [], {}
        self.made = self.events = 0
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
        task = {"id": self.made, "title": f"task {n}", "completed": False, "version": 1, "reminders": []}
        if self.random.random() < 0.5:
            task["reminders"] = [{"id": f"r{self.made}", "version": 1, "status": "pending", "remind_at": f"at {n}"}]
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
        task["title"] = f"task {n}"
        self.keep(key, kind, what, task)

    def delete(self, key):
        self.told.append(Told(key[0], "delete", key[1], None))
        task = self.tasks.pop(key)
        self.row(key, "task-events", "task.deleted", task["version"] + 1, {"task": task})
        self.remind(key, task["reminders"], [])

    def keep(self, key, kind, what, task):
        before = self.tasks.get(key, {"reminders": []})
        self.tasks[key] = task
        self.told.append(Told(key[0], kind, key[1], copy.deepcopy(task)))
        self.row(key, "task-events", what, task["version"], {"task": copy.deepcopy(task)})
        self.remind(key, before["reminders"], task["reminders"])

    def remind(self, key, before, after):
        was = {r["id"]: r for r in before}
        for r in after:
            if r["status"] == "pending":
                self.row(key, "reminders", "reminder.scheduled", r["version"],
                         {"reminder_id": r["id"], "remind_at": r["remind_at"]})
            elif was.get(r["id"], r)["status"] == "pending":
                self.row(key, "reminders", "reminder.cancelled", r["version"], {"reminder_id": r["id"]})
        for r in before:
            if r["id"] not in {now["id"] for now in after} and r["status"] == "pending":
                self.row(key, "reminders", "reminder.cancelled", r["version"] + 1, {"reminder_id": r["id"]})

    def row(self, key, topic, kind, sequence, payload):
        self.events += 1
        self.rows.append({"user_id": key[0], "event_id": f"e{self.events}", "topic": topic, "type": kind, "task_id": key[1],
                          "sequence": sequence, "data": {"payload": payload}})

    def check(self, **more):
        return checker.check(self.told, self.tasks, self.rows, **more)

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


@pytest.fixture
def world():
    made = World()
    report = made.check()
    assert report.faults == []
    assert report.told["tasks"] > 20 and report.told["task-events"] == 400 and report.told["reminders"] > 100
    assert report.told == report.found
    return made


def counts(report):
    return {kind: report.count(kind) for kind in checker.CLASSES if report.count(kind)}


def test_a_row_that_is_missing(world):
    for topic, last in (("task-events", True), ("task-events", False), ("reminders", False)):
        damaged = copy.deepcopy(world)
        del damaged.rows[damaged.find(topic, last)]
        report = damaged.check()
        assert counts(report) == {"lost": 1} and report.faults[0][1] == topic


def test_a_row_that_was_changed(world):
    world.rows[world.find(type="task.updated")]["data"]["payload"]["task"]["title"] = "something else"
    assert counts(world.check()) == {"lost": 1, "unexpected": 1}


def test_a_row_of_another_type(world):
    world.rows[world.find(type="task.completed")]["type"] = "task.reopened"
    assert counts(world.check()) == {"lost": 1, "unexpected": 1}


def test_a_row_in_anothers_chain(world):
    row = world.rows[world.find()]
    row["user_id"] = next(u for u in USERS if u != row["user_id"])
    assert counts(world.check()) == {"lost": 1, "unexpected": 1}


@pytest.mark.parametrize("topic", ["task-events", "reminders"])
def test_an_event_that_was_taken_twice(world, topic):
    i = world.find(topic, last=False)
    world.rows.append({**world.rows[i], "event_id": "of a second delivery"})
    assert counts(world.check()) == {"doubled": 1}


def test_an_event_that_passed_an_earlier_one(world):
    i = world.find(last=False)
    j = world.successor(i)
    world.rows[i], world.rows[j] = world.rows[j], world.rows[i]
    report = world.check()
    assert counts(report) == {"out of order": 1}
    assert counts(world.check(late={world.rows[j]["event_id"]})) == {}, "one of the dead letters comes late"
    assert counts(world.check(late={world.rows[i]["event_id"]})) == {"out of order": 1}, "others do not"


def test_an_event_of_a_change_that_nobody_made(world):
    key = next(iter(world.tasks))
    world.row(key, "task-events", "task.updated", world.tasks[key]["version"] + 1, {"task": world.tasks[key]})
    assert counts(world.check()) == {"unexpected": 1}


def test_a_task_that_is_gone(world):
    del world.tasks[next(iter(world.tasks))]
    report = world.check()
    assert counts(report) == {"lost": 1} and report.faults[0][1] == "tasks"


def test_a_task_that_nobody_made(world):
    world.tasks["ann", 10 ** 6] = {"id": 10 ** 6, "version": 1, "completed": False, "reminders": []}
    assert counts(world.check()) == {"unexpected": 1}


def test_a_change_that_was_lost(world):
    """The task is as it was before its last change."""
    key, told = next((t.user, t.task) for t in world.told if t.kind == "edit" and (t.user, t.task) in world.tasks), None
    told = [t for t in world.told if (t.user, t.task) == key]
    world.tasks[key] = told[-2].body
    assert counts(world.check()) == {"lost": 1}


def test_a_change_that_came_twice(world):
    """A repeat that did its work again: a version that nobody was told of, and its event."""
    key = next(iter(world.tasks))
    task = copy.deepcopy(world.tasks[key])
    task["version"] += 1
    world.tasks[key] = task
    world.row(key, "task-events", "task.updated", task["version"], {"task": task})
    report = world.check()
    assert counts(report) == {"unexpected": 2}
    world.change(key, "edit", "later")
    assert ("unexpected", "tasks") in {f[:2] for f in world.check().faults}


def test_two_that_were_told_the_same_version(world):
    """A lost update: both believe that theirs is there."""
    told = next(t for t in world.told if t.kind == "edit")
    world.told.append(Told(told.user, "edit", told.task, {**told.body, "title": "mine"}))
    assert ("doubled", "tasks") in {f[:2] for f in world.check().faults}


def test_two_that_deleted_it(world):
    world.told.append(next(t for t in world.told if t.kind == "delete"))
    assert counts(world.check()) == {"doubled": 1}


def test_a_task_that_a_client_did_not_find(world):
    user, number = next(iter(world.tasks))
    world.told.append(Told(user, "edit", number, None, refused=True))
    assert counts(world.check()) == {"lost": 1}


def test_a_client_that_was_told_nothing_lies_about_nothing(world):
    """One answer less: the task and its event are there all the same, and the checker says so."""
    world.told.remove(next(t for t in world.told if t.kind == "create" and (t.user, t.task) in world.tasks and
                           world.tasks[t.user, t.task]["version"] == 1 and not t.body["reminders"]))
    assert counts(world.check()) == {"unexpected": 2}
