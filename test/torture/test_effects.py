# SPDX-License-Identifier: Apache-2.0
"""The checker finds what recurrer and notifier may do wrong: each fault by itself, in a small world in which all else is well."""
import copy
import dataclasses

import pytest

import checker
from effects import MARGIN_SECONDS, TELLING_SECONDS
from history import Part, Told, instant
from small_world import World, text_of

LONG = 10 * MARGIN_SECONDS


@pytest.fixture
def world():
    made = World(changes=60)
    made.fire(made.remind_in("ann", 5))
    parent = made.recurring("bob")
    made.toggle(parent)
    made.succeed(parent)
    report = made.check()
    assert report.faults == []
    assert report.told == report.found and (report.found["effects"], report.found["successors"]) == (1, 1)
    return made


def faults(world, what):
    """{class: how many}; and nothing is said of anything else."""
    report = world.check()
    assert {w for _, w, _ in report.faults} <= {what}, report.faults
    return {kind: n for kind in checker.CLASSES if (n := report.count(kind, what))}


# ---- successors ----

def test_a_completed_task_without_successor(world):
    world.toggle(world.recurring("ann"))
    assert faults(world, "successors") == {"lost": 1}


def test_a_series_that_has_its_next_place_already(world):
    """The second was done and deleted, and made again when the first was done anew; its next one is that of the first second."""
    first = world.recurring("ann")
    world.toggle(first)
    second = world.succeed(first)
    world.toggle(second)
    third = world.succeed(second)
    world.delete(second)
    world.toggle(first)
    world.toggle(first)
    again = world.succeed(first)
    world.toggle(again)
    assert faults(world, "successors") == {}
    world.take_away(third, "recurrer")
    assert faults(world, "successors")["lost"] >= 1


def test_two_successors(world):
    key = world.recurring("ann")
    world.toggle(key)
    world.succeed(key)
    world.succeed(key)
    assert faults(world, "successors") == {"doubled": 1}


def test_a_second_one_for_the_same_completion_though_the_first_was_deleted(world):
    key = world.recurring("ann")
    world.toggle(key)
    world.delete(world.succeed(key))
    assert faults(world, "successors") == {}, "a user may delete it"
    world.succeed(key)
    assert faults(world, "successors") == {"doubled": 1}


def test_a_successor_of_a_task_that_was_never_completed(world):
    world.succeed(world.recurring("ann"))
    assert faults(world, "successors")["unexpected"] >= 1


@pytest.mark.parametrize("wrong", [{"title": "another"}, {"occurrence": 7}, {"priority": "high"}, {"series_id": "of others"},
                                   {"due_date": text_of(1_900_000_000)}])
def test_a_successor_that_is_another(world, wrong):
    key = world.recurring("ann")
    world.toggle(key)
    world.succeed(key, **wrong)
    assert faults(world, "successors") == {"unexpected": 1}


@pytest.mark.parametrize("hours, fine", [(24, True), (25, False), (72, False)])
def test_a_series_goes_on_at_its_time_of_day(world, hours, fine):
    """Though one instance was moved: at the next such time after it, and not days later."""
    key = world.recurring("ann")
    first = instant(world.tasks[key]["due_date"])
    moved = copy.deepcopy(world.tasks[key])
    moved.update(version=2, due_date=text_of(first + 5000))
    world.keep(key, "due", "task.updated", moved)
    world.toggle(key)
    world.succeed(key, due_date=text_of(first + hours * 3600))
    assert faults(world, "successors") == ({} if fine else {"unexpected": 1})


def test_an_untouched_one_that_was_not_taken_back(world):
    key = world.recurring("ann")
    world.toggle(key)
    child = world.succeed(key)
    world.toggle(key)
    assert faults(world, "successors") == {"unexpected": 1}
    world.take_away(child, "recurrer")
    assert faults(world, "successors") == {}
    world.toggle(key)
    assert faults(world, "successors") == {"lost": 1}, "completed again, it has another one"
    world.succeed(key)
    assert faults(world, "successors") == {}


def test_an_edited_one_that_was_taken_back(world):
    key = world.recurring("ann")
    world.toggle(key)
    child = world.succeed(key)
    world.change(child, "edit", "mine")
    world.toggle(key)
    assert faults(world, "successors") == {}, "it is kept"
    world.take_away(child, "recurrer")
    assert faults(world, "successors") == {"lost": 1}


def test_one_that_was_taken_back_from_a_completed_task(world):
    key = world.recurring("ann")
    world.toggle(key)
    world.take_away(world.succeed(key), "recurrer")
    assert faults(world, "successors") == {"lost": 2}


def test_a_row_of_recurrer_that_is_missing(world):
    """The task is there, and nobody was told and no row says who made it."""
    key = world.recurring("ann")
    world.toggle(key)
    world.succeed(key)
    world.rows.pop()
    report = world.check()
    assert {f[:2] for f in report.faults} == {("unexpected", "tasks"), ("lost", "successors")}


def test_a_change_by_recurrer_that_is_no_outcome(world):
    key = world.remind_in("ann", LONG)
    task = copy.deepcopy(world.tasks[key])
    task.update(title="renamed", version=2)
    world.keep(key, "outcome", "task.updated", task, "recurrer")
    assert faults(world, "task-events") == {"unexpected": 1}


# ---- reminders ----

def test_a_due_one_without_effect(world):
    world.remind_in("ann", 5)
    assert faults(world, "effects") == {}, "it is not due yet"
    world.now += 10
    assert faults(world, "effects") == {"lost": 1}


def test_one_that_is_told_to_be_sent_and_was_not(world):
    key = world.remind_in("ann", 5)
    world.sent(key, world.trigger(key))
    assert faults(world, "effects") == {"lost": 1}


def test_one_that_was_sent_and_never_told(world):
    key = world.remind_in("ann", 5)
    world.mail(key, world.trigger(key))
    assert faults(world, "effects") == {"lost": 1}


def test_one_that_is_early(world):
    key = world.remind_in("ann", 5)
    world.fire(key)
    world.effects[-1] = dataclasses.replace(world.effects[-1], at=world.effects[-1].at - 0.01)
    assert faults(world, "effects") == {"early": 1}


def test_one_that_is_not_due_at_all(world):
    key = world.remind_in("ann", LONG)
    world.mail(key, world.tasks[key]["reminders"][0])
    assert faults(world, "effects") == {"early": 1}


def test_a_trigger_that_is_early(world):
    world.fire(world.remind_in("ann", 5))
    next(row for row in world.rows[::-1] if row["type"] == "reminder.trigger")["stored_at"] = text_of(world.now - 3)
    assert faults(world, "reminders") == {"early": 1}


def test_a_mail_that_came_twice(world):
    """May be, if what holds it died behind the first; not, if nothing did, or long after."""
    key = world.remind_in("ann", 5)
    world.fire(key)
    first = world.effects[-1]
    world.effects.append(dataclasses.replace(first, at=first.at + 100))
    world.now += 200
    assert faults(world, "effects") == {"doubled": 1}
    world.died = [("notifier-0", first.at + TELLING_SECONDS + 1, first.at + TELLING_SECONDS + 2)]
    assert faults(world, "effects") == {"doubled": 1}
    world.died = [("notifier-0", first.at + 1, first.at + 2)]
    assert faults(world, "effects") == {}
    assert world.check().repeated == 1


def test_two_mails_that_are_not_the_same(world):
    key = world.remind_in("ann", 5)
    world.fire(key)
    first = world.effects[-1]
    world.effects.append(dataclasses.replace(first, at=first.at + 10, id="another"))
    world.died = [("notifier-0", first.at + 1, first.at + 2)]
    assert faults(world, "effects") == {"doubled": 1}


def test_one_that_is_told_twice(world):
    key = world.remind_in("ann", 5)
    world.fire(key)
    world.row(key, "reminders", "reminder.sent", 1, {"reminder_id": world.tasks[key]["reminders"][0]["id"]}, "notifier")
    assert faults(world, "effects") == {"doubled": 1}


def test_a_mail_to_another_user(world):
    world.fire(world.remind_in("ann", 5))
    world.effects[-1] = dataclasses.replace(world.effects[-1], user="bob")
    assert faults(world, "effects") == {"lost": 1, "unexpected": 1}


def test_a_mail_of_other_words(world):
    world.fire(world.remind_in("ann", 5))
    world.effects[-1] = dataclasses.replace(world.effects[-1], title="something else")
    assert faults(world, "effects") == {"unexpected": 1}


def test_an_effect_of_a_reminder_that_nobody_set(world):
    world.effects.append(dataclasses.replace(world.effects[-1], reminder_id="r0"))
    assert faults(world, "effects") == {"unexpected": 1}


def test_a_cancel_that_was_published_first(world):
    """Then there is no effect, however short before; but for one that consumers may have met later, as it was a dead letter."""
    key = world.remind_in("ann", 5)
    r = copy.deepcopy(world.tasks[key]["reminders"][0])
    world.toggle(key)
    cancel = world.rows[-1]
    assert cancel["type"] == "reminder.cancelled"
    world.now += 10
    assert faults(world, "effects") == {} and world.check().cancelled == 1
    world.mail(key, r)
    assert faults(world, "effects") == {"unexpected": 1}
    world.dead = {cancel["event_id"]}
    assert faults(world, "effects") == {} and world.check().either == 1


def after_a_cancel(world, seconds):
    """The trigger stands before the end that was acknowledged so long before it."""
    key = world.remind_in("ann", seconds)
    world.toggle(key)
    cancelled = world.rows.pop()
    r = copy.deepcopy(world.tasks[key]["reminders"][0])
    r["version"] -= 1
    acknowledged, world.now = world.now, world.now + seconds
    world.row(key, "reminders", "reminder.trigger", r["version"], {"reminder_id": r["id"]}, "notifier")
    world.rows.append(cancelled)
    world.mail(key, r)
    return acknowledged


def test_an_effect_after_a_cancel_that_was_acknowledged_well_before(world):
    acknowledged = after_a_cancel(world, MARGIN_SECONDS + 20)
    assert faults(world, "effects") == {"unexpected": 1}
    world.died = [("postgres", acknowledged + 5, acknowledged + 30)]
    assert faults(world, "effects") == {}, "time without database does not count"


def test_an_effect_after_a_cancel_that_was_acknowledged_just_before(world):
    after_a_cancel(world, MARGIN_SECONDS - 5)
    assert faults(world, "effects") == {} and world.check().either == 1


# ---- what is told in part, and read ----

def snooze(world, key, seconds):
    """As its client learns of it: the reminder, and the version of the task."""
    task = copy.deepcopy(world.tasks[key])
    task["version"] += 1
    task["reminders"][0].update(version=2, remind_at=text_of(world.now + seconds))
    world.keep(key, "snooze", "task.updated", task)
    world.told[-1] = Told(key[0], "snooze", key[1], None, part=Part(task["version"], task["reminders"][0]["id"], task["reminders"][0]),
                          answered_at=world.now)


def test_a_snooze(world):
    key = world.remind_in("ann", 5)
    snooze(world, key, 20)
    assert faults(world, "effects") == {}
    world.fire(key)
    assert faults(world, "effects") == {}
    world.effects.pop()
    assert faults(world, "effects") == {"lost": 1}


def test_a_snooze_that_changed_more_than_was_told(world):
    key = world.remind_in("ann", 5)
    snooze(world, key, 20)
    row = next(row for row in world.rows[::-1] if row["topic"] == "task-events")
    row["data"]["payload"]["task"]["title"] = "something else"
    assert faults(world, "task-events") == {"lost": 1, "unexpected": 1}


def test_a_snooze_of_which_the_trail_knows_nothing(world):
    key = world.remind_in("ann", 5)
    snooze(world, key, 20)
    world.rows = [row for row in world.rows if (row["topic"], row["task_id"], row["sequence"]) != ("task-events", key[1], 2)]
    report = world.check()
    assert ("lost", "task-events") in {f[:2] for f in report.faults}


def test_a_read_that_shows_what_nobody_was_told(world):
    key = world.remind_in("ann", LONG)
    seen = copy.deepcopy(world.tasks[key])
    seen["reminders"][0]["status"] = "triggered"
    assert world.check(reads=[("ann", seen)]).faults == [], "which is no version of the task"
    seen["title"] = "something else"
    report = world.check(reads=[("ann", seen), ("bob", world.tasks[key])])
    assert [f[:2] for f in report.faults] == [("unexpected", "tasks")] * 2
