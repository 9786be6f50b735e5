#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares domain/recurrence with python-dateutil and zoneinfo.

    recurrence_oracle.py DRIVER [--cases N] [--seed S] [--show]

A case is one rule with one start, one zone and one instant to start after, all from a seeded generator. dateutil
expands the rule on the naive wall clock, zoneinfo (fold=0, PEP 495) turns the readings into instants; sorted and
without doubles they must be what the driver prints, one recurrence_next call for each ("answers" in the summary).

Where dateutil does something else on purpose or by mistake, it is asked in other words; each such place is marked
with the number that docs/recurrence.md gives it (D1 ... D7).
"""

import argparse
import collections
import datetime as dt
import functools
import itertools
import random
import subprocess
import sys
import types
import zoneinfo

from dateutil import rrule

FREQS = {"DAILY": rrule.DAILY, "WEEKLY": rrule.WEEKLY, "MONTHLY": rrule.MONTHLY, "YEARLY": rrule.YEARLY}
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
WEEKDAYS = [rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU]
ZONES = """Europe/Berlin America/New_York America/Los_Angeles Europe/London Europe/Dublin Australia/Lord_Howe
    Australia/Adelaide America/Sao_Paulo Asia/Beirut Africa/Casablanca Africa/Cairo Pacific/Apia Pacific/Chatham
    Asia/Kolkata Asia/Kathmandu America/St_Johns America/Havana Asia/Tehran Antarctica/Troll America/Asuncion
    Asia/Pyongyang Asia/Amman Atlantic/Azores America/Caracas""".split()
HORIZON_YEARS = {"DAILY": 6, "WEEKLY": 12, "MONTHLY": 12, "YEARLY": 30}
# dateutil looks for the dates of a rule that has none up to year MAXYEAR, whatever its `until`: give it a nearer one.
LIMITS = types.SimpleNamespace(**vars(dt))
rrule.datetime = LIMITS
DAY = dt.timedelta(days=1)
EPOCH = dt.datetime(1970, 1, 1)
UTC = dt.timezone.utc


def some(rng, values, most=3):
    return sorted(rng.sample(values, rng.randint(1, min(most, len(values)))))


def make_byday(rng, freq, p):
    plain = [(0, d) for d in range(7)]
    if freq in ("DAILY", "WEEKLY") or "BYWEEKNO" in p or rng.random() < 0.4:
        return some(rng, plain, 5)
    reach = 5 if freq == "MONTHLY" or "BYMONTH" in p else rng.choice((5, 53))  # D6: dateutil fails beyond 5 in months
    items = {(rng.choice((1, -1)) * rng.randint(1, reach), rng.randrange(7)) for _ in range(rng.randint(1, 3))}
    if rng.random() < 0.2:
        items.add(rng.choice(plain))
    return sorted(items)


def make_lists(rng, freq):
    p = {}
    if rng.random() < 0.3:
        p["BYMONTH"] = some(rng, range(1, 13), 4)
    if freq == "YEARLY" and rng.random() < 0.25:
        p["BYWEEKNO"] = some(rng, [1, 2, 20, 51, -1, -2, -51] + list(range(1, 52)))  # D5: the others by make_week
    if freq == "YEARLY" and rng.random() < 0.2:
        p["BYYEARDAY"] = some(rng, [1, 59, 60, 61, 100, 365, 366, -1, -366] + [rng.randint(1, 366) for _ in range(3)])
    if freq != "WEEKLY" and rng.random() < 0.3:
        p["BYMONTHDAY"] = some(rng, [1, 13, 28, 29, 30, 31, -1, -2, -29, -31, rng.randint(1, 31)], 4)
    if rng.random() < 0.5:
        p["BYDAY"] = make_byday(rng, freq, p)
    if rng.random() < 0.2:
        p["BYHOUR"] = some(rng, range(24))
    if rng.random() < 0.15:
        p["BYMINUTE"] = some(rng, [0, 15, 30, 45, 59, rng.randrange(60)])
    if p and rng.random() < 0.3:
        p["BYSETPOS"] = some(rng, [1, 2, 3, -1, -2, rng.randint(1, 31)])
    return p


def make_skip(rng):
    """The forms of SKIP=BACKWARD that dateutil can be made to say (D7)."""
    freq = rng.choice(("MONTHLY", "YEARLY"))
    p = {"FREQ": freq, "SKIP": "BACKWARD"}
    if rng.random() < 0.5:
        p["BYMONTHDAY"] = [rng.randint(28, 31)]
    if freq == "YEARLY" and ("BYMONTHDAY" in p or rng.random() < 0.5):
        p["BYMONTH"] = [rng.randint(1, 12)]
    return p


@functools.lru_cache(maxsize=None)
def clock_changes(zone, year):
    """Days of the year on which the zone's clock is set."""
    tz = zoneinfo.ZoneInfo(zone)
    days = [dt.datetime(year, 1, 1) + n * DAY for n in range(366)]
    return [d for d in days if d.replace(tzinfo=tz).utcoffset() != (d + DAY).replace(tzinfo=tz).utcoffset()]


def near_clock_change(rng, p, start, zone):
    """Moves the start to the days before one, with times of day around it."""
    changes = clock_changes(zone, start.year)
    if not changes:
        return start
    if p["FREQ"] == "DAILY" and rng.random() < 0.7:
        p["BYHOUR"] = some(rng, [0, 1, 2, 3, 4])
        p["BYMINUTE"] = some(rng, [0, 10, 15, 30, 45, 59])
        p.pop("INTERVAL", None)
        p["BYSETPOS"] = some(rng, range(1, 10))  # without it, readings hardly change places in a gap
        if rng.random() < 0.5:
            del p["BYSETPOS"]
    return rng.choice(changes).replace(hour=rng.choice((0, 1, 2, 3)), minute=rng.choice((0, 15, 30, 59))) \
        - rng.choice((0, 1, 1, 2, 7, 14)) * DAY


def make_case(rng):
    freq = rng.choice(list(FREQS))
    p = make_skip(rng) if rng.random() < 0.08 else {"FREQ": freq, **make_lists(rng, freq)}
    start = dt.datetime(rng.randint(1930, 2090), 1, 1) + dt.timedelta(
        days=rng.randrange(366), hours=rng.choice((0, 1, 2, 2, 3, 8, 9, 17, 23)),
        minutes=rng.choice((0, 0, 0, 15, 30, 59)), seconds=rng.choice((0, 0, 0, 0, 30)))
    if rng.random() < 0.15:
        start = start.replace(month=rng.choice((1, 12)), day=rng.choice((1, 28, 29, 30, 31)))
    if rng.random() < 0.45:
        p["INTERVAL"] = rng.choice((2, 2, 2, 3, 3, 4, 5, 7, 10, 13, rng.randint(2, 40)))
    if rng.random() < 0.5:
        p["WKST"] = rng.randrange(7)
    zone = rng.choice(ZONES) if rng.random() < 0.7 else ""
    if zone and rng.random() < 0.25 and "SKIP" not in p:
        start = near_clock_change(rng, p, start, zone)
    if rng.random() < 0.25:
        p["COUNT"] = rng.randint(1, 12)
    elif rng.random() < 0.3:
        p["UNTIL"] = (rng.choice(("date", "local", "utc")),
                      (start + dt.timedelta(days=rng.choice((0, 1, 30, 400, 4000)) * rng.random())).replace(microsecond=0))
    return p, start, zone


def make_week(rng):
    """BYWEEKNO of any number, WKST=MO, as datetime.isocalendar has it (D5)."""
    start = dt.datetime(rng.randint(1930, 2090), rng.randint(1, 12), rng.randint(1, 28), 8)
    p = {"FREQ": "YEARLY", "BYWEEKNO": some(rng, [1, 51, 52, 53, -1, -51, -52, -53]),
         "BYDAY": some(rng, [(0, d) for d in range(7)])}
    return p, start, rng.choice(ZONES)


def iso_readings(p, start, most):
    found = []
    for n in range(366 * 30):
        day = start + n * DAY
        year, week, weekday = day.isocalendar()
        weeks = dt.date(year, 12, 28).isocalendar()[1]
        if (0, weekday - 1) in p["BYDAY"] and (week in p["BYWEEKNO"] or week - weeks - 1 in p["BYWEEKNO"]):
            found.append(day)
            if len(found) == most:
                break
    if not found or found[0] != start:
        found.insert(0, start)
    return found, found[-1] if len(found) >= most else start + 366 * 30 * DAY


def until_text(kind, when):
    return when.strftime({"date": "%Y%m%d", "local": "%Y%m%dT%H%M%S", "utc": "%Y%m%dT%H%M%SZ"}[kind])


def rule_text(p, rng):
    def value(name, v):
        if name == "BYDAY":
            return ",".join((str(n) if n else "") + DAYS[d] for n, d in v)
        if name == "WKST":
            return DAYS[v]
        if name == "UNTIL":
            return until_text(*v)
        return ",".join(map(str, v)) if isinstance(v, list) else str(v)

    parts = [f"{name}={value(name, v)}" for name, v in p.items()]
    rng.shuffle(parts)
    text = ";".join(parts)
    return rng.choice(("", "RRULE:")) + (text.lower() if rng.random() < 0.1 else text)


def dateutil_args(p, start):
    """The rule in dateutil's words, without COUNT and UNTIL, and the day from which it must begin."""
    a = {"freq": FREQS[p["FREQ"]], "interval": p.get("INTERVAL", 1), "wkst": p.get("WKST", 0)}
    for name in ("BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYHOUR", "BYMINUTE", "BYSETPOS"):
        if name in p:
            a[name.lower()] = p[name]
    a["dtstart"] = start
    if "BYDAY" in p:
        items = p["BYDAY"]
        if any(n for n, _ in items):  # D2: dateutil takes "MO,1TU" for "MO and 1TU at once"
            most = 5 if p["FREQ"] == "MONTHLY" or "BYMONTH" in p else 53
            items = [(m, d) for n, d in items for m in ([n] if n else range(1, 1 + most))]
        a["byweekday"] = [WEEKDAYS[d](n) if n else WEEKDAYS[d] for n, d in items]
    elif "BYWEEKNO" in p and "BYYEARDAY" not in p and "BYMONTHDAY" not in p:
        a["byweekday"] = [WEEKDAYS[start.weekday()]]  # D3: dateutil takes all seven days
    if p["FREQ"] == "WEEKLY" and "BYSETPOS" in p:  # D4: dateutil numbers the first week from dtstart on
        a.setdefault("byweekday", [WEEKDAYS[start.weekday()]])
        a["dtstart"] = start - ((start.weekday() - p.get("WKST", 0)) % 7) * DAY
    if "SKIP" in p:  # D7
        if p["FREQ"] == "YEARLY":
            a.setdefault("bymonth", [start.month])
        day = p.get("BYMONTHDAY", [start.day])[0]
        a["bymonthday"] = list(range(28, day + 1)) or [day]
        a["bysetpos"] = -1
    return a


def readings(p, start, most):
    """dtstart and what dateutil gives after it: (list, complete up to that reading)."""
    a = dateutil_args(p, start)
    horizon = start + dt.timedelta(days=366 * HORIZON_YEARS[p["FREQ"]] * max(1, p.get("INTERVAL", 1) // 4))
    horizon = min(horizon, dt.datetime(2400, 1, 1))
    kind, until = p.get("UNTIL", (None, None))
    if kind == "date":
        until = until.replace(hour=23, minute=59, second=59)
    LIMITS.MAXYEAR = horizon.year
    is_shifted = a["dtstart"] != start
    bound = horizon if kind in (None, "utc") else min(horizon, until)
    rule = rrule.rrule(until=bound, cache=False, **a)
    found = [d for d in itertools.islice(rule, most + (30 if is_shifted else 0)) if d >= start][:most]
    is_cut = len(found) == most
    in_set = bool(found) and found[0] == start
    if not in_set:
        found.insert(0, start)  # D1
    if "COUNT" in p:
        if in_set and not is_shifted:
            found = list(rrule.rrule(count=p["COUNT"], until=None if len(found) > p["COUNT"] else horizon, **a))[:most]
        else:
            found = found[:p["COUNT"]]
        if len(found) == p["COUNT"]:
            return found, dt.datetime(9000, 1, 1)
    if kind in ("date", "local") and not is_cut and until <= horizon:
        return [d for d in found if d <= until], dt.datetime(9000, 1, 1)
    return found, found[-1] if is_cut else horizon


def expand(p, start, zone, most):
    """Sorted instants and the instant up to which they are complete."""
    is_iso = p["FREQ"] == "YEARLY" and set(p.get("BYWEEKNO", ())) & {52, 53, -52, -53}
    found, complete = (iso_readings if is_iso else readings)(p, start, most)
    tz = zoneinfo.ZoneInfo(zone) if zone else UTC
    instants = sorted({int(d.replace(tzinfo=tz).timestamp()) for d in found})
    complete_s = int((complete - EPOCH).total_seconds()) - 2 * 86400
    kind, until = p.get("UNTIL", (None, None))
    if kind == "utc":
        until_s = int((until - EPOCH).total_seconds())
        instants = [s for s in instants if s <= until_s]
        if until_s < complete_s:
            complete_s = 10 ** 12
    return instants, complete_s


def build(rng):
    p, start, zone = make_week(rng) if rng.random() < 0.02 else make_case(rng)
    skip = rng.choice((0, 0, 0, 1, 2, 4, 10))
    instants, complete = expand(p, start, zone, skip + 8)
    after = None
    if skip and instants:
        after = rng.choice(instants[:skip]) + rng.choice((0, 0, -1, 1, 1800, rng.randrange(-7200, 7200), rng.randrange(10 * 86400)))
    wanted = [s for s in instants if after is None or s > after][:5]
    line = f"{rule_text(p, rng)}|{start.isoformat()}|{zone}|{'' if after is None else after}|5"
    return line, wanted, complete


def judge(line, wanted, complete, answer, tally):
    if answer.startswith("error"):
        return answer
    words = answer.split()
    is_never = words[:1] == ["never"]
    words = words[is_never:]
    is_ended = words[-1:] == ["end"]
    got = [int(w) for w in words[:len(words) - is_ended]]
    tally["answers"] += sum(s <= complete for s in wanted)
    if is_never:
        tally["never"] += 1
        return "said to be impossible" if len(wanted) > 1 else None
    if [s for s in got if s <= complete] != [s for s in wanted if s <= complete]:
        return "differs"
    if len(got) > len(wanted) and complete > 10 ** 11:
        return "goes on after the end"
    tally["ended"] += is_ended
    return None


def run(driver, cases, seed, show):
    rng = random.Random(seed)
    tally = collections.Counter()
    failures = 0
    for begin in range(0, cases, 2000):
        batch = [build(rng) for _ in range(min(2000, cases - begin))]
        done = subprocess.run([driver], input="\n".join(b[0] for b in batch) + "\n", capture_output=True, text=True,
                              check=False)
        answers = done.stdout.splitlines()
        if done.returncode != 0 or len(answers) != len(batch):
            print(f"the driver ended with {done.returncode} after {len(answers)} lines: {done.stderr[-2000:]}")
            return 1
        for (line, wanted, complete), answer in zip(batch, answers):
            tally["cases"] += 1
            problem = judge(line, wanted, complete, answer, tally)
            if problem:
                failures += 1
                if failures <= 20 or show:
                    print(f"{problem}: {line}\n  wanted {wanted} (complete to {complete})\n  got    {answer}")
    print(f"recurrence oracle: seed {seed}, {tally['cases']} cases, {tally['answers']} answers compared, "
          f"{tally['ended']} series that end, {tally['never']} that never match, {failures} differences")
    return 1 if failures else 0


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("driver")
    ap.add_argument("--cases", type=int, default=20000)
    ap.add_argument("--seed", type=int, default=5545)
    ap.add_argument("--show", action="store_true", help="all differences, not only 20")
    args = ap.parse_args()
    sys.exit(run(args.driver, args.cases, args.seed, args.show))


if __name__ == "__main__":
    main()
