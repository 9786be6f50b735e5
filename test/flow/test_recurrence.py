# SPDX-License-Identifier: Apache-2.0
"""Recurrence through the API: words and rules, series, and the next occurrence that completing shows."""
import pytest

from list_model import instant


def recurring(api, **fields):
    return api.create("t", **{"due_date": "2031-01-31", **fields})


def next_after(api, task):
    """next_occurrence of the task, completed."""
    answer = api.complete(task, {"completed": True})
    assert answer.status == 200, answer
    return answer.json["next_occurrence"]


# ---- words, rules, series ----

@pytest.mark.parametrize("word, rule", [
    ("daily", "FREQ=DAILY"), ("weekly", "FREQ=WEEKLY"), ("monthly", "FREQ=MONTHLY"), ("yearly", "FREQ=YEARLY")])
def test_the_four_words(api, word, rule):
    """FT8: a word gives its rule, and the rule shows the word."""
    task = recurring(api, recurrence=word)
    assert task["recurrence"] == word and task["recurrence_rule"].startswith(rule)
    assert task["recurrence_mode"] == "due" and task["occurrence"] == 1 and task["series_id"] and task["parent_task_id"] is None
    assert recurring(api, recurrence_rule=task["recurrence_rule"])["recurrence"] == word
    assert recurring(api, recurrence_type=word, recurrence_interval=2)["recurrence_rule"].startswith(f"{rule};INTERVAL=2")


@pytest.mark.parametrize("sent, canonical", [
    ("FREQ=DAILY;INTERVAL=1", "FREQ=DAILY"), ("RRULE:FREQ=WEEKLY;BYDAY=WE,MO", "FREQ=WEEKLY;BYDAY=MO,WE"),
    ("freq=monthly;byday=-1fr;interval=2", "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR"), ("FREQ=YEARLY;COUNT=3", "FREQ=YEARLY;COUNT=3")])
def test_rules_come_back_canonical(api, sent, canonical):
    """FT8: equal rules compare equal; sent again in either form nothing changes."""
    task = recurring(api, recurrence_rule=sent)
    assert task["recurrence_rule"] == canonical
    assert task["recurrence"] == ("daily" if canonical == "FREQ=DAILY" else None)
    assert api.update(task, recurrence_rule=sent) == task == api.update(task, recurrence_rule=canonical)


def test_a_rule_without_a_date_begins_today(api):
    """FT8"""
    task = api.create("t", recurrence="daily", time_zone="Pacific/Kiritimati")
    assert len(task["due_date"]) == len("2031-01-31") and task["time_zone"] == "Pacific/Kiritimati"


def test_series(api):
    """FT8: another rule, mode or zone begins another series; title, tags and due date do not; clearing ends it."""
    task = recurring(api, recurrence="weekly")
    series = task["series_id"]
    assert api.update(task, title="n", tags=["a"], due_date="2031-02-28", recurrence_end_date="2032-01-01")["series_id"] == series
    for change in ({"recurrence": "daily"}, {"recurrence_mode": "completion"}, {"time_zone": "Asia/Tokyo"}, {"recurrence_rule": "FREQ=DAILY;COUNT=9"}):
        changed = api.update(task, **change)
        assert changed["series_id"] != series and changed["occurrence"] == 1
        series = changed["series_id"]
    bare = api.update(task, recurrence_rule=None)
    assert all(bare[k] is None for k in ("recurrence", "recurrence_rule", "recurrence_mode", "recurrence_end_date", "series_id", "occurrence"))
    assert bare["due_date"] == "2031-02-28"


def test_null_as_word_does_not_clear_a_rule_no_word_stands_for(api):
    """FT8: an old client that sends back `recurrence: null` as it was shown changes nothing."""
    task = recurring(api, recurrence_rule="FREQ=WEEKLY;BYDAY=MO,WE")
    assert api.update(task, recurrence=None) == task
    weekly = recurring(api, recurrence="weekly")
    assert api.update(weekly, recurrence=None)["recurrence_rule"] is None


# ---- the next one ----

NEXT = {
    "daily": ({"recurrence": "daily", "due_date": "2031-01-31"}, "2031-02-01"),
    "weekly": ({"recurrence": "weekly", "due_date": "2031-12-29"}, "2032-01-05"),
    "every third day": ({"recurrence_rule": "FREQ=DAILY;INTERVAL=3", "due_date": "2031-02-27"}, "2031-03-02"),
    "31 January, then the last of February": ({"recurrence": "monthly", "due_date": "2031-01-31"}, "2031-02-28"),
    "in a leap year": ({"recurrence": "monthly", "due_date": "2032-01-31"}, "2032-02-29"),
    "a plain rule skips what is not there": ({"recurrence_rule": "FREQ=MONTHLY;BYMONTHDAY=31", "due_date": "2031-01-31"}, "2031-03-31"),
    "29 February, then 28": ({"recurrence": "yearly", "due_date": "2032-02-29"}, "2033-02-28"),
    "a plain rule waits for the leap day": ({"recurrence_rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "due_date": "2032-02-29"}, "2036-02-29"),
    "over 2100, which has none": ({"recurrence_rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "due_date": "2096-02-29"}, "2104-02-29"),
    "the last weekday": ({"recurrence_rule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "due_date": "2031-05-30"}, "2031-06-30"),
    "the second Sunday": ({"recurrence_rule": "FREQ=MONTHLY;BYDAY=2SU", "due_date": "2031-06-08"}, "2031-07-13"),
    "the wall clock stays, into summer": ({"recurrence": "daily", "due_date": "2031-03-29T08:00:00", "time_zone": "Europe/Berlin"},
                                          "2031-03-30T06:00:00Z"),
    "the wall clock stays, into winter": ({"recurrence": "daily", "due_date": "2031-10-25T08:00:00", "time_zone": "Europe/Berlin"},
                                          "2031-10-26T07:00:00Z"),
    "what the clock skips moves on": ({"recurrence": "daily", "due_date": "2031-03-29T02:30:00", "time_zone": "Europe/Berlin"},
                                      "2031-03-30T01:30:00Z"),
    "what the clock shows twice is the first": ({"recurrence": "daily", "due_date": "2031-10-25T02:30:00", "time_zone": "Europe/Berlin"},
                                                "2031-10-26T00:30:00Z"),
    "half an hour of summer": ({"recurrence": "daily", "due_date": "2031-10-04T12:00:00", "time_zone": "Australia/Lord_Howe"},
                               "2031-10-05T01:00:00Z"),
    "the end date is the last day": ({"recurrence": "daily", "due_date": "2031-01-30", "recurrence_end_date": "2031-01-31"}, "2031-01-31"),
    "after the end date there is none": ({"recurrence": "daily", "due_date": "2031-01-31", "recurrence_end_date": "2031-01-31"}, None),
    "hours mean nothing to a whole day": ({"recurrence_rule": "FREQ=DAILY;BYHOUR=8,20;BYMINUTE=30", "due_date": "2031-01-31"}, "2031-02-01"),
    "nor are they counted": ({"recurrence_rule": "FREQ=DAILY;BYHOUR=8,20;COUNT=2", "due_date": "2031-01-31"}, "2031-02-01"),
    "but to an instant": ({"recurrence_rule": "FREQ=DAILY;BYHOUR=8,20", "due_date": "2031-01-31T08:00:00Z"}, "2031-01-31T20:00:00Z"),
    "the last day there is": ({"recurrence": "daily", "due_date": "9999-12-30", "recurrence_end_date": "9999-12-31"}, "9999-12-31"),
    "after it there is none": ({"recurrence": "daily", "due_date": "9999-12-31", "recurrence_end_date": "9999-12-31"}, None),
    "after COUNT there is none": ({"recurrence_rule": "FREQ=DAILY;COUNT=1", "due_date": "2031-01-31"}, None),
    "after UNTIL there is none": ({"recurrence_rule": "FREQ=DAILY;UNTIL=20310131", "due_date": "2031-01-31"}, None),
}


@pytest.mark.parametrize("name", NEXT)
def test_next_occurrence(api, name):
    """FT8: month ends keep their anchor, zones their wall clock; null after the last."""
    fields, expected = NEXT[name]
    assert next_after(api, recurring(api, **fields)) == expected


def test_only_completing_shows_it(api):
    """FT8: and only of a task that recurs; reopening does not."""
    task = recurring(api, recurrence="daily")
    assert "next_occurrence" not in task and "next_occurrence" not in api.read(task)
    assert "next_occurrence" in api.complete(task).json
    assert "next_occurrence" not in api.complete(task).json
    assert api.update(task, completed=True)["next_occurrence"] == "2031-02-01"
    assert "next_occurrence" not in api.complete(api.create("plain")).json


def test_completion_mode_counts_from_the_day_it_was_done(api):
    """FT8: a task long overdue recurs a while from now, not from then."""
    import datetime  # pylint: disable=import-outside-toplevel
    task = recurring(api, due_date="2020-01-01T08:00:00Z", recurrence="weekly", recurrence_mode="completion")
    done = api.complete(task).json
    expected = (instant(done["completed_at"]) + datetime.timedelta(days=7)).date()
    assert instant(done["next_occurrence"]).date() == expected and done["next_occurrence"].endswith("T08:00:00Z")


def test_due_mode_never_lands_in_the_past(api):
    """FT8: overdue by years, the next one is after now, still on the schedule."""
    task = recurring(api, due_date="2020-01-06", recurrence="weekly")
    done = api.complete(task).json
    import datetime  # pylint: disable=import-outside-toplevel
    day = datetime.date.fromisoformat(done["next_occurrence"])
    assert day.weekday() == 0 and 0 <= (day - instant(done["completed_at"]).date()).days <= 7


# ---- hostile rules ----

HOSTILE = {
    "SECONDLY": "FREQ=SECONDLY", "MINUTELY": "FREQ=MINUTELY", "HOURLY": "FREQ=HOURLY", "no FREQ": "INTERVAL=2", "empty": "", "a word": "fortnightly",
    "interval 0": "FREQ=DAILY;INTERVAL=0", "interval 10^9": "FREQ=DAILY;INTERVAL=1000000000", "interval -1": "FREQ=DAILY;INTERVAL=-1",
    "interval of 30 digits": "FREQ=DAILY;INTERVAL=" + "9" * 30, "never": "FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=2", "never 30": "FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2",
    "COUNT and UNTIL": "FREQ=DAILY;COUNT=3;UNTIL=20320101", "count 0": "FREQ=DAILY;COUNT=0", "count 10^9": "FREQ=DAILY;COUNT=1000000000",
    "64 kB of BYDAY": "FREQ=WEEKLY;BYDAY=" + ",".join(["MO"] * 21000), "part twice": "FREQ=DAILY;FREQ=DAILY", "BYDAY twice": "FREQ=WEEKLY;BYDAY=MO;BYDAY=TU",
    "unknown part": "FREQ=DAILY;BYFOO=1", "unknown day": "FREQ=WEEKLY;BYDAY=XX", "day 0": "FREQ=MONTHLY;BYDAY=0MO", "54th Monday": "FREQ=YEARLY;BYDAY=54MO",
    "ordinal in a week": "FREQ=WEEKLY;BYDAY=1MO", "month 13": "FREQ=YEARLY;BYMONTH=13", "month 0": "FREQ=YEARLY;BYMONTH=0",
    "monthday 32": "FREQ=MONTHLY;BYMONTHDAY=32", "monthday 0": "FREQ=MONTHLY;BYMONTHDAY=0", "yearday 367": "FREQ=YEARLY;BYYEARDAY=367",
    "week 54": "FREQ=YEARLY;BYWEEKNO=54", "week in a month": "FREQ=MONTHLY;BYWEEKNO=3", "setpos alone": "FREQ=MONTHLY;BYSETPOS=1",
    "hour 24": "FREQ=DAILY;BYHOUR=24", "minute 60": "FREQ=DAILY;BYMINUTE=60", "until a word": "FREQ=DAILY;UNTIL=tomorrow", "until 30 February": "FREQ=DAILY;UNTIL=20320230",
    "no value": "FREQ=", "no equals sign": "FREQ", "semicolons": "FREQ=DAILY;;;", "NUL": "FREQ=DAILY\u0001", "a line": "FREQ=DAILY\nRRULE:FREQ=DAILY",
    "letters of another script": "FREQ=\uff24AILY", "digits of another script": "FREQ=DAILY;INTERVAL=\u0662", "DTSTART": "DTSTART:20310101\nFREQ=DAILY",
    "EXDATE": "FREQ=DAILY;EXDATE=20310101", "SKIP of nothing": "FREQ=DAILY;SKIP=SOMETIMES",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_rules(api, database, name):
    """FT8, SE11: 422 naming the field, nothing written."""
    task = api.create("t", due_date="2031-01-31")
    before = database.counts(api.user)
    for field in ("recurrence_rule", "recurrence_pattern"):
        for answer in (api.request("POST", api.tasks, {"title": "t", "due_date": "2031-01-31", field: HOSTILE[name]}, {"Idempotency-Key": "k"}),
                       api.put(task, **{field: HOSTILE[name]})):
            assert answer.status == 422, answer
            assert answer.json["detail"][0]["loc"] == ["body", field], answer
    assert database.counts(api.user) == before and api.read(task) == task


BAD = {
    "an unknown word": ({"recurrence": "hourly"}, "recurrence"),
    "a number": ({"recurrence": 5}, "recurrence"),
    "a rule as word": ({"recurrence_type": "sometimes"}, "recurrence_type"),
    "interval 0": ({"recurrence": "daily", "recurrence_interval": 0}, ("recurrence", "recurrence_interval")),
    "interval 1001": ({"recurrence": "daily", "recurrence_interval": 1001}, ("recurrence", "recurrence_interval")),
    "interval of a fraction": ({"recurrence": "daily", "recurrence_interval": 1.5}, "recurrence_interval"),
    "an unknown mode": ({"recurrence": "daily", "recurrence_mode": "sometimes"}, "recurrence_mode"),
    "word and rule disagree": ({"recurrence": "daily", "recurrence_rule": "FREQ=WEEKLY"}, "recurrence_rule"),
    "an end without a rule": ({"recurrence_end_date": "2032-01-01"}, "recurrence_end_date"),
    "an end before the beginning": ({"recurrence": "daily", "recurrence_end_date": "2031-01-30"}, "recurrence_end_date"),
    "an end that is none": ({"recurrence": "daily", "recurrence_end_date": "2032-02-30"}, "recurrence_end_date"),
    "an end by its older name": ({"recurrence": "daily", "recurrence_end": "never"}, "recurrence_end"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recurrences(api, database, name):
    """FT8, SE11: 422 naming the field, nothing written."""
    fields, named = BAD[name]
    task = api.create("t", due_date="2031-01-31")
    before = database.counts(api.user)
    for answer in (api.request("POST", api.tasks, {"title": "t", "due_date": "2031-01-31", **fields}), api.put(task, **fields)):
        assert answer.status == 422, answer
        loc = answer.json["detail"][0]["loc"]
        assert loc[0] == "body" and loc[1] in ((named,) if isinstance(named, str) else named), answer
    assert database.counts(api.user) == before and api.read(task) == task


def test_a_recurring_task_keeps_a_due_date(api):
    """FT8: clearing the date alone is 422; with the rule it goes."""
    task = recurring(api, recurrence="daily")
    answer = api.put(task, due_date=None)
    assert answer.status == 422 and answer.json["detail"][0]["loc"] == ["body", "due_date"]
    assert api.update(task, due_date=None, recurrence=None)["due_date"] is None


@pytest.mark.parametrize("rule", ["FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU", "FREQ=YEARLY;BYYEARDAY=-366", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=TH",
                                  "FREQ=YEARLY;INTERVAL=1000", "FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=MO;INTERVAL=7", "FREQ=DAILY;INTERVAL=1000;COUNT=10000"])
def test_rare_rules_are_fine(api, rule):
    """FT8: bounded is not narrow."""
    task = recurring(api, recurrence_rule=rule)
    answer = api.complete(task)
    assert answer.status == 200 and "next_occurrence" in answer.json


def test_a_whole_day_by_the_hour(api):
    """FT8: done on the day itself, a daily task is due on the next; a rule that picks among hours alone gives no day."""
    task = api.create("t", recurrence_rule="FREQ=DAILY;BYHOUR=0,23;BYMINUTE=59", recurrence_mode="completion")
    assert next_after(api, task) > task["due_date"]
    answer = api.request("POST", api.tasks, {"title": "t", "due_date": "2031-01-31", "recurrence_rule": "FREQ=DAILY;BYHOUR=8,20;BYSETPOS=2"})
    assert answer.status == 422 and answer.json["detail"][0]["loc"] == ["body", "recurrence_rule"], answer


@pytest.mark.parametrize("zone, due", [("Etc/GMT+12", "0001-01-01T00:00:00Z"), ("America/New_York", "0001-01-01T04:00:00Z"),
                                       ("Asia/Tokyo", "9999-12-31T15:00:00Z")])
def test_a_series_outside_the_calendar_of_its_clock(api, database, zone, due):
    """SE11: an instant of year 1 may read as year 0 in its zone, one of 9999 as 10000, where no rule goes: 422, by whichever field it comes."""
    task = api.create("t", due_date=due, time_zone=zone)
    utc = api.create("t", due_date=due, recurrence="daily", recurrence_mode="completion")
    before = database.counts(api.user)
    for answer in (api.request("POST", api.tasks, {"title": "t", "due_date": due, "time_zone": zone, "recurrence": "daily"}),
                   api.put(task, recurrence_rule="FREQ=WEEKLY"), api.put(utc, time_zone=zone), api.put(utc, time_zone=zone, due_date=due)):
        assert answer.status == 422 and answer.json["detail"][0]["loc"] == ["body", "due_date"], answer
    assert database.counts(api.user) == before and api.read(utc) == utc
