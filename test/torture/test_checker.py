# SPDX-License-Identifier: Apache-2.0
"""The checker finds what it is there to find: a small world in which all is well, and one fault at a time."""
import copy

import pytest

import checker
from history import Told
from small_world import USERS, World


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
    world.row(key, "task-events", "task.updated", 1000, {"task": world.tasks[key]})
    assert counts(world.check()) == {"unexpected": 1}
    world.change(key, "edit", "later")
    assert counts(world.check()) == {"unexpected": 1}, "it is not what others are behind of"


def test_a_task_that_is_gone(world):
    del world.tasks[next(iter(world.tasks))]
    report = world.check()
    assert counts(report) == {"lost": 1} and report.faults[0][1] == "tasks"


def test_a_task_that_nobody_made(world):
    world.tasks["ann", 10 ** 6] = {**next(iter(world.tasks.values())), "id": 10 ** 6}
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
