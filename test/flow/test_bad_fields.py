# SPDX-License-Identifier: Apache-2.0
"""Each field with too little, too much, of the wrong type, of a date or zone that is none: refused, named, nothing written."""
import pytest

LONG = "x" * 200000
NOT_STRINGS = [5, 1.5, True, [], {}, ["a"]]
NOT_DATES = ["", " ", "tomorrow", "2026-02-30", "2026-13-01", "2026-00-10", "2026-01-00", "2025-02-29", "10000-01-01", "10000-01-01T00:00:00Z",
             "0000-01-01", "-001-01-01", "26-01-01", "2026-1-1", "2026-01-01T", "2026-01-01T24:00:00Z", "2026-01-01T12:60:00Z", "2026-01-01T12:00:60Z",
             "2026-01-01T12:00:00+24:00", "2026-01-01T12:00:00+05:60", "2026-01-01T12:00:00 Europe/Berlin", "2026-01-01 ", " 2026-01-01", "2026-W01-1",
             "2026-001", "1767225600", "2026-01-01T12", "2026-01-01T12:00:00.Z", "2026-01-01T12:00:00,5Z", "\u0662026-01-01", "2026-01-01\n",
             "9999-12-31T23:59:59-14:00", "x" * 5000]
NOT_ZONES = ["", "Mars/Olympus", "Europe", "CEST-2", "UTC+2", "../UTC", "/etc/localtime", "Europe/Berlin ", "Europe//Berlin", "europe\\berlin",
             "GMT+25", "+02:00", "x" * 1000, "Europe/Berlin\u0001", "\u202eUTC", "posix/UTC/", "tzdata.zi", "zone.tab",
             "localtime", "posixrules"]

# Field: values none of which is one.
VALUES = {
    "title": ["", " \t\n", "x" * 201, "\u00e4" * 201, "\u2003", None, *NOT_STRINGS],
    "description": ["x" * 1001, "\U0001f600" * 1001, *NOT_STRINGS],
    "priority": ["", "High", "highest", " high", "0", *NOT_STRINGS],
    "status": ["", "done", "Completed", "all", *NOT_STRINGS],
    "completed": ["true", "", 0, 1, [], {}, 1.5],
    "is_completed": ["true", 0, [], {}],
    "tags": ["a", 5, True, {}, {"name": "a"}, [5], [None], [[]], [{}], [{"name": None}], [{"name": 5}], [{"Name": "a"}], [""], ["a" * 51], ["a,b"],
             ["a\u0001"], ["\u202ea"], ["\U0001f600"], [f"t{i}" for i in range(21)]],
    "due_date": [*NOT_DATES, *NOT_STRINGS],
    "due_at": ["2026-02-30", 5, []],
    "time_zone": [*NOT_ZONES, *NOT_STRINGS],
    "reminders": ["a", 5, True, {}, [5], ["a"], [None], [{}], [[]], [{"offset_minutes": "5"}], [{"offset_minutes": -1}], [{"offset_minutes": 527041}],
                  [{"remind_at": "2026-02-30"}], [{"remind_at": 5}], [{"offset_minutes": 5, "channels": ["sms"]}],
                  [{"offset_minutes": 5, "channels": []}], [{"offset_minutes": i} for i in range(11)]],
    "remind_at": ["2026-02-30", "tomorrow", 5, []],
    "recurrence": ["hourly", "", 5, [], True],
    "recurrence_type": ["hourly", 5],
    "recurrence_pattern": ["hourly", "FREQ=HOURLY", 5],
    "recurrence_interval": [1.5, "2", True, [], {}],
    "recurrence_rule": ["FREQ=SECONDLY", "x", 5, [], True, {}],
    "recurrence_mode": ["", "both", 5, []],
    "recurrence_end_date": ["2026-02-30", "10000-01-01", "never", 5, []],
    "recurrence_end": ["2026-02-30", 5],
}
# What a field needs beside it to be looked at.
BESIDE = {"recurrence_end_date": {"recurrence": "daily"}, "recurrence_end": {"recurrence": "daily"}, "recurrence_mode": {"recurrence": "daily"},
          "recurrence_interval": {"recurrence": "daily"}}
CASES = [(field, value) for field, values in VALUES.items() for value in values]


@pytest.fixture(scope="module")
def table(shared_daemon, database, openapi, signing_key):
    """A client with one task, the counts with nothing else, and that task."""
    from api_client import Api, sign  # pylint: disable=import-outside-toplevel
    api = Api(shared_daemon, sign(signing_key, "bad-fields"), "bad-fields", openapi)
    task = api.create("t", due_date="2031-01-31", tags=["a"], description="d")
    yield api, task, database.counts(api.user)
    api.close()


@pytest.mark.parametrize("field, value", CASES, ids=lambda v: ascii(v)[:40])
def test_bad_field(table, database, field, value):
    """SE11, FT3: by POST, PUT and PATCH: 422 with a loc that names the field; not a row is written, not even the key's."""
    api, task, counts = table
    body = {"title": "t", "due_date": "2031-01-31", **BESIDE.get(field, {}), field: value}
    if field == "due_at":
        del body["due_date"]
    for method, path in (("POST", api.tasks), ("PUT", api.path(task)), ("PATCH", api.path(task))):
        answer = api.request(method, path, body, {"Idempotency-Key": "k"})
        assert answer.status == 422, answer
        loc = answer.json["detail"][0]["loc"]
        assert loc[:2] == ["body", field], answer
        assert database.counts(api.user) == counts
    assert api.read(task) == task


def test_too_much_of_a_body(table, database):
    """SE11: 413, before it is read."""
    api, task, counts = table
    for method, path in (("POST", api.tasks), ("PUT", api.path(task)), ("PATCH", api.path(task) + "/complete"), ("POST", api.path(task) + "/reminders"),
                         ("POST", api.at("tags")), ("PATCH", api.tag_path("a")), ("PUT", api.at("preferences"))):
        answer = api.request(method, path, {"title": "t", "name": "n", "description": LONG, "remind_at": LONG})
        assert answer.status == 413, answer
    assert database.counts(api.user) == counts and api.read(task) == task


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"5", b"{", b'{"title":"t"', b'{"a":1,"a":2}', b'{"x":"\\ud800"}', b"\xff", b'{"x":' + b"[" * 40 + b"]" * 40 + b"}"],
                         ids=lambda b: ascii(b[:16]))
def test_malformed_bodies_of_every_write(table, database, body):
    """SE11: 400 everywhere."""
    api, task, counts = table
    reminder = task["reminders"][0]["id"]
    for method, path in (("PUT", api.path(task)), ("PATCH", api.path(task)), ("PATCH", api.path(task) + "/complete"),
                         ("POST", api.path(task) + "/reminders"), ("PATCH", f"{api.path(task)}/reminders/{reminder}"), ("POST", api.at("tags")),
                         ("PATCH", api.tag_path("a")), ("PUT", api.at("preferences"))):
        answer = api.request(method, path, body, {"Idempotency-Key": "k"})
        assert answer.status == 400, answer
    assert database.counts(api.user) == counts and api.read(task) == task


@pytest.mark.parametrize("field, value", [
    ("due_date", "0001-01-01"), ("due_date", "9999-12-31"), ("due_date", "9999-12-31T23:59:59.999999Z"), ("due_date", "2026-01-01T00:00:00.1234567Z"), ("due_date", "2026-01-01T23:59:59-12:00"),
    ("due_date", "2026-01-01t12:00:00z"), ("due_date", "2024-02-29"), ("title", "x" * 200), ("title", "\u200bx"), ("description", ""),
    ("description", "\U0001f600" * 1000), ("tags", []), ("tags", [{"name": "a", "color": 5}]), ("time_zone", "America/Argentina/ComodRivadavia"),
    ("time_zone", "Etc/GMT-14"), ("reminders", [{"offset_minutes": 527040}]), ("recurrence_interval", None), ("recurrence_rule", None)])
def test_unusual_but_good(api, field, value):
    """SE11: the bounds themselves are in."""
    answer = api.request("POST", api.tasks, {"title": "t", "due_date": "2031-01-31", field: value})
    assert answer.status == 201, answer
    assert api.put(answer.json, **{field: value}).status == 200


def test_unknown_and_read_only_fields_are_ignored(api):
    """AR14: whatever they hold."""
    junk = {"id": "x", "user_id": 5, "created_at": [], "updated_at": {}, "completed_at": "never", "version": "old", "series_id": 5, "occurrence": "x",
            "parent_task_id": {}, "next_occurrence": 5, "unknown": {"deep": [1, {"er": None}]}, "Title": 5}
    task = api.create("t", **junk)
    assert task["version"] == 1 and task["series_id"] is None and task["user_id"] == api.user
    assert api.update(task, **junk) == task
