# SPDX-License-Identifier: Apache-2.0
"""Reminders: where they come from, how they follow their task, and the events by which others schedule them."""
import datetime
import uuid

import pytest

from list_model import instant
from test_tasks import next_of

DUE = "2031-06-01T12:00:00Z"
KEYS = ["id", "task_id", "remind_at", "offset_minutes", "channels", "status", "sent_at", "retry_count", "last_error", "version"]


def minutes_before(text, minutes):
    return (instant(text) - datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def told(outbox):
    """A function: what the topic `reminders` has of a user, as (type, id, version), oldest first."""
    def read(user):
        return [(e["type"].partition(".")[2], e["data"]["payload"]["reminder_id"], e["data"]["payload"]["version"])
                for e in outbox(user) if e["type"].startswith("reminder.")]
    return read


def add(api, task, headers=None, **fields):
    return api.request("POST", api.path(task) + "/reminders", fields, headers)


def path(api, reminder):
    return f"{api.path(reminder['task_id'])}/reminders/{reminder['id']}"


def change(api, reminder, headers=None, **fields):
    return api.request("PATCH", path(api, reminder), fields, headers)


def same_time(a, b):
    return instant(a) == instant(b)


# ---- where they come from ----

def test_a_due_date_alone_brings_the_default_one(api, outbox):
    """EV3, FT9: one reminder at the due date, and one reminder.scheduled that says all of it."""
    task = api.create("Call mom", due_date=DUE, time_zone="Europe/Berlin")
    reminder, = task["reminders"]
    assert list(reminder) == KEYS
    assert reminder["offset_minutes"] == 0 and same_time(reminder["remind_at"], DUE)
    assert (reminder["status"], reminder["version"], reminder["retry_count"], reminder["sent_at"]) == ("pending", 1, 0, None)
    assert reminder["channels"] == ["in_app", "log"] and reminder["task_id"] == task["id"]
    event, = [e for e in outbox(api.user) if e["type"].startswith("reminder.")]
    assert event["type"] == "reminder.scheduled"
    assert event["data"]["payload"] == {
        "reminder_id": reminder["id"], "task_id": str(task["id"]), "title": "Call mom", "remind_at": reminder["remind_at"],
        "due_date": task["due_date"], "time_zone": "Europe/Berlin", "channels": None, "version": 1}
    assert api.reminders() == api.get(api.path(task) + "/reminders").json == [reminder]


def test_none_when_none_is_wanted(api, told):
    """EV3: `"reminders":[]` and null bring none; so do a due date gone by, a task done, and preferences that say null."""
    for fields in ({"reminders": []}, {"reminders": None}, {"due_date": "2020-01-01"}, {"completed": True}):
        assert api.create("t", **{"due_date": DUE, **fields})["reminders"] == []
    api.prefer(default_reminder_offset_minutes=None)
    assert api.create("t", due_date=DUE)["reminders"] == []
    assert told(api.user) == [] and api.reminders() == []


def test_the_default_is_the_users(api):
    """FT9: minutes before, and channels as they are now; a task's day counts as due at nine there."""
    api.prefer(default_reminder_offset_minutes=90, channels=["email"], time_zone="America/New_York")
    reminder, = api.create("t", due_date=DUE)["reminders"]
    assert same_time(reminder["remind_at"], "2031-06-01T10:30:00Z") and reminder["offset_minutes"] == 90
    assert reminder["channels"] == ["email"]
    day, = api.create("t", due_date="2031-06-01")["reminders"]
    assert same_time(day["remind_at"], "2031-06-01T11:30:00Z")
    api.prefer(channels=["log"])
    assert {tuple(r["channels"]) for r in api.reminders()} == {("log",)}


def test_a_due_date_that_comes_later_brings_one_too(api, told):
    """EV3: but only when there was none; another date moves what is there."""
    task = api.create("t")
    dated = api.update(task, due_date=DUE)
    first, = dated["reminders"]
    moved = api.update(task, due_date="2031-07-01T12:00:00Z")["reminders"]
    assert [r["id"] for r in moved] == [first["id"]] and same_time(moved[0]["remind_at"], "2031-07-01T12:00:00Z")
    assert told(api.user) == [("scheduled", first["id"], 1), ("scheduled", first["id"], 2)]
    api.update(task, reminders=[])
    assert api.update(task, due_date="2031-08-01T12:00:00Z")["reminders"] == [], "none was wanted"


def test_reminders_of_all_kinds(api):
    """FT9, FT2: offsets, times with and without zone, days (nine o'clock there), channels of their own; soonest first."""
    task = api.create("t", due_date=DUE, time_zone="Europe/Berlin", reminders=[
        {"offset_minutes": 60}, {"remind_at": "2031-05-31T08:00:00+02:00", "channels": ["email", "log"]},
        {"remind_at": "2031-05-30T08:00:00"}, {"remind_at": "2031-05-29"}, {"offset_minutes": 0, "remind_at": "2031-01-01"}])
    assert [(instant(r["remind_at"]).isoformat()[:16], r["offset_minutes"], r["channels"]) for r in task["reminders"]] == [
        ("2031-05-29T07:00", None, ["in_app", "log"]), ("2031-05-30T06:00", None, ["in_app", "log"]),
        ("2031-05-31T06:00", None, ["email", "log"]), ("2031-06-01T11:00", 60, ["in_app", "log"]),
        ("2031-06-01T12:00", 0, ["in_app", "log"])]
    assert api.read(task) == task


def test_an_all_day_task_over_a_change_of_the_clock(api):
    """FT9: offsets are taken off the reading of the clock, so a day before is nine o'clock the day before."""
    task = api.create("t", due_date="2031-03-30", time_zone="Europe/Berlin", reminders=[{"offset_minutes": 24 * 60}, {"offset_minutes": 0}])
    assert [r["remind_at"] for r in task["reminders"]] == ["2031-03-29T08:00:00Z", "2031-03-30T07:00:00Z"]


# ---- by their own routes ----

def test_add_change_remove(api, told, events):
    """FT9, EV3: each is a change of its task, with the task's entity tag."""
    task = api.create("t", due_date=DUE, reminders=[])
    answer = add(api, task, offset_minutes=30)
    assert answer.status == 201 and answer.headers["etag"] == '"2"'
    reminder = answer.json
    assert list(reminder) == KEYS and answer.headers["location"] == path(api, reminder)
    assert same_time(reminder["remind_at"], minutes_before(DUE, 30))
    snoozed = change(api, reminder, remind_at="2031-06-01T11:45:00Z")
    assert snoozed.status == 200 and snoozed.headers["etag"] == '"3"'
    assert snoozed.json == {**reminder, "remind_at": "2031-06-01T11:45:00Z", "offset_minutes": None, "version": 2}
    other = change(api, reminder, channels=["log"]).json
    assert other == {**snoozed.json, "channels": ["log"], "version": 3}
    assert api.read(task)["reminders"] == [other] and api.read(task)["version"] == 4
    gone = api.request("DELETE", path(api, reminder))
    assert gone.status == 204 and gone.body == b"" and gone.headers["etag"] == '"5"'
    assert api.read(task)["reminders"] == []
    for refused in (api.request("DELETE", path(api, reminder)), change(api, reminder, remind_at=DUE)):
        assert refused.status == 404 and refused.json["code"] == "reminder_not_found"
    r = reminder["id"]
    assert told(api.user) == [("scheduled", r, 1), ("scheduled", r, 2), ("scheduled", r, 3), ("cancelled", r, 4)]
    assert [e["type"] for e in events(api.user)] == ["task.created"] + ["task.updated"] * 4


def test_snoozing_one_that_is_sent_back_whole(api):
    """FT9: beside the offset that was there a new time counts; the time that was there, or that the offset makes, does not."""
    task = api.create("t", due_date=DUE, reminders=[{"offset_minutes": 30}])
    reminder, = task["reminders"]
    assert change(api, reminder, **reminder).json == reminder
    snoozed = change(api, reminder, **{**reminder, "remind_at": "2031-06-01T11:45:00Z"}).json
    assert (snoozed["remind_at"], snoozed["offset_minutes"], snoozed["version"]) == ("2031-06-01T11:45:00Z", None, 2)
    assert change(api, reminder, **{**snoozed, "offset_minutes": 30}).json["remind_at"] == "2031-06-01T11:30:00Z"
    # Two who sent the whole task: the second did not see that the first had moved it.
    task = api.read(task)
    api.update(task, due_date="2031-07-01T12:00:00Z")
    back, = api.request("PUT", api.path(task), {**task, "title": "n"}).json["reminders"]
    assert (back["remind_at"], back["offset_minutes"]) == ("2031-06-01T11:30:00Z", 30)
    assert change(api, back, **{**back, "remind_at": "2031-06-31"}).status == 422


def test_keys_and_conditions(api, told):
    """FT9: a repeated POST adds one; If-Match is of the task."""
    task = api.create("t", due_date=DUE, reminders=[])
    first = add(api, task, {"Idempotency-Key": "k", "If-Match": '"1"'}, offset_minutes=5)
    again = add(api, task, {"Idempotency-Key": "k", "If-Match": '"1"'}, offset_minutes=5)
    assert first.status == again.status == 201 and first.body == again.body
    assert add(api, task, {"If-Match": '"1"'}, offset_minutes=6).status == 412
    assert change(api, first.json, {"If-Match": '"1"'}, offset_minutes=6).status == 412
    assert api.request("DELETE", path(api, first.json), headers={"If-Match": '"1"'}).status == 412
    assert len(told(api.user)) == 1 and len(api.reminders()) == 1


def test_ids_that_are_none(api):
    """SE10, FT9: guessed, malformed, of another task."""
    task, other = api.create("t", due_date=DUE), api.create("u", due_date=DUE)
    foreign = other["reminders"][0]["id"]
    for reminder_id in (str(uuid.uuid4()), foreign, "1", "x", "%00", foreign[:-1], foreign + "0", "%20"):
        target = f"{api.path(task)}/reminders/{reminder_id}"
        for answer in (api.request("PATCH", target, {"offset_minutes": 1}), api.request("DELETE", target)):
            assert answer.status in (400, 404) if reminder_id == "%00" else answer.status == 404, answer
    assert api.read(task) == task and api.read(other) == other
    assert api.get(api.path(99999999) + "/reminders").status == 404 and add(api, 99999999, offset_minutes=1).status == 404


# ---- with their task ----

def test_completing_cancels_and_reopening_revives(api, told):
    """EV3: and whoever scheduled it hears of both."""
    task = api.create("t", due_date=DUE)
    first, = task["reminders"]
    done = api.complete(task).json["reminders"]
    assert [(r["id"], r["status"], r["version"]) for r in done] == [(first["id"], "cancelled", 2)]
    assert api.reminders("?status=pending") == [] and len(api.reminders("?status=cancelled")) == 1
    again = api.complete(task).json["reminders"]
    assert [(r["id"], r["status"], r["version"]) for r in again] == [(first["id"], "pending", 3)]
    assert told(api.user) == [("scheduled", first["id"], 1), ("cancelled", first["id"], 2), ("scheduled", first["id"], 3)]


def test_reopening_does_not_revive_what_is_past(api, told):
    """EV3"""
    task = api.create("t", due_date=DUE, reminders=[{"remind_at": "2020-01-01T00:00:00Z"}, {"offset_minutes": 0}])
    api.complete(task)
    assert [r["status"] for r in api.complete(task).json["reminders"]] == ["cancelled", "pending"]
    assert len(told(api.user)) == 5


def test_clearing_the_due_date(api, told):
    """EV3: reminders before it are gone and cancelled; one at a time of its own stays, and is told anew: the date it says is gone."""
    task = api.create("t", due_date=DUE, reminders=[{"offset_minutes": 5}, {"remind_at": "2031-01-01T00:00:00Z"}])
    own, offset = task["reminders"]
    left, = api.update(task, due_date=None)["reminders"]
    assert left == {**own, "version": 2}
    assert sorted(told(api.user)) == sorted([("scheduled", own["id"], 1), ("scheduled", offset["id"], 1), ("cancelled", offset["id"], 2),
                                             ("scheduled", own["id"], 2)])


def test_other_words_are_told_too(api, outbox):
    """EV3: a scheduled reminder carries title and due date, so it is scheduled again when they change; else it is not."""
    task = api.create("t", due_date=DUE)
    api.update(task, description="d", priority="high", tags=["a"])
    api.update(task, title="n")
    scheduled = [e["data"]["payload"] for e in outbox(api.user) if e["type"] == "reminder.scheduled"]
    assert [(p["title"], p["version"]) for p in scheduled] == [("t", 1), ("n", 2)]


def test_deleting_the_task(api, told):
    """EV3: what was still to fire is cancelled; what was cancelled already is not told again."""
    task = api.create("t", due_date=DUE, reminders=[{"offset_minutes": 5}, {"offset_minutes": 10}])
    ids = [r["id"] for r in task["reminders"]]
    api.delete(task)
    assert told(api.user)[2:] == [("cancelled", i, 2) for i in ids]
    done = api.create("t", due_date=DUE)
    api.complete(done)
    n = len(told(api.user))
    api.delete(done)
    assert len(told(api.user)) == n and api.reminders() == []


def test_reminders_sent_as_a_list(api, told):
    """FT9: by id or by time the same one; what is left out goes; read-only keys do not count."""
    task = api.create("t", due_date=DUE, reminders=[{"offset_minutes": 5}, {"offset_minutes": 10}])
    ten, five = task["reminders"]
    after = api.update(task, reminders=[{"offset_minutes": 5}, {**ten, "remind_at": None, "offset_minutes": 20, "status": "sent", "sent_at": DUE}])
    assert [(r["id"], r["offset_minutes"], r["status"]) for r in after["reminders"]] == [(ten["id"], 20, "pending"), (five["id"], 5, "pending")]
    assert told(api.user)[2:] == [("scheduled", ten["id"], 2)]
    api.update(task, reminders=[{"offset_minutes": 5}])
    assert told(api.user)[3:] == [("cancelled", ten["id"], 3)]


# ---- bounds, and what is none ----

def test_ten_a_task(api, database):
    """FT9: the eleventh is 422 by every way."""
    task = api.create("t", due_date=DUE, reminders=[{"offset_minutes": i} for i in range(10)])
    before = database.counts(api.user)
    for answer in (add(api, task, offset_minutes=11), api.put(task, reminders=[{"offset_minutes": i} for i in range(11)])):
        assert answer.status == 422 and answer.json["detail"][0]["loc"][:2] == ["body", "reminders"], answer
    assert database.counts(api.user) == before and api.read(task) == task


BAD = {
    "nothing": ({}, "body"),
    "null": ({"remind_at": None, "offset_minutes": None}, "body"),
    "negative": ({"offset_minutes": -1}, "offset_minutes"),
    "over a year": ({"offset_minutes": 527041}, "offset_minutes"),
    "a fraction": ({"offset_minutes": 1.5}, "offset_minutes"),
    "a string": ({"offset_minutes": "5"}, "offset_minutes"),
    "huge": ({"offset_minutes": 10 ** 30}, "offset_minutes"),
    "no date": ({"remind_at": "tomorrow"}, "remind_at"),
    "a number": ({"remind_at": 5}, "remind_at"),
    "second 60": ({"remind_at": "2031-01-01T00:00:60Z"}, "remind_at"),
    "year 10000": ({"remind_at": "10000-01-01T00:00:00Z"}, "remind_at"),
    "no channel": ({"offset_minutes": 5, "channels": []}, "channels"),
    "another channel": ({"offset_minutes": 5, "channels": ["sms"]}, "channels"),
    "a channel twice": ({"offset_minutes": 5, "channels": ["log", "log"]}, "channels"),
    "channels as a word": ({"offset_minutes": 5, "channels": "log"}, "channels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_reminders(api, database, name):
    """FT9, RL4, SE11: 422 naming the field, nothing written; so with a channel that there is none of."""
    body, field = BAD[name]
    task = api.create("t", due_date=DUE)
    before = database.counts(api.user)
    answers = [add(api, task, {"Idempotency-Key": "k"}, **body), api.put(task, reminders=[{"offset_minutes": 9}, body])]
    if field != "body":
        answers.append(change(api, task["reminders"][0], **body))
    for answer in answers:
        assert answer.status in (400, 422) if name == "huge" else answer.status == 422, answer
        if answer.status == 422:
            loc = answer.json["detail"][0]["loc"]
            assert field in loc or loc[-1] in (field, 1), answer
    assert database.counts(api.user) == before and api.read(task) == task


def test_an_offset_needs_a_due_date(api, database):
    """FT9"""
    task = api.create("t")
    before = database.counts(api.user)
    for answer in (add(api, task, offset_minutes=5), api.put(task, reminders=[{"offset_minutes": 5}]),
                   api.request("POST", api.tasks, {"title": "t", "reminders": [{"offset_minutes": 5}]})):
        assert answer.status == 422 and answer.json["detail"][0]["loc"][-1] == "offset_minutes", answer
    assert database.counts(api.user) == before
    assert add(api, task, remind_at=DUE).status == 201


# ---- the list ----

def test_list_by_status_in_pages(api, database):
    """FT9, RL11: soonest first, each once; by one status or several; what the notifier did shows."""
    tasks = [api.create("t", due_date=f"2031-06-{d:02}T12:00:00Z", reminders=[{"offset_minutes": 0}, {"offset_minutes": 60}])
             for d in (3, 1, 2, 9, 9)]
    api.complete(tasks[0])
    database.rows("""UPDATE todod.reminders SET status = 3, sent_at = '2031-06-01T12:00:01Z', retry_count = 2, last_error = 'late'
        WHERE user_id = %s AND task_id = %s AND offset_minutes = 0""", api.user, tasks[1]["id"])
    everything = api.reminders()
    assert len(everything) == 10 and everything == sorted(everything, key=lambda r: (instant(r["remind_at"]), r["id"]))
    for query, wanted in (("sent", {"sent"}), ("pending,sent", {"pending", "sent"}), ("cancelled&status=sent", {"cancelled", "sent"}), ("failed", set()),
                          ("all", {"pending", "sent", "cancelled"})):
        assert api.reminders(f"?status={query}") == [r for r in everything if r["status"] in wanted], query
    sent, = api.reminders("?status=sent")
    assert (sent["sent_at"], sent["retry_count"], sent["last_error"]) == ("2031-06-01T12:00:01Z", 2, "late")
    for query in ("?limit=3", "?status=pending&limit=2", "?limit=10"):
        seen, at = [], api.at("reminders") + query
        while at is not None:
            page = api.get(at)
            seen += page.json
            at = next_of(page)
        assert seen == api.reminders(query.replace("limit=3", "").replace("limit=2", "").replace("limit=10", "")), query


def test_pages_from_the_first_year_on(api):
    """FT9: there is no time before year 1, so what would fire before it fires at its beginning, as it is shown; the page after it can be asked for."""
    task = api.create("t", due_date="0001-01-05", reminders=[{"offset_minutes": 527040}, {"offset_minutes": 500000}, {"offset_minutes": 5}])
    assert [r["remind_at"] for r in task["reminders"]] == ["0001-01-01T00:00:00Z"] * 2 + ["0001-01-05T08:55:00Z"]
    seen, at = [], api.at("reminders?limit=1")
    while at is not None:
        page = api.get(at)
        assert page.status == 200, page
        seen += page.json
        at = next_of(page)
    assert seen == sorted(task["reminders"], key=lambda r: (r["remind_at"], r["id"])) == api.reminders()


@pytest.mark.parametrize("query", ["status=open", "status=sent,open", "limit=0", "limit=201", "limit=x", "cursor=x", "cursor=", "cursor=AAAA"])
def test_bad_queries_of_the_list(api, query):
    """FT9"""
    answer = api.get(api.at("reminders") + "?" + query)
    assert answer.status == 422 and answer.json["detail"][0]["loc"][:2] == ["query", query.partition("=")[0]], answer


def test_cursors_of_the_list_made_by_hand(daemon, connect_api, api):
    """SE2, SE11: it is but a place in one's own list; damaged it is 422."""
    api.create("t", due_date=DUE, reminders=[{"offset_minutes": i} for i in range(4)])
    cursor = next_of(api.get(api.at("reminders") + "?limit=2")).rpartition("cursor=")[2]
    other = connect_api(daemon)
    assert other.get(other.at(f"reminders?cursor={cursor}")).json == []
    for damaged in (cursor[:-1], cursor[:10], "A" + cursor[1:], cursor + "A", cursor[:-3] + "***"):
        assert api.get(api.at(f"reminders?cursor={damaged}")).status in (200, 422)
