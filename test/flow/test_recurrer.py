# SPDX-License-Identifier: Apache-2.0
"""
Next instances of recurring tasks: what they copy, when they are due, and what becomes of them when users edit, reopen and
delete; chat-api has no part in it.
"""
import datetime
import json
import uuid

import pytest

from stack import after, done, everything, next_of, recurring, reopened, wake_up


@pytest.fixture(scope="module")
def live(make_stack):
    """Everything runs; events find their way by themselves."""
    made = make_stack("recurrer")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def quiet(make_stack):
    """Nothing is published: each test delivers what it wants to."""
    made = make_stack("recurrer_quiet", relays=False)
    yield made
    made.stop()


@pytest.fixture
def user(live, connect_api):
    return connect_api(live.api)


@pytest.fixture
def alone(quiet, connect_api):
    """A user of the quiet stack."""
    return connect_api(quiet.api)


# ---- what the next one is ----

COPIED = ("title", "description", "priority", "tags", "time_zone", "recurrence", "recurrence_rule", "recurrence_mode",
          "recurrence_end_date", "series_id", "user_id")


def test_the_next_instance(live, user):
    """RL6, FL6, FT1: one next task, with what it copies, and its events: to clients, to the trail, to whoever reminds."""
    task = recurring(user, "Water the plants", due_date="2031-03-28T08:00:00", time_zone="Europe/Berlin", description="all of them",
                     priority="high", tags=["Plants", "home"], recurrence_end_date="2032-01-01",
                     reminders=[{"offset_minutes": 30, "channels": ["email"]}, {"remind_at": "2031-03-27T20:00:00"}])
    answer = user.complete(task, {"completed": True}, {"X-Request-Id": "the-request"})
    made = next_of(user, task)
    assert {k: made[k] for k in COPIED} == {k: task[k] for k in COPIED}
    assert made["due_date"] == answer.json["next_occurrence"] == "2031-03-29T07:00:00Z"
    assert (made["occurrence"], made["parent_task_id"], made["version"]) == (2, task["id"], 1)
    assert (made["completed"], made["status"], made["completed_at"]) == (False, "pending", None)
    own, before = made["reminders"]
    assert (own["remind_at"], own["offset_minutes"]) == ("2031-03-28T19:00:00Z", None)
    assert (before["remind_at"], before["offset_minutes"], before["channels"]) == ("2031-03-29T06:30:00Z", 30, ["email"])
    assert {r["status"] for r in made["reminders"]} == {"pending"}
    assert {t["name"]: t["open_tasks"] for t in user.tags()} == {"home": 1, "Plants": 1}
    assert user.get(user.tasks + "?limit=1").headers["x-total-count"] == "2"
    assert [t["id"] for t in user.list("?search=plants&status=pending&tag=home")] == [made["id"]]

    live.all_settled()
    completed, recurred = live.records(user.user)[-2:]
    assert (completed["type"], recurred["type"]) == ("task.completed", "task.recurred")
    assert recurred["source"] == "recurrer" and recurred["subject"] == str(made["id"])
    assert recurred["data"]["causation_id"] == completed["id"]
    assert recurred["data"]["correlation_id"] == "the-request"
    assert recurred["traceparent"].split("-")[1] == completed["traceparent"].split("-")[1]
    assert (recurred["data"]["sequence"], recurred["data"]["payload"]["task"]) == (1, made)
    update = live.records(user.user, "task-updates")[-1]
    assert update["data"]["payload"] == {**recurred["data"]["payload"], "change": "created"}
    scheduled = [e for e in live.records(user.user, "reminders") if e["subject"] == str(made["id"])]
    assert [e["type"] for e in scheduled] == ["reminder.scheduled"] * 2
    assert {e["data"]["payload"]["reminder_id"] for e in scheduled} == {r["id"] for r in made["reminders"]}
    assert {e["data"]["causation_id"] for e in scheduled} == {completed["id"]}


def test_every_instance_has_its_event(live, user):
    """EV16, RL14: one task.recurred for each instance, and the history of each begins with it."""
    task = recurring(user)
    for _ in range(4):
        done(user, task)
        task = next_of(user, task)
    live.all_settled()
    events = live.records(user.user)
    recurred = [e for e in events if e["type"] == "task.recurred"]
    assert len(recurred) == 4
    completed = {e["data"]["task_id"]: e["id"] for e in events if e["type"] == "task.completed"}
    for event in recurred:
        history = [e for e in events if e["data"]["task_id"] == event["data"]["task_id"]]
        assert history[0] is event and [e["data"]["sequence"] for e in history] == list(range(1, len(history) + 1))
        parent = event["data"]["payload"]["task"]["parent_task_id"]
        assert event["data"]["causation_id"] == completed[str(parent)]


def test_both_modes_by_the_time_it_was_done(live, user):
    """FT1: by the schedule the next is after the task's own date; by completion, after the day it was done."""
    by_schedule = recurring(user, due_date="2031-03-03", recurrence="weekly")
    done(user, by_schedule)
    assert next_of(user, by_schedule)["due_date"] == "2031-03-10"
    by_completion = recurring(user, due_date="2031-03-03", recurrence="weekly", recurrence_mode="completion")
    shown = done(user, by_completion)
    made = next_of(user, by_completion)
    assert made["due_date"] == shown["next_occurrence"]
    completed = datetime.date.fromisoformat(shown["completed_at"][:10])
    assert made["due_date"] == str(completed + datetime.timedelta(days=7)) and made["recurrence_mode"] == "completion"


def test_a_task_long_overdue_goes_on_after_now(live, user):
    """FT1: the dates in between are skipped; the next is after now."""
    task = recurring(user, due_date="2020-01-01T08:00:00Z", recurrence="weekly")
    shown = done(user, task)
    due = datetime.datetime.fromisoformat(next_of(user, task)["due_date"].replace("Z", "+00:00"))
    completed = datetime.datetime.fromisoformat(shown["completed_at"].replace("Z", "+00:00"))
    assert completed < due <= completed + datetime.timedelta(days=7)
    assert due.weekday() == 2 and (due.hour, due.minute) == (8, 0)


CHAINS = [
    # the clock leaves 02:30 out on 30 March 2031, and has 02:30 twice on 26 October
    ({"due_date": "2031-03-29T02:30:00", "recurrence": "daily", "time_zone": "Europe/Berlin"},
     ["2031-03-30T01:30:00Z", "2031-03-31T00:30:00Z"]),
    ({"due_date": "2031-10-25T02:30:00", "recurrence": "daily", "time_zone": "Europe/Berlin"},
     ["2031-10-26T00:30:00Z", "2031-10-27T01:30:00Z"]),
    ({"due_date": "2031-03-02T02:30:00", "recurrence": "weekly", "time_zone": "America/New_York"},
     ["2031-03-09T07:30:00Z", "2031-03-16T06:30:00Z"]),
    ({"due_date": "2031-04-05T01:45:00", "recurrence": "daily", "time_zone": "Australia/Lord_Howe"},
     ["2031-04-05T14:45:00Z", "2031-04-06T15:15:00Z"]),
    # a day whose midnight the clock leaves out
    ({"due_date": "2031-09-06", "recurrence": "daily", "time_zone": "America/Santiago"}, ["2031-09-07", "2031-09-08"]),
    # month ends keep their anchor; rules of RFC 5545 leave out what does not exist
    ({"due_date": "2031-01-31", "recurrence": "daily"}, ["2031-02-01"]),
    ({"due_date": "2031-01-31", "recurrence": "monthly"}, ["2031-02-28", "2031-03-31", "2031-04-30"]),
    ({"due_date": "2031-01-31", "recurrence_rule": "FREQ=MONTHLY"}, ["2031-03-31", "2031-05-31"]),
    ({"due_date": "2031-01-31", "recurrence_rule": "FREQ=MONTHLY;BYMONTHDAY=-1"}, ["2031-02-28", "2031-03-31"]),
    # leap days
    ({"due_date": "2032-02-29", "recurrence": "yearly"}, ["2033-02-28", "2034-02-28", "2035-02-28", "2036-02-29"]),
    ({"due_date": "2032-02-29", "recurrence_rule": "FREQ=YEARLY"}, ["2036-02-29", "2040-02-29"]),
    ({"due_date": "2032-02-28", "recurrence": "daily"}, ["2032-02-29", "2032-03-01"]),
    # the older names
    ({"due_date": "2031-01-31", "recurrence_type": "weekly", "recurrence_interval": 2}, ["2031-02-14", "2031-02-28"]),
    ({"due_at": "2031-01-31T10:00:00Z", "recurrence_pattern": "monthly", "recurrence_end": "2031-03-31T10:00:00Z"},
     ["2031-02-28T10:00:00Z", "2031-03-31T10:00:00Z", None]),
    # where they end
    ({"due_date": "2031-01-01", "recurrence_rule": "FREQ=DAILY;COUNT=3"}, ["2031-01-02", "2031-01-03", None]),
    ({"due_date": "2031-01-01", "recurrence_rule": "FREQ=DAILY;COUNT=2", "recurrence_mode": "due"}, ["2031-01-02", None]),
    ({"due_date": "2031-01-01T08:00:00Z", "recurrence_rule": "FREQ=DAILY;UNTIL=20310102T080000Z"}, ["2031-01-02T08:00:00Z", None]),
    ({"due_date": "2031-01-01T08:00:00Z", "recurrence_rule": "FREQ=DAILY;UNTIL=20310102T075959Z"}, [None]),
    ({"due_date": "2031-01-01", "recurrence": "weekly", "recurrence_end_date": "2031-01-08"}, ["2031-01-08", None]),
    ({"due_date": "2031-01-01", "recurrence": "weekly", "recurrence_end_date": "2031-01-07"}, [None]),
]


@pytest.mark.parametrize("fields, dates", CHAINS, ids=lambda v: str(v)[:60] if isinstance(v, dict) else "")
def test_chains(live, user, fields, dates):
    """FT1, FT8, FL6: instance after instance, over changes of the clock, month ends and leap days, up to the end."""
    task = user.create("t", **fields)
    for i, date in enumerate(dates, 2):
        assert done(user, task)["next_occurrence"] == date
        live.all_settled()
        found = after(user, task)
        assert [t["due_date"] for t in found] == ([] if date is None else [date])
        assert live.unsettled(user.user) == 0
        if date is not None:
            (task,) = found
            assert task["occurrence"] == i


def test_another_zone(live, user):
    """FT1: a task that moves to another zone keeps its clock there; what the user prefers later does not move it."""
    task = recurring(user, due_date="2031-03-29T08:00:00", time_zone="Europe/Berlin")
    moved = user.update(task, time_zone="Asia/Tokyo", due_date="2031-03-29T08:00:00")
    assert moved["series_id"] != task["series_id"]
    user.prefer(time_zone="America/New_York")
    done(user, task)
    made = next_of(user, task)
    assert (made["due_date"], made["time_zone"], made["occurrence"]) == ("2031-03-29T23:00:00Z", "Asia/Tokyo", 2)


def test_one_that_was_moved_by_a_day(live, user):
    """FT1: an instance that is put off does not move the series."""
    task = recurring(user, due_date="2031-03-03", recurrence="weekly")
    done(user, task)
    second = next_of(user, task)
    user.update(second, due_date="2031-03-12")
    done(user, second)
    assert next_of(user, second)["due_date"] == "2031-03-17"


def test_reminders_that_are_over(live, user):
    """A copy of a reminder whose time is over already is there, for the instances to come, and does not fire."""
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=3)
    task = recurring(user, due_date=tomorrow.strftime("%Y-%m-%dT%H:%M:00Z"), reminders=[{"offset_minutes": 60}, {"offset_minutes": 2880}])
    done(user, task)
    made = next_of(user, task)
    assert [(r["offset_minutes"], r["status"]) for r in made["reminders"]] == [(2880, "cancelled"), (60, "pending")]
    live.all_settled()
    assert len([e for e in live.records(user.user, "reminders") if e["subject"] == str(made["id"])]) == 1
    done(user, made)
    assert [r["status"] for r in next_of(user, made)["reminders"]] == ["pending", "pending"]


# ---- chat-api has no part in it ----

def test_chat_api_makes_no_instance(quiet, alone):
    """RL3: without the recurrer, completing adds no row, and the answer has a computed date only."""
    before = quiet.database.counts(alone.user)
    task = recurring(alone)
    assert done(alone, task)["next_occurrence"] == "2031-03-04"
    assert [t["id"] for t in alone.list()] == [task["id"]]
    assert {e["type"] for e in quiet.outbox(alone.user)} == {"task.created", "task.completed"}
    assert quiet.database.counts(alone.user)["tasks"] == before["tasks"] + 1


def test_chat_api_makes_no_job(live, user):
    """RL2: a reminder that is stored makes no job: whoever notifies does."""
    user.create("t", due_date="2031-03-03", reminders=[{"offset_minutes": 5}])
    live.all_settled()
    assert live.database.value("SELECT count(*) FROM sidecar.jobs") == 0


def test_completing_does_not_wait(quiet, alone):
    """RL7: the recurrer is stopped, and completing is answered; it comes back, and there is one instance."""
    quiet.recurrers[0].stop()
    task = recurring(alone)
    assert done(alone, task)["completed"] is True
    quiet.recurrers[0].start()
    quiet.deliver_all(alone.user, times=2)
    assert len(after(alone, task)) == 1


# ---- what users do meanwhile ----

def test_changed_before_the_event_is_handled(quiet, alone):
    """RL6: the task as it is when it is handled, not as it was when it was done."""
    task = recurring(alone, tags=["old"])
    done(alone, task)
    alone.update(task, title="new", tags=["new"], priority="urgent")
    quiet.deliver_all(alone.user)
    (made,) = after(alone, task)
    assert (made["title"], made["tags"], made["priority"]) == ("new", ["new"], "urgent")


@pytest.mark.parametrize("what", ["deleted", "reopened", "no longer recurring", "ended"])
def test_nothing_to_make_any_more(quiet, alone, what):
    """FL6: deleted, open again, without a rule, or at its end when the event is handled: no next one."""
    task = recurring(alone, due_date="2031-03-03", recurrence="weekly")
    done(alone, task)
    if what == "deleted":
        assert alone.delete(task).status == 204
    elif what == "reopened":
        reopened(alone, task)
    elif what == "ended":
        alone.update(task, recurrence_end_date="2031-03-09")
    else:
        alone.update(task, recurrence=None, recurrence_rule=None)
    for event in quiet.outbox(alone.user):
        assert quiet.deliver(event) == 200
    quiet.look_now(alone.user)
    assert quiet.tick() == 200
    assert after(alone, task) == []
    assert quiet.unsettled(alone.user) == 0


def test_an_end_that_is_put_off(quiet, alone):
    """A series that had ended goes on when its end is put off, also after its last instance was done."""
    task = recurring(alone, due_date="2031-03-03", recurrence="weekly", recurrence_end_date="2031-03-03")
    done(alone, task)
    quiet.deliver_all(alone.user)
    assert after(alone, task) == []
    alone.update(task, recurrence_end_date="2031-03-10")
    quiet.deliver_all(alone.user)
    assert [t["due_date"] for t in after(alone, task)] == ["2031-03-10"]


def test_created_done(quiet, alone):
    """A recurring task that is done from the start has a next instance like any other."""
    task = recurring(alone, completed=True)
    quiet.deliver_all(alone.user)
    assert [t["due_date"] for t in after(alone, task)] == ["2031-03-04"]


def test_reopening_takes_an_untouched_one_back(quiet, alone):
    """RL6: with its events: deleted to the trail and to clients, cancelled to whoever reminds."""
    task = recurring(alone, tags=["a"], reminders=[{"offset_minutes": 5}])
    done(alone, task)
    quiet.deliver_all(alone.user)
    (made,) = after(alone, task)
    assert {t["name"]: t["open_tasks"] for t in alone.tags()} == {"a": 1}
    seen = len(quiet.outbox(alone.user))
    reopened(alone, task)
    quiet.deliver_all(alone.user)
    assert alone.get(alone.path(made)).status == 404
    assert [t["id"] for t in alone.list()] == [task["id"]]
    reopen, deleted = quiet.outbox(alone.user)[seen:]
    assert (deleted["type"], deleted["data"]["sequence"], deleted["data"]["task_id"]) == ("task.deleted", 2, str(made["id"]))
    assert deleted["data"]["causation_id"] == reopen["id"]
    update = quiet.outbox(alone.user, "task-updates")[-1]
    assert update["data"]["payload"]["change"] == "deleted" and update["data"]["task_id"] == str(made["id"])
    cancelled = quiet.outbox(alone.user, "reminders")[-1]
    assert (cancelled["type"], cancelled["data"]["payload"]["reminder_id"]) == ("reminder.cancelled", made["reminders"][0]["id"])
    assert alone.get(alone.tasks + "?updated_since=2020-01-01&deleted=1&envelope=1").json["deleted"][0]["id"] == made["id"]
    assert alone.get(alone.tasks + "?limit=1").headers["x-total-count"] == "1"
    assert {t["name"]: t["open_tasks"] for t in alone.tags()} == {"a": 1}


@pytest.mark.parametrize("touch", ["edited", "snoozed", "done", "done and reopened"])
def test_reopening_keeps_a_touched_one(quiet, alone, touch):
    """RL6: what the user changed is his; done again, the task has the next one already."""
    task = recurring(alone, reminders=[{"offset_minutes": 5}])
    done(alone, task)
    quiet.deliver_all(alone.user)
    (made,) = after(alone, task)
    if touch == "edited":
        alone.update(made, title="mine")
    elif touch == "snoozed":
        path = f"{alone.path(made)}/reminders/{made['reminders'][0]['id']}"
        assert alone.request("PATCH", path, {"remind_at": "2031-03-03T12:00:00Z"}).status == 200
    else:
        done(alone, made)
        if "reopened" in touch:
            reopened(alone, made)
    reopened(alone, task)
    quiet.deliver_all(alone.user)
    assert [t["id"] for t in after(alone, task)] == [made["id"]]
    done(alone, task)
    quiet.deliver_all(alone.user)
    assert [t["id"] for t in after(alone, task)] == [made["id"]]
    assert quiet.unsettled(alone.user) == 0


def test_a_next_one_that_was_deleted_stays_away(quiet, alone):
    """Deleting never cascades, and what is deleted does not come back by an event or a sweep; by doing the task anew it does."""
    task = recurring(alone)
    done(alone, task)
    quiet.deliver_all(alone.user)
    (made,) = after(alone, task)
    assert alone.delete(made).status == 204
    for event in (*quiet.outbox(alone.user), wake_up(alone, task)):
        assert quiet.deliver(event) == 200
    alone.update(task, title="edited while it is done")
    quiet.deliver_all(alone.user)
    assert quiet.tick() == 200
    assert after(alone, task) == [] and alone.read(task)["completed"]
    reopened(alone, task)
    done(alone, task)
    quiet.deliver_all(alone.user)
    assert len(after(alone, task)) == 1
    (made,) = after(alone, task)
    assert alone.delete(task).status == 204
    quiet.deliver_all(alone.user)
    assert alone.read(made)["occurrence"] == 2


def test_a_number_is_there_once(quiet, alone):
    """A second instance that is made again goes on where the series is already: it has a third, made for the one that was deleted."""
    first = recurring(alone)
    done(alone, first)
    quiet.deliver_all(alone.user)
    second = next_of(alone, first)
    done(alone, second)
    quiet.deliver_all(alone.user)
    third = next_of(alone, second)
    assert alone.delete(second).status == 204
    reopened(alone, first)
    done(alone, first)
    quiet.deliver_all(alone.user)
    again = next_of(alone, first)
    done(alone, again)
    quiet.deliver_all(alone.user)
    assert (again["occurrence"], third["occurrence"]) == (2, 3)
    assert after(alone, again) == [] and not alone.read(third)["completed"]
    assert quiet.unsettled(alone.user) == 0


def test_another_rule_while_it_is_done(quiet, alone):
    """The untouched instance of the old rule gives way to one of the new."""
    task = recurring(alone, due_date="2031-03-03", recurrence="daily")
    done(alone, task)
    quiet.deliver_all(alone.user)
    alone.update(task, recurrence="weekly")
    quiet.deliver_all(alone.user)
    assert [(t["due_date"], t["recurrence"], t["occurrence"]) for t in after(alone, task)] == [("2031-03-10", "weekly", 2)]


def test_flipping_back_and_forth(quiet, alone):
    """Events of a task that was done and reopened many times, all at once and in any order: its last state counts."""
    task = recurring(alone)
    for _ in range(5):
        done(alone, task)
        reopened(alone, task)
    done(alone, task)
    for event in reversed(quiet.outbox(alone.user)):
        assert quiet.deliver(event) == 200
    assert len(after(alone, task)) == 1
    reopened(alone, task)
    for event in quiet.outbox(alone.user):
        assert quiet.deliver(event) == 200
    assert after(alone, task) == []


def test_no_room_for_another_task(quiet, alone):
    """A user who holds as many tasks as he may gets the next one when he has room again."""
    task = recurring(alone)
    quiet.database.fill_tasks(alone.user, 9999)
    done(alone, task)
    quiet.deliver_all(alone.user)
    assert after(alone, task) == [] and quiet.unsettled(alone.user) == 1
    assert quiet.database.value("SELECT look_at > now() + interval '50 minutes' FROM todod.unsettled_tasks WHERE user_id = %s",
                                alone.user)
    assert quiet.recurrers[0].log("task.not_recurred")
    other = alone.list("?limit=1&sort=title&order=asc")[0]
    assert alone.delete(other).status == 204
    quiet.look_now(alone.user)
    assert quiet.tick() == 200
    assert len(alone.list(f"?limit=10&search={task['title']}")) == 2 and quiet.unsettled(alone.user) == 0


def test_a_tag_that_was_renamed(quiet, alone):
    """Tags by the names that they have by now."""
    task = recurring(alone, tags=["home"])
    done(alone, task)
    assert alone.request("PATCH", alone.tag_path("home"), {"name": "House"}).status == 200
    quiet.deliver_all(alone.user)
    (made,) = after(alone, task)
    assert made["tags"] == ["House"] and {t["name"]: t["open_tasks"] for t in alone.tags()} == {"House": 1}


# ---- what it is sent ----

@pytest.mark.parametrize("kind, data", [
    ("completed", {"event_type": "completed"}), ("TASK_COMPLETED", {"event_type": "TASK_COMPLETED", "task_data": {"title": "x"}}),
    ("com.dapr.event.sent", {"event_type": "completed", "task_data": {"id": "{task}", "user_id": "{user}"}})])
def test_older_spellings_and_shapes(quiet, alone, kind, data):
    """EV6, EV7: what the older specifications call a completion is one."""
    task = recurring(alone)
    done(alone, task)
    event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "old", "type": kind,
             "data": {"user_id": alone.user, "task_id": task["id"], "timestamp": "2026-01-01T00:00:00", **data}}
    if "com.dapr" in kind:
        text = json.dumps(data).replace("{user}", alone.user).replace('"{task}"', str(task["id"]))
        event["data"] = json.loads(text)
    assert quiet.deliver(event) == 200
    assert len(after(alone, task)) == 1
    assert quiet.outbox(alone.user)[-1]["data"]["causation_id"] == event["id"]


@pytest.mark.parametrize("change, status", [
    ({"type": "task.invented"}, 200), ({"type": "preferences.changed"}, 200), ({"data": []}, 422), ({"data": {"user_id": 5}}, 422),
    ({"data": {"user_id": ""}}, 422), ({"partitionkey": "somebody else"}, 422), ({"id": "x" * 300}, 422), ({"id": ""}, 422),
    ({"unknown": {"a": [None]}}, 200)])
def test_what_is_not_for_it_and_what_is_wrong(quiet, alone, change, status):
    """EV6, EV12: unknown types are done, poison is refused at once, and neither changes anything."""
    task = recurring(alone)
    done(alone, task)
    before = everything(quiet, alone)
    event = wake_up(alone, task, payload={"task": {"recurrence_rule": None}})
    assert quiet.deliver({**event, **change}) == status
    for body in (b"{", b"[1]", b"\xff\xfe"):
        assert quiet.deliver(body) == 422
    assert everything(quiet, alone) == before


def test_an_event_of_somebody_else(quiet, alone, connect_api):
    """SE10: an event in another user's name finds nothing of this one's."""
    task, other = recurring(alone), connect_api(quiet.api)
    done(alone, task)
    before = everything(quiet, alone)
    assert quiet.deliver(wake_up(other, task)) == 200
    assert quiet.deliver({**wake_up(other, task), "partitionkey": alone.user}) == 422
    assert everything(quiet, alone) == before and other.list() == []
