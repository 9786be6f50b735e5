# SPDX-License-Identifier: Apache-2.0
"""Preferences: defaults, merging, their event, and what depends on them."""
import pytest

from test_tasks import in_parallel

DEFAULTS = {"time_zone": "UTC", "email": None, "email_confirmed": False, "channels": ["in_app", "log"],
            "default_reminder_offset_minutes": 0, "locale": None, "version": 0}
SENT = {"time_zone": "Europe/Berlin", "email": "name@example.org", "channels": ["email", "log"], "default_reminder_offset_minutes": 30,
        "locale": "de-DE"}


def put(api, headers=None, **fields):
    return api.request("PUT", api.at("preferences"), fields, headers)


def get(api, **headers):
    return api.get(api.at("preferences"), headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_defaults_and_what_is_stored(api, outbox):
    """EV10: what is stored is told once, with what others need of it."""
    assert get(api).json == DEFAULTS and get(api).headers["etag"] == '"0"'
    answer = put(api, {"X-Request-Id": "the-request"}, **SENT)
    assert answer.status == 200 and answer.json == {**DEFAULTS, **SENT, "version": 1} == get(api).json
    assert answer.headers["etag"] == '"1"' == get(api).headers["etag"]
    event, = outbox(api.user)
    assert event["type"] == "preferences.changed" and event["data"]["correlation_id"] == "the-request" and event["data"]["task_id"] is None
    assert event["data"]["payload"] == {k: SENT[k] for k in ("email", "time_zone", "channels", "locale")}


def test_merging(api, outbox):
    """Absent stays, null goes back to the default; for the offset null is `none`."""
    put(api, **SENT)
    for n, (field, cleared) in enumerate([("time_zone", "UTC"), ("email", None), ("channels", ["in_app", "log"]),
                                          ("default_reminder_offset_minutes", None), ("locale", None)], 2):
        before = get(api).json
        after = put(api, **{field: None}).json
        assert after == {**before, field: cleared, "version": n}
    assert put(api).json == put(api, unknown=1, version=99, email_confirmed=True).json == get(api).json
    assert len(outbox(api.user)) == 6, "what changes nothing is not told"


def test_sent_back_as_it_was_shown(api, outbox):
    put(api, **SENT)
    shown = get(api).json
    assert put(api, **shown).json == shown and len(outbox(api.user)) == 1


def test_conditions_and_keys(api, outbox):
    refused = put(api, {"If-Match": '"1"'}, locale="en")
    assert refused.status == 412 and "task" not in refused.json["detail"]
    assert put(api, {"If-Match": '"0"', "Idempotency-Key": "k"}, locale="en").status == 200
    again = put(api, {"If-Match": '"0"', "Idempotency-Key": "k"}, locale="en")
    assert again.status == 200 and again.headers["idempotency-replayed"] == "true"
    assert put(api, {"Idempotency-Key": "k"}, locale="fr").status == 422
    assert get(api, If_None_Match='"1"').status == 304 and get(api, If_None_Match='"0"').status == 200
    assert len(outbox(api.user)) == 1


def test_writers_at_once_merge(api):
    """Each field is somebody's; none is lost."""
    answers = in_parallel(5, lambda i: put(api, **dict([list(SENT.items())[i]])))
    assert {a.status for a in answers} == {200}, answers
    assert get(api).json == {**DEFAULTS, **SENT, "version": 5}


BAD = {
    "time_zone": ["", "Mars/Olympus", "../../etc/passwd", "Europe/Berlin ", "europe/berlin/", "UTC+2", "x" * 300, "/etc/localtime", "posixrules\n", 5, []],
    "email": ["", "name", "@", "a@b", "a b@example.org", "a@example.org\r\nBcc: x@example.org", "a@exa_mple.org", "x" * 65 + "@example.org",
              "a@" + "x" * 64 + ".org", "a@@example.org", "\u00e4@example.org", "\"a\"@example.org", "<a@example.org>", "a@" + "x." * 126 + "org", "a..b@example.org", True],
    "channels": [[], ["sms"], ["email", "email"], "email", [5], {"email": True}, ["EMAIL"]],
    "default_reminder_offset_minutes": [-1, 527041, 1.5, "5", True, [5]],
    "locale": ["", "e", "english language", "en_GB", "de-" + "x" * 9, "x" * 36, "-en", "en-", "1a", 5],
}


@pytest.mark.parametrize("field, value", [(f, v) for f, values in BAD.items() for v in values], ids=lambda v: ascii(v)[:30])
def test_bad_values(api, database, field, value):
    """SE11: 422 naming the field; nothing is written."""
    put(api, locale="en")
    before, shown = database.counts(api.user), get(api).json
    answer = put(api, {"Idempotency-Key": "k"}, **{**SENT, field: value})
    assert answer.status == 422, answer
    assert answer.json["detail"][0]["loc"][:2] == ["body", field], answer
    assert database.counts(api.user) == before and get(api).json == shown


@pytest.mark.parametrize("email", ["a@b.c", "first.last+tag@sub.example.org", "x" * 64 + "@example.org", "o'neill@example.org", "1@2.de"])
def test_addresses_that_are_fine(api, email):
    assert put(api, email=email).json["email"] == email


def test_the_zone_is_that_of_dates_without_one(api):
    """A date-time without zone, and a day, are the user's, as they were when the task was written."""
    api.prefer(time_zone="Asia/Kolkata")
    task = api.create("t", due_date="2031-01-01T00:00:00")
    day = api.create("u", due_date="2031-01-01")
    assert task["due_date"] == "2030-12-31T18:30:00Z" and task["time_zone"] == day["time_zone"] == "Asia/Kolkata"
    api.prefer(time_zone="UTC")
    assert api.read(task) == task and api.read(day) == day
