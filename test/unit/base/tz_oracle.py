#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Time zone cases as Python's zoneinfo sees them, for test_tz.c.

    tz_oracle.py               zones of the system
    tz_oracle.py DIRECTORY     files made here with odd footers, written into DIRECTORY

Prints one case a line:
    A zone unix_s offset
    L zone year month day hour minute second unique|gap|fold unix_s
The seed is fixed: every run prints the same cases for the same zone data.
"""
import io
import os
import random
import struct
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone
from zoneinfo import _zoneinfo  # the one in Python, which shows its transitions

EPOCH = datetime(1970, 1, 1)
HARD = """Europe/Berlin Europe/Dublin Europe/London Africa/Casablanca Africa/El_Aaiun America/Nuuk
America/Scoresbysund Pacific/Apia Pacific/Chatham Pacific/Kwajalein Antarctica/Troll Asia/Gaza Asia/Hebron
Australia/Lord_Howe America/Sao_Paulo America/New_York America/St_Johns America/Santiago Asia/Tehran
Asia/Kolkata Asia/Manila Africa/Monrovia Africa/Cairo Etc/GMT+5 Etc/GMT-14 EST5EDT Asia/Pyongyang
America/Caracas Asia/Kathmandu Atlantic/Azores America/Argentina/Buenos_Aires""".split()
# Days counted from 0, and J59, are left out: zoneinfo 3.11 is a day off there. libc judges those.
FOOTERS = [
    "CET-1CEST,M3.5.0,M10.5.0/3", "IST-1GMT0,M10.5.0,M3.5.0/1", "<+03>-3", "<-0330>3:30<-0230>,M3.2.0,M11.1.0",
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "EST5EDT,J61/2,J300/2", "AAA5BBB,M3.4.4/50,M10.4.4/50", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    "AAA0BBB-2,M3.5.0/1,M10.5.0/3", "UTC0", "AAA-12:34:56", "AAA23:59:59", "AAA-23:59", "AAA3BBB,M2.5.1,M6.5.6/23:59:59",
]


def kind_and_instant(zone, local):
    early, late = (local.replace(tzinfo=zone, fold=f).astimezone(timezone.utc) for f in (0, 1))
    unix_s = (early.replace(tzinfo=None) - EPOCH) // timedelta(seconds=1)
    if early == late:
        return "unique", unix_s
    back = early.astimezone(zone).replace(tzinfo=None, fold=0)
    return ("fold" if back == local else "gap"), unix_s


def print_instant(name, zone, unix_s):
    moment = (EPOCH + timedelta(seconds=unix_s)).replace(tzinfo=timezone.utc).astimezone(zone)
    print("A", name, unix_s, moment.utcoffset() // timedelta(seconds=1))


def print_local(name, zone, local):
    kind, unix_s = kind_and_instant(zone, local)
    print("L", name, local.year, local.month, local.day, local.hour, local.minute, local.second, kind, unix_s)


def changes_after(zone, first, last):
    """Instants at which the offset changes, found by bisection; for the part a rule decides."""
    def offset(s):
        return (EPOCH + timedelta(seconds=s)).replace(tzinfo=timezone.utc).astimezone(zone).utcoffset()
    step = 86400 * 5
    for start in range(first, last, step):
        low, high = start, start + step
        if offset(low) == offset(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        yield high


def print_zone(rng, name, zone, transitions):
    moments = [t + d for t in transitions for d in (-1, 0, 1)]
    moments += [rng.randrange(-5000000000, 12000000000) for _ in range(12)]
    for s in moments:
        print_instant(name, zone, s)
        local = (EPOCH + timedelta(seconds=s)).replace(tzinfo=timezone.utc).astimezone(zone)
        local = local.replace(tzinfo=None, fold=0)
        for shift in (0, 1, -1, 1800, -1800, 3599, 3600, 3601, -3600, rng.randrange(-90000, 90000)):
            print_local(name, zone, local + timedelta(seconds=shift))


def system_zones(rng):
    names = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})
    chosen = [n for n in HARD if n in names] + rng.sample(names, 40)
    for name in chosen:
        zone = _zoneinfo.ZoneInfo(name)
        known = [t for t in zone._trans_utc if abs(t) < 20000000000]
        picked = rng.sample(known, min(6, len(known))) + known[:1] + known[-1:]
        year = rng.randrange(2038, 2400)
        start = (datetime(year, 1, 1) - EPOCH) // timedelta(seconds=1)
        picked += list(changes_after(zone, start, start + 366 * 86400))[:2]
        print_zone(rng, name, zone, picked)


def tzif(footer):
    """A version 2 file with one transition, on 2001-01-01, from +01:00 to +02:00, and this footer."""
    def block(time_format):
        header = struct.pack(">4sc15x6I", b"TZif", b"2", 0, 0, 0, 1, 2, 8)
        return (header + struct.pack(">" + time_format, 978307200) + b"\1" + struct.pack(">ibB", 3600, 0, 0) +
                struct.pack(">ibB", 7200, 0, 4) + b"ONE\0TWO\0")
    return block("i") + block("q") + b"\n" + footer.encode() + b"\n"


def made_zones(rng, directory):
    for i, footer in enumerate(FOOTERS):
        name = f"Made{i}"
        data = tzif(footer)
        with open(os.path.join(directory, name), "wb") as f:
            f.write(data)
        zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(data), key=name)
        start = (datetime(rng.randrange(2005, 2300), 1, 1) - EPOCH) // timedelta(seconds=1)
        print_zone(rng, name, zone, list(changes_after(zone, start, start + 3 * 366 * 86400))[:6])


def main():
    rng = random.Random(20261121)
    if len(sys.argv) > 1:
        made_zones(rng, sys.argv[1])
    else:
        system_zones(rng)


main()
