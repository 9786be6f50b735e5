# SPDX-License-Identifier: Apache-2.0
"""
Recurring tasks in the time zones of the world, instance after instance through API, broker and recurrer: created, done, and the next
one read. What is right is what zoneinfo and python-dateutil say.
"""
import datetime
import zoneinfo

import pytest
from dateutil import rrule
from dateutil.relativedelta import relativedelta

from stack import done

YEARS = range(2031, 2033)
OTHER_ZONES = ("UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Tokyo", "America/Phoenix")
NAMES = sorted(n for n in zoneinfo.available_timezones() if "/" in n and not n.startswith(("Etc/", "posix/", "right/", "SystemV/")))


@pytest.fixture(scope="module")
def live(make_stack):
    made = make_stack("recurrence_zones")
    yield made
    made.stop()


@pytest.fixture
def user(live, connect_api):
    return connect_api(live.api)


def in_utc(local, zone):
    """A reading of the clock as an instant: what the clock leaves out is as much later, what it shows twice is the first."""
    return local.replace(tzinfo=zoneinfo.ZoneInfo(zone), fold=0).astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def offset_at(zone, second):
    return datetime.datetime.fromtimestamp(second, zone).utcoffset()


def changes_of(name):
    """(instant, offset before, offset after) of each change of the clock in these years."""
    zone = zoneinfo.ZoneInfo(name)
    begin, end = (int(datetime.datetime(y, 1, 1, tzinfo=datetime.timezone.utc).timestamp()) for y in (YEARS[0], YEARS[-1] + 1))
    found = []
    for day in range(begin, end, 86400):
        low, high = day, day + 86400
        before, after = offset_at(zone, low), offset_at(zone, high)
        if before == after:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset_at(zone, middle) == before else (low, middle)
        found.append((high, before, after))
    return found


def zones_with_changes():
    """One name for all that change their clocks at the same instants by the same."""
    seen = {}
    for name in NAMES:
        changes = tuple(changes_of(name))
        if changes:
            seen.setdefault(changes, name)
    return {name: changes for changes, name in seen.items()}


def chains(live, user, tasks, rounds):
    """The instances after each of these tasks, so many; all of them are done side by side."""
    found = [[] for _ in tasks]
    for _ in range(rounds):
        shown = [done(user, t)["next_occurrence"] for t in tasks]
        live.all_settled()
        by_parent = {t["parent_task_id"]: t for t in user.list("?status=pending")}
        tasks = [by_parent[t["id"]] for t in tasks]
        assert [t["due_date"] for t in tasks] == shown
        for instances, task in zip(found, tasks):
            instances.append(task)
    return found


def due_dates(found):
    return [[t["due_date"] for t in instances] for instances in found]


def test_gap_and_fold_of_every_zone(live, user):
    """FT1: a daily task at an hour that the clock leaves out or shows twice on its next day, and at the usual hour after it."""
    zones = zones_with_changes()
    assert len(zones) >= 25
    days, tasks = [], []
    for name, changes in zones.items():
        for second, before, after in changes[:2]:
            local = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second) + (before + after) / 2
            days.append((name, local))
            tasks.append(user.create(name, due_date=(local - datetime.timedelta(days=1)).isoformat(), time_zone=name, recurrence="daily",
                                     reminders=[{"offset_minutes": 90}]))
    assert [t["due_date"] for t in tasks] == [in_utc(local - datetime.timedelta(days=1), name) for name, local in days]
    found = chains(live, user, tasks, 2)
    wanted = [[in_utc(local, name), in_utc(local + datetime.timedelta(days=1), name)] for name, local in days]
    assert {str(d): f for d, f in zip(days, due_dates(found))} == {str(d): w for d, w in zip(days, wanted)}
    for instances in found:
        for task in instances:
            due = datetime.datetime.fromisoformat(task["due_date"].replace("Z", "+00:00"))
            (reminder,) = task["reminders"]
            assert reminder["remind_at"] == (due - datetime.timedelta(minutes=90)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_whole_days_of_every_zone(live, user):
    """FT1, FT2: a day is the next day there, whatever its clock does, and what reminds of it does so at nine o'clock."""
    zones = zones_with_changes()
    days, tasks = [], []
    for name, changes in zones.items():
        second, before, _ = changes[0]
        day = (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second) + before).date()
        days.append((name, day))
        tasks.append(user.create(name, due_date=str(day - datetime.timedelta(days=1)), time_zone=name, recurrence="daily"))
    found = chains(live, user, tasks, 2)
    assert due_dates(found) == [[str(day), str(day + datetime.timedelta(days=1))] for _, day in days]
    for (name, _), instances in zip(days, found):
        for task in instances:
            nine = datetime.datetime.fromisoformat(task["due_date"]) + datetime.timedelta(hours=9)
            assert [r["remind_at"] for r in task["reminders"]] == [in_utc(nine, name)]


@pytest.mark.parametrize("word, start, step", [
    ("monthly", datetime.datetime(2031, 10, 31, 2, 30), relativedelta(months=1)),
    ("monthly", datetime.datetime(2031, 12, 30, 23, 45), relativedelta(months=1)),
    ("yearly", datetime.datetime(2032, 2, 29, 6, 0), relativedelta(years=1)),
    ("weekly", datetime.datetime(2031, 3, 2, 2, 30), relativedelta(weeks=1))], ids=lambda v: str(v)[:10])
def test_month_ends_and_leap_days(live, user, word, start, step):
    """FT1, FL6: the simple words take the month's last day and come back to their own, over changes of the clock."""
    zones = [*OTHER_ZONES, "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago"]
    tasks = [user.create(z, due_date=start.isoformat(), time_zone=z, recurrence=word) for z in zones]
    wanted = [[in_utc(start + step * k, z) for k in range(1, 6)] for z in zones]
    assert due_dates(chains(live, user, tasks, 5)) == wanted


RULES = ("FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;BYDAY=MO,WE,FR", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU", "FREQ=MONTHLY;BYDAY=-1FR",
         "FREQ=MONTHLY;BYDAY=2TU", "FREQ=MONTHLY;BYMONTHDAY=15,-1", "FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
         "FREQ=YEARLY;BYMONTH=6;BYDAY=1SU", "FREQ=YEARLY;BYYEARDAY=100", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=DAILY;BYHOUR=8,20",
         "FREQ=WEEKLY;BYDAY=TU;BYHOUR=9;BYMINUTE=15,45", "FREQ=YEARLY;INTERVAL=2;BYMONTH=1,7;BYMONTHDAY=1")


def test_rules_as_dateutil_has_them(live, user):
    """FT1: the dates of rules, one completion after the other, beside python-dateutil by the clock of the zone."""
    start = datetime.datetime(2031, 1, 1, 8, 0)
    zones = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
    cases = [(rule, zone) for rule in RULES for zone in zones]
    # The start is the first occurrence, also when the rule would not give it.
    local = {rule: sorted({start, *rrule.rrulestr(rule, dtstart=start)[:5]})[1:5] for rule in RULES}
    tasks = [user.create(rule, due_date=start.isoformat(), time_zone=zone, recurrence_rule=rule) for rule, zone in cases]
    found = due_dates(chains(live, user, tasks, 4))
    assert dict(zip(cases, found)) == {(rule, zone): [in_utc(t, zone) for t in local[rule]] for rule, zone in cases}


def test_zones_that_are_left(live, user):
    """FT1: a series that moves to another zone goes on by the clock there, from its next instance on, over a change of that clock."""
    first = datetime.datetime(2031, 3, 8, 2, 30)
    task = user.create("t", due_date=first.isoformat(), time_zone="Asia/Tokyo", recurrence="daily")
    ((second,),) = chains(live, user, [task], 1)
    assert second["due_date"] == in_utc(first + datetime.timedelta(days=1), "Asia/Tokyo")
    for zone, day in (("Europe/Berlin", datetime.datetime(2031, 3, 29, 2, 30)), ("America/New_York", datetime.datetime(2031, 11, 1, 1, 30))):
        moved = user.update(second, due_date=day.isoformat(), time_zone=zone)
        assert moved["due_date"] == in_utc(day, zone)
        (instances,) = chains(live, user, [moved], 2)
        assert [t["due_date"] for t in instances] == [in_utc(day + datetime.timedelta(days=k), zone) for k in (1, 2)]
        assert {t["time_zone"] for t in instances} == {zone}
        second = instances[-1]
