#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Scores `todod parse --dates` on a directory of corpora in JSON lines, and, where they are installed, other
libraries beside it in the same run.

usage: score.py DIR [--todod PATH] [--misses] [--libraries CACHE_DIR] [--install]

A row is right when every expected expression is found with its value and nothing else is found. A value is right when it
equals the expected one or one of its `accept` readings; a rule when its first 12 occurrences do, counted from the same start.
Spans are counted apart, because the sources disagree on whether "on" belongs to "on Friday". --install puts the libraries
into CACHE_DIR with pip and npm.
"""
import argparse
import collections
import datetime
import glob
import json
import os
import subprocess
import sys
import time

from dateutil import rrule as rrule_module

HERE = os.path.dirname(os.path.abspath(__file__))
OCCURRENCES = 12
FREQUENCIES_BELOW_DAY = ("HOURLY", "MINUTELY", "SECONDLY")
PACKAGES = ("dateparser", "parsedatetime", "recurrent")


def read_rows(directory):
    rows = []
    for path in sorted(glob.glob(os.path.join(directory, "*.jsonl"))):
        with open(path, encoding="utf-8") as f:
            for line in f:
                row = json.loads(line)
                row["source"] = os.path.basename(path).removesuffix(".jsonl")
                rows.append(row)
    return rows


# ---- comparison ----

def wall(value):
    """A value without its offset: YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS."""
    if isinstance(value, str) and len(value) > 19 and value[10] == "T":
        return value[:19]
    return value.rstrip("Z") if isinstance(value, str) else value


def duration_seconds(value):
    """ISO 8601 or seconds; a month is 30 days and a year 365, months given beyond a year count as such."""
    if not isinstance(value, str):
        return float(value)
    seconds, number, is_time = 0.0, "", False
    sizes = {"Y": 31536000, "W": 604800, "D": 86400, "H": 3600, "S": 1}
    for c in value[1:]:
        if c == "T":
            is_time = True
        elif c.isdigit() or c == ".":
            number += c
        else:
            seconds += float(number) * (sizes.get(c) or (60 if is_time else 2592000))
            number = ""
    return seconds


def months_of(value):
    """Years and months of a duration in months, or None when it has smaller parts."""
    if not isinstance(value, str) or "T" in value or "D" in value or "W" in value:
        return None
    years, _, rest = value[1:].rpartition("Y")
    return int(years or 0) * 12 + int(rest.rstrip("M") or 0)


def same_duration(got, want):
    try:
        if isinstance(got, str) and isinstance(want, str) and months_of(want) is not None:
            return months_of(got) == months_of(want)
        return abs(duration_seconds(got) - duration_seconds(want)) < 0.5
    except (ValueError, TypeError):
        return False


def same_point(got, want):
    if want is None or got is None:
        return got is None and want is None
    if not isinstance(want, str):
        return same_duration(got, want)
    if want.endswith("T*"):
        return got[:10] == want[:10]
    if len(want) == 8 and want[2] == ":":
        return got[11:19] == want
    if want.startswith("P"):
        return same_duration(got, want)
    return wall(got) == want


def matches(got, want):
    """got: {value, end_value} of what was found; want: one reading."""
    if "within" in want:
        low, high = want["within"]
        value = got.get("value") or ""
        return len(value) >= 19 and low <= wall(value) <= high
    if "value" in want or "end_value" in want:
        if want.get("value") is not None or "end_value" not in want:
            if not same_point(got.get("value"), want.get("value")):
                return False
        if want.get("end_value") == "*":
            return True
        if want.get("end_value") is None:
            return got.get("end_value") is None
        end = got.get("end_value")
        if end is None and want.get("value") is None:
            end = got.get("value")
        return same_point(end, want["end_value"])
    return False


def occurrences(rule, start):
    parts = {p.split("=")[0]: p.split("=")[1] for p in rule.upper().split(";") if "=" in p}
    parts.pop("RSCALE", None)
    parts.pop("SKIP", None)
    has_hour = "BYHOUR" in parts or parts.get("FREQ") in FREQUENCIES_BELOW_DAY
    until = parts.get("UNTIL")
    if until and len(until) == 8 and has_hour:
        parts["UNTIL"] = until + "T235959"
    text = ";".join(f"{k}={v}" for k, v in parts.items())
    times = []
    for t in rrule_module.rrulestr("RRULE:" + text, dtstart=start):
        times.append(t)
        if len(times) == OCCURRENCES:
            break
    return times, has_hour


def excluded(t, want):
    for date in want.get("exdate", []):
        if isinstance(date, str) and t.strftime("%Y-%m-%d") == date[:10]:
            return True
        if isinstance(date, dict) and all(getattr(t, k) == v for k, v in date.items()):
            return True
    return False


def same_rule(got, want, row):
    if not got.get("rrule") or not want.get("rrule"):
        return False
    now = datetime.datetime.fromisoformat(row["now"])
    start = datetime.datetime.combine(now.date(), datetime.time())
    if want.get("dtstart"):
        start = datetime.datetime.fromisoformat(want["dtstart"][:10])
    try:
        expected, has_hour = occurrences(want["rrule"], start)
        found, got_hour = occurrences(got["rrule"], start)
    except (ValueError, KeyError, TypeError):
        return False
    if any(excluded(t, want) for t in expected):
        return False
    if not has_hour or not got_hour:
        expected, found = [t.date() for t in expected], [t.date() for t in found]
    if has_hour and not got_hour:
        return False
    if expected == found:
        ok = True
    else:
        slack = want.get("until_slack_days", 0)
        longer, shorter = (expected, found) if len(expected) > len(found) else (found, expected)
        ok = slack > 0 and len(longer) - len(shorter) == 1 and longer[:-1] == shorter
    if ok and want.get("dtstart") and got.get("value"):
        return got["value"][:10] == str(expected[0])[:10] or not expected
    return ok


def right_expression(got, want, row):
    readings = [want] + want.get("accept", [])
    if want["kind"] == "set":
        return got["kind"] == "set" and any(same_rule(got, {**want, **r}, row) for r in readings)
    if got["kind"] == "set":
        return False
    if (want["kind"] == "duration") != (got["kind"] == "duration"):
        return False
    return any(matches(got, r) for r in readings)


def right_row(found, row):
    want = row["expect"]["found"]
    if len(found) != len(want):
        return False
    return all(right_expression(g, w, row) for g, w in zip(found, want))


# ---- what is measured ----

def run_todod(path, rows):
    lines = "".join(json.dumps({"text": r["text"], "now": r["now"], "tz": r["tz"]}) + "\n" for r in rows)
    start = time.monotonic()
    output = subprocess.run([path, "parse", "--dates"], input=lines, text=True, stdout=subprocess.PIPE, check=True,
                            timeout=120).stdout
    seconds = time.monotonic() - start
    answers = [json.loads(line) for line in output.splitlines()]
    if len(answers) != len(rows):
        sys.exit(f"score: {len(rows)} lines gave {len(answers)} answers")
    for row, answer in zip(rows, answers):
        if "error" in answer:
            print(f"score: {row['id']}: {answer['error']}", file=sys.stderr)
    return [a.get("found", []) for a in answers], seconds


def run_library(name, cache, rows):
    """Libraries run in programs of their own, which read and write the same lines."""
    if name == "chrono-node":
        command = ["node", os.path.join(HERE, "chrono.js")]
        env = {**os.environ, "NODE_PATH": os.path.join(cache, "node_modules")}
        if not os.path.isdir(os.path.join(cache, "node_modules", "chrono-node")):
            return None
    else:
        python = os.path.join(cache, "venv", "bin", "python")
        command, env = [python, os.path.join(HERE, "library.py"), name], dict(os.environ)
        if not os.path.exists(python):
            return None
    env["TZ"] = "UTC"
    lines = "".join(json.dumps({"text": r["text"], "now": r["now"], "tz": r["tz"]}) + "\n" for r in rows)
    start = time.monotonic()
    p = subprocess.run(command, input=lines, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env,
                       timeout=600, check=False)
    answers = [json.loads(line) for line in p.stdout.splitlines()]
    if len(answers) != len(rows):
        print(f"score: {name} did not run", file=sys.stderr)
        return None
    return answers, time.monotonic() - start


def install(cache):
    os.makedirs(cache, exist_ok=True)
    subprocess.run(["npm", "install", "--silent", "--prefix", cache, "chrono-node@2"], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", os.path.join(cache, "venv")], check=True)
    subprocess.run([os.path.join(cache, "venv", "bin", "pip"), "-q", "install", *PACKAGES], check=True)


def row_kind(row):
    found = row["expect"]["found"]
    return found[0]["kind"] if found else "negative"


def share(right, total):
    return f"{right:4d}/{total:<4d} {100 * right / total:5.1f} %" if total else "   -          "


def table(title, rows, results, key):
    print(f"\n{title:22s}" + "".join(f"{name:>22s}" for name in results))
    groups = collections.defaultdict(list)
    for i, row in enumerate(rows):
        for k in key(row):
            groups[k].append(i)
    for k in sorted(groups):
        print(f"{k:22s}" + "".join(f"{share(sum(right[i] for i in groups[k]), len(groups[k])):>22s}"
                                   for right in results.values()))


def precision_recall(rows, found):
    hits = total_found = total_want = 0
    for row, got in zip(rows, found):
        want = list(row["expect"]["found"])
        total_found += len(got)
        total_want += len(want)
        for g in got:
            hit = next((w for w in want if right_expression(g, w, row)), None)
            if hit is not None:
                hits += 1
                want.remove(hit)
    return hits / max(total_found, 1), hits / max(total_want, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--todod", default="build/release/todod")
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--libraries", default=os.path.expanduser("~/.cache/todod-score"))
    parser.add_argument("--install", action="store_true")
    args = parser.parse_args()
    rows = read_rows(args.directory)
    if not rows:
        sys.exit(f"score: no *.jsonl in {args.directory}")
    if args.install:
        install(args.libraries)
    runs = {"todod": run_todod(args.todod, rows)}
    for name in ("chrono-node", *PACKAGES):
        ran = run_library(name, args.libraries, rows)
        if ran is not None:
            runs[name] = ran
    results = {name: [right_row(f, row) for f, row in zip(found, rows)] for name, (found, _) in runs.items()}
    core = [i for i, row in enumerate(rows) if row["scope"] == "core"]
    core_rows = [rows[i] for i in core]
    core_results = {name: [right[i] for i in core] for name, right in results.items()}
    table("source, core", core_rows, core_results, lambda r: [r["source"], "~ all sources"])
    table("source, all", rows, results, lambda r: [r["source"], "~ all sources"])
    table("kind, core", core_rows, core_results, lambda r: [row_kind(r)])
    table("kind, all", rows, results, lambda r: [row_kind(r)])
    print()
    for name, (found, seconds) in runs.items():
        precision, recall = precision_recall(rows, found)
        print(f"{name:14s} precision {100 * precision:5.1f} %, recall {100 * recall:5.1f} %, "
              f"{1e6 * seconds / len(rows):8.1f} us a message with its process")
    if args.misses:
        for row, found, right in zip(rows, runs["todod"][0], results["todod"]):
            if not right:
                print(json.dumps({"id": row["id"], "scope": row["scope"], "now": row["now"], "text": row["text"],
                                  "want": row["expect"]["found"], "found": found}))


if __name__ == "__main__":
    main()
