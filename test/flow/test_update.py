# SPDX-License-Identifier: Apache-2.0
"""PUT and PATCH: what is absent stays, null clears, the rest replaces; and who wins when two write at once."""
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process import wait_until
from test_tasks import OLD_KEYS, in_parallel, locked, waiting_for_locks, when

# A task with something in every field, and what it shows.
WHOLE = {"title": "Water the plants", "description": "all of them", "priority": "high", "tags": ["Home", "garden"],
         "due_date": "2031-01-31T18:00:00", "time_zone": "Europe/Berlin", "reminders": [{"offset_minutes": 30}],
         "recurrence": "monthly", "recurrence_mode": "completion", "recurrence_end_date": "2035-12-31"}
# Field: what is sent, what is shown then, what null makes of it (None: 422), what else changes with null.
MERGED = {
    "title": ("Other", "Other", None, set()),
    "description": ("Other", "Other", "null", set()),
    "priority": ("low", "low", "medium", set()),
    "tags": (["other", "HOME"], ["other", "Home"], [], set()),
    "due_date": ("2031-02-28", "2031-02-28", None, set()),
    "time_zone": ("Asia/Tokyo", "Asia/Tokyo", "UTC", {"series_id"}),
    "reminders": ([{"offset_minutes": 5}], ..., [], set()),
    "recurrence": ("weekly", "weekly", "null", {"recurrence_rule", "recurrence_mode", "recurrence_end_date", "series_id",
                                                "occurrence"}),
    "recurrence_mode": ("due", "due", "due", {"series_id"}),
    "recurrence_end_date": ("2034-01-01T00:00:00Z", "2034-01-01T00:00:00Z", "null", set()),
}
VOLATILE = {"updated_at", "version"}
# The word is the rule's, the status is `completed`: an event tells each change once.
TOLD_BY_OTHERS = {"recurrence", "status"}


def differences(before, after):
    return {k for k in after if after[k] != before[k]} - VOLATILE


# ---- the clients from before ----

def test_golden_put(api):
    """AR14: PUT of {title, description} is 200 with the task; the seven old keys first, in their order."""
    task = api.create("Buy groceries", description="milk")
    answer = api.request("PUT", api.path(task), {"title": "Buy more", "description": "milk, bread"})
    assert answer.status == 200
    assert list(answer.json)[:7] == OLD_KEYS
    assert answer.json["title"] == "Buy more" and answer.json["description"] == "milk, bread"
    assert answer.json["completed"] is False and answer.json["created_at"] == task["created_at"]
    assert when(answer.json["updated_at"]) > when(task["updated_at"])
    assert api.read(task) == answer.json


def test_golden_put_of_one_field(api):
    """AR14: the old PUT left alone what was not sent."""
    task = api.create("one", description="stays")
    assert api.update(task, title="two")["description"] == "stays"
    assert api.update(task, description="other")["title"] == "two"
    assert api.update(task, description=None)["description"] is None
    assert api.update(task)["title"] == "two", "nothing sent, nothing changed"


def test_golden_put_of_what_is_not_there(api):
    """AR14: 404 with the old detail; 422 with the old shape."""
    for method in ("PUT", "PATCH"):
        answer = api.request(method, api.tasks + "/999999999", {"title": "t"})
        assert answer.status == 404 and answer.json["detail"] == "Task not found"
        task = api.create("t")
        for title in ("", "  ", None, 5, "x" * 201):
            answer = api.request(method, api.path(task), {"title": title})
            assert answer.status == 422, answer
            assert answer.json["detail"][0].keys() == {"loc", "msg", "type"}
            assert answer.json["detail"][0]["loc"] == ["body", "title"]
        assert api.read(task) == task


def test_golden_life_by_the_eight_old_calls(api):
    """AR14: create, list, read, put, toggle, toggle, delete; what an old client keeps of it is what it always was."""
    def old(task):
        return {k: task[k] for k in OLD_KEYS}

    first = old(api.create("first", description="d"))
    second = old(api.create("second"))
    assert [old(t) for t in api.list()] == [second, first]
    assert old(api.read(first)) == first
    # It sends back what it was shown, with its change.
    put = api.request("PUT", api.path(first), {**first, "title": "changed"}).json
    assert {**old(put), "updated_at": 0} == {**first, "title": "changed", "updated_at": 0}
    assert api.request("PUT", api.path(first), {**old(put), "completed": True}).json["completed"] is True
    assert api.complete(first).json["completed"] is False
    assert api.complete(first).json["completed"] is True
    assert api.delete(first).status == 204
    assert [old(t) for t in api.list()] == [second]


# ---- merging ----

@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("field", MERGED)
def test_absent_null_and_set(api, events, method, field):
    """AR14: each field by itself; nothing else changes, but what hangs on it."""
    sent, shown, null, more = MERGED[field]
    task = api.create(**WHOLE)
    answer = api.request(method, api.path(task), {"unknown": 1})
    assert answer.json == task and answer.headers["etag"] == '"1"'

    answer = api.request(method, api.path(task), {field: sent})
    assert answer.status == 200, answer
    changed = answer.json
    allowed = {field, *more, "reminders", "series_id", "recurrence_rule"} if field in (
        "title", "due_date", "time_zone", "recurrence") else {field, *more}
    assert field in differences(task, changed) <= allowed
    assert changed["version"] == 2
    if shown is not ...:
        assert changed[field] == shown
    assert api.read(task) == changed
    change = events(api.user)[-1]["data"]["payload"]["changes"]
    assert set(change) == differences(task, changed) - TOLD_BY_OTHERS
    assert all(told == {"before": task[name], "after": changed[name]} for name, told in change.items())

    other = api.create(**WHOLE)
    answer = api.request(method, api.path(other), {field: None})
    if null is None:
        assert answer.status == 422 and answer.json["detail"][0]["loc"] == ["body", field], answer
        assert api.read(other) == other
        return
    assert answer.status == 200, answer
    assert answer.json[field] == (None if null == "null" else null)
    assert differences(other, answer.json) <= {field, *more, "reminders", *({"due_date"} if field == "time_zone" else ())}


def test_clearing_everything(api):
    """AR14: due date and recurrence go together; what is left is a plain task."""
    task = api.create(**WHOLE)
    bare = api.update(task, due_date=None, recurrence=None, description=None, priority=None, tags=None, time_zone=None)
    plain = api.create("Water the plants")
    assert {k: v for k, v in bare.items() if k not in ("id", "created_at", "updated_at", "version")} == \
        {k: v for k, v in plain.items() if k not in ("id", "created_at", "updated_at", "version")}


SHAPES = {
    "plain": {},
    "whole": WHOLE,
    "completed": {"completed": True, "due_date": "2031-05-05"},
    "a day in a zone": {"due_date": "2031-03-30", "time_zone": "America/New_York", "reminders": []},
    "a rule no word stands for": {"due_date": "2031-01-01T08:00:00Z", "recurrence_rule": "FREQ=WEEKLY;BYDAY=MO,WE;INTERVAL=2"},
    "reminders of all kinds": {"due_date": "2031-01-01T08:00:00.123456Z", "reminders": [
        {"offset_minutes": 0}, {"remind_at": "2030-12-31T08:00:00.5Z"}, {"offset_minutes": 60, "channels": ["log", "email"]}]},
    "a zone without a date": {"time_zone": "Asia/Kolkata"},
    "a fold": {"due_date": "2031-10-26T02:30:00", "time_zone": "Europe/Berlin", "recurrence": "daily"},
    "unicode": {"description": "a\u0301 \u202e\n", "tags": ["\u00c4rger", "\u6f22\u5b57", "e\u0301"]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_task_sent_back_as_it_was_shown_changes_nothing(api, outbox, database, shape):
    """AR14, EV10: 200, the same version, no event."""
    task = api.create(**{"title": "t", **SHAPES[shape]})
    before, counts = outbox(api.user), database.counts(api.user)
    for method in ("PUT", "PATCH", "PUT"):
        answer = api.request(method, api.path(task), task)
        assert answer.status == 200, answer
        assert {k: v for k, v in answer.json.items() if k != "next_occurrence"} == task
        assert answer.headers["etag"] == f'"{task["version"]}"'
    assert outbox(api.user) == before and database.counts(api.user) == counts
    # And with one change in it that one is what changes.
    changed = api.request("PUT", api.path(task), {**task, "description": "new"}).json
    assert differences(task, changed) - {"next_occurrence"} == {"description"}


# One change to a task that is sent back whole, and what of it shows then.
ECHOED = {
    "no due date any more": ({"due_date": "2031-05-05T10:00:00Z", "reminders": [{"offset_minutes": 30}, {"remind_at": "2031-01-01T00:00:00Z"}]},
                             {"due_date": None}, {"due_date": None}),
    "no recurrence any more": ({"due_date": "2031-05-05", "recurrence": "daily", "recurrence_end_date": "2032-01-01", "recurrence_mode": "completion"},
                               {"recurrence": None, "recurrence_rule": None}, {"recurrence_rule": None, "recurrence_mode": None, "recurrence_end_date": None}),
    "no recurrence by its word": ({"due_date": "2031-05-05T10:00:00", "time_zone": "Asia/Tokyo", "recurrence": "weekly", "recurrence_end_date": "2032-01-01T00:00:00"},
                                  {"recurrence": None}, {"recurrence_rule": None, "recurrence_end_date": None}),
    "neither": ({"due_date": "2031-05-05", "recurrence": "daily"}, {"due_date": None, "recurrence": None}, {"due_date": None, "recurrence_rule": None, "reminders": []}),
    "done": ({"due_date": "2031-05-05"}, {"completed": True}, {"completed": True, "status": "completed"}),
    "open again": ({"completed": True}, {"completed": False}, {"completed": False, "status": "pending"}),
    "another day": ({"due_date": "2031-05-05T10:00:00Z", "reminders": [{"offset_minutes": 30}]}, {"due_date": "2031-05-06T10:00:00Z"},
                    {"due_date": "2031-05-06T10:00:00Z"}),
}


@pytest.mark.parametrize("name", ECHOED)
def test_a_task_sent_back_with_one_change(api, name):
    """AR14: what comes back as it was shown asks for nothing, so it cannot stand in the way of what does."""
    fields, change, shown = ECHOED[name]
    task, other = api.create("t", **fields), api.create("t", **fields)
    answer = api.request("PUT", api.path(task), {**task, **change})
    assert answer.status == 200, answer
    assert {k: answer.json[k] for k in shown} == shown
    assert comparable(api.read(task)) == comparable(api.update(other, **change)), "as if only the change were sent"


def test_what_did_change_may_stand_in_the_way(api, database):
    """FT8, FT9: an end, an offset or a status that is not as it was is still refused."""
    task = api.create("t", due_date="2031-05-05", recurrence="daily", recurrence_end_date="2032-01-01", reminders=[{"offset_minutes": 30}])
    before = database.counts(api.user)
    moved = {**task["reminders"][0], "offset_minutes": 31}
    for change, field in (({"recurrence": None, "recurrence_rule": None, "recurrence_end_date": "2032-01-02"}, "recurrence_end_date"),
                          ({"due_date": None, "recurrence": None, "recurrence_end_date": None, "reminders": [moved]}, "reminders"),
                          ({"status": "completed"}, "status")):
        answer = api.request("PUT", api.path(task), {**task, **change})
        assert answer.status == 422 and answer.json["detail"][0]["loc"][1] == field, answer
    assert database.counts(api.user) == before and api.read(task) == task


ALIASES = {
    "due_at": ({"due_at": "2031-05-05"}, {"due_date": "2031-05-05"}),
    "recurrence_pattern of a word": ({"due_date": "2031-05-05", "recurrence_pattern": "weekly"},
                                     {"due_date": "2031-05-05", "recurrence": "weekly"}),
    "recurrence_pattern of a rule": ({"due_date": "2031-05-05", "recurrence_pattern": "FREQ=DAILY;COUNT=3"},
                                     {"due_date": "2031-05-05", "recurrence_rule": "FREQ=DAILY;COUNT=3"}),
    "recurrence_type": ({"due_date": "2031-05-05", "recurrence_type": "monthly"},
                        {"due_date": "2031-05-05", "recurrence": "monthly"}),
    "recurrence_interval": ({"due_date": "2031-05-05", "recurrence_type": "daily", "recurrence_interval": 3},
                            {"due_date": "2031-05-05", "recurrence_rule": "FREQ=DAILY;INTERVAL=3"}),
    "recurrence_end": ({"due_date": "2031-05-05", "recurrence_type": "weekly", "recurrence_end": "2032-01-01"},
                       {"due_date": "2031-05-05", "recurrence": "weekly", "recurrence_end_date": "2032-01-01"}),
    "recurrence none": ({"recurrence_type": "none"}, {}),
    "is_completed": ({"is_completed": True}, {"completed": True}),
    "status": ({"status": "completed"}, {"completed": True}),
    "tags as objects": ({"tags": [{"name": "a"}, {"name": "b", "color": "#ff0000"}]}, {"tags": ["a", "b"]}),
    "tags mixed": ({"tags": ["a", {"name": "b"}]}, {"tags": ["a", "b"]}),
    "critical": ({"priority": "critical"}, {"priority": "urgent"}),
    "normal": ({"priority": "normal"}, {"priority": "medium"}),
    "remind_at": ({"due_date": "2031-05-05", "remind_at": "2031-05-04T10:00:00Z"},
                  {"due_date": "2031-05-05", "reminders": [{"remind_at": "2031-05-04T10:00:00Z"}]}),
}
OWN = {"id", "created_at", "updated_at", "completed_at", "series_id"}


def comparable(task):
    """What two tasks made by the same words have in common."""
    task = {k: v for k, v in task.items() if k not in OWN}
    task["reminders"] = [{k: v for k, v in r.items() if k not in ("id", "task_id")} for r in task["reminders"]]
    return task


@pytest.mark.parametrize("name", ALIASES)
def test_older_names_of_inputs(api, name):
    """FT8, AR14: POST and PUT with the older names give the task that ours give."""
    older, ours = ALIASES[name]
    assert comparable(api.create("t", **older)) == comparable(api.create("t", **ours))
    a, b = api.create("t"), api.create("t")
    assert comparable(api.update(a, **older)) == comparable(api.update(b, **ours))


def test_a_name_counts_more_than_its_older_one(api):
    """FT8"""
    task = api.create("t", due_date="2031-01-01", due_at="2032-01-01", recurrence="daily", recurrence_type="weekly",
                      recurrence_end_date="2033-01-01", recurrence_end="2034-01-01")
    assert (task["due_date"], task["recurrence"], task["recurrence_end_date"]) == ("2031-01-01", "daily", "2033-01-01")


TITLES = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=30).map(
    lambda s: "." + s + ".")
CHANGES = st.fixed_dictionaries({}, optional={
    "title": TITLES,
    "description": st.one_of(st.none(), TITLES),
    "priority": st.sampled_from([None, "low", "medium", "high", "urgent"]),
    "completed": st.sampled_from([None, True, False]),
    "tags": st.one_of(st.none(), st.lists(st.sampled_from(["a", "b", "c", "d e", "f.g"]), max_size=4, unique=True)),
    "due_date": st.sampled_from([None, "2031-01-31", "2032-02-29T12:00:00Z", "1999-12-31T23:59:59.500000Z"]),
    "time_zone": st.sampled_from(["UTC", "Asia/Tokyo", "America/St_Johns"]),
})
CLEARED = {"description": None, "priority": "medium", "tags": [], "due_date": None}


@settings(max_examples=60)
@given(changes=st.lists(CHANGES, min_size=1, max_size=6), methods=st.randoms(use_true_random=False))
def test_merging_is_what_a_dictionary_does(api, changes, methods):
    """AR14: any sequence of partial writes, beside a model that does nothing but update a dictionary."""
    task = api.create("t")
    model = {k: task[k] for k in ("title", "description", "priority", "completed", "tags", "due_date", "time_zone")}
    version = 1
    for change in changes:
        answer = api.request(methods.choice(("PUT", "PATCH")), api.path(task), change)
        assert answer.status == 200, answer
        before = dict(model)
        for key, value in change.items():
            if value is not None:
                model[key] = value
            elif key in CLEARED:
                model[key] = CLEARED[key]
        if model["due_date"] and model["time_zone"] is None:
            model["time_zone"] = "UTC"
        version += model != before
        shown = answer.json
        assert {k: shown[k] for k in model} == model
        assert shown["version"] == version
        assert (shown["completed_at"] is not None) == model["completed"]
    assert api.read(task)["version"] == version


# ---- conditions, and two at once ----

@pytest.mark.parametrize("value, status", [('"1"', 200), ("*", 200), ('"7", "1"', 200), ('"2"', 412), ('W/"1"', 412), ("1", 400)])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_if_match(api, database, method, value, status):
    task = api.create("m")
    before = database.counts(api.user)
    answer = api.request(method, api.path(task), {"title": "n"}, {"If-Match": value, "Idempotency-Key": "k"})
    assert answer.status == status, answer
    if status != 200:
        assert api.read(task) == task and database.counts(api.user) == before


def test_two_writers_with_if_match(api):
    """One wins, the others see 412 and may read again."""
    task = api.create("t")
    answers = in_parallel(8, lambda i: api.put(task, {"If-Match": '"1"'}, description=f"{i}"))
    assert sorted(a.status for a in answers) == [200] + [412] * 7
    winner = next(a.json for a in answers if a.status == 200)
    assert api.read(task) == winner and winner["version"] == 2


def test_two_writers_without_if_match_merge(api, database):
    """Writers of different fields who all read version 1: nobody is refused and nothing is lost."""
    task = api.create("t")
    lock = locked(database, task)
    sent = [{"title": "n"}, {"description": "d"}, {"priority": "high"}, {"tags": ["x"]}]
    answers = []
    threads = [threading.Thread(target=lambda f=f: answers.append(api.put(task, **f))) for f in sent]
    for t in threads:
        t.start()
    wait_until("four writers that wait", lambda: waiting_for_locks(database) == 4)
    lock.close()
    for t in threads:
        t.join()
    assert [a.status for a in answers] == [200] * 4, answers
    now = api.read(task)
    assert (now["title"], now["description"], now["priority"], now["tags"], now["version"]) == ("n", "d", "high", ["x"], 5)
    assert sorted(a.json["version"] for a in answers) == [2, 3, 4, 5]


def test_a_repeated_key_writes_once(api, outbox):
    task = api.create("t")
    first = api.put(task, {"Idempotency-Key": "k"}, title="n", tags=["new"])
    api.update(task, title="later")
    again = api.put(task, {"Idempotency-Key": "k"}, title="n", tags=["new"])
    assert again.body == first.body and again.headers["idempotency-replayed"] == "true"
    assert api.read(task)["title"] == "later"
    assert api.put(task, {"Idempotency-Key": "k"}, title="m").status == 422
    assert len(outbox(api.user)) == 6


def test_four_operations_leave_four_events(api, events):
    """EV10: create, update, complete, delete over REST: one event of the right type each; what fails leaves none."""
    task = api.create("t")
    api.update(task, title="n")
    api.complete(task)
    for refused in (api.put(task, title=""), api.put(task, {"If-Match": '"1"'}, title="x"), api.put(task, due_date="never"),
                    api.complete(task, {"status": "x"}), api.request("POST", api.tasks, {"title": "t", "priority": "no"})):
        assert refused.status in (412, 422), refused
    api.delete(task)
    assert [e["type"] for e in events(api.user)] == ["task.created", "task.updated", "task.completed", "task.deleted"]


def test_completing_and_reopening_by_put_are_told_as_such(api, events):
    """EV10: `completed`, `status` and `is_completed` act like /complete, also beside other fields."""
    task = api.create("t")
    done = api.update(task, completed=True, title="n")
    assert done["status"] == "completed" and done["completed_at"] == done["updated_at"]
    again = api.update(task, status="pending")
    assert again["completed_at"] is None
    assert [e["type"] for e in events(api.user)] == ["task.created", "task.completed", "task.reopened"]
