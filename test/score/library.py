# SPDX-License-Identifier: Apache-2.0
"""What a Python library finds in the rows of a corpus: lines of JSON in, a JSON array for each out. The library's name is
the argument. Run by score.py in the environment that has the libraries."""
import datetime
import json
import sys


def point(t, has_time):
    return {"kind": "datetime", "value": t.strftime("%Y-%m-%dT%H:%M:%S")} if has_time else \
        {"kind": "date", "value": t.strftime("%Y-%m-%d")}


def with_dateparser():
    from dateparser.search import search_dates

    def find(text, now):
        settings = {"RELATIVE_BASE": now, "PREFER_DATES_FROM": "future"}
        found = search_dates(text, languages=["en"], settings=settings) or []
        # It puts the clock of the base into dates without a time.
        return [point(t, (t.hour, t.minute) != (now.hour, now.minute) and (t.hour, t.minute) != (0, 0)) for _, t in found]
    return find


def with_parsedatetime():
    import parsedatetime
    calendar = parsedatetime.Calendar(version=parsedatetime.VERSION_CONTEXT_STYLE)

    def find(text, now):
        found = calendar.nlp(text, sourceTime=now) or ()
        return [point(f[0], f[1].hasTime) for f in found]
    return find


def with_recurrent():
    from recurrent.event_parser import RecurringEvent

    def find(text, now):
        event = RecurringEvent(now_date=now)
        result = event.parse(text)
        if result is None:
            return []
        if isinstance(result, datetime.datetime):
            return [point(result, (result.hour, result.minute) != (0, 0))]
        rule = next(line for line in result.splitlines() if "FREQ" in line).removeprefix("RRULE:")
        start = event.dtstart or now
        return [{"kind": "set", "rrule": rule, "value": str(start)[:10]}]
    return find


def main():
    name = sys.argv[1]
    find = {"dateparser": with_dateparser, "parsedatetime": with_parsedatetime, "recurrent": with_recurrent}[name]()
    for line in sys.stdin:
        row = json.loads(line)
        try:
            found = find(row["text"], datetime.datetime.fromisoformat(row["now"]))
        except Exception:  # what a library throws at a sentence is an answer: nothing found
            found = []
        print(json.dumps(found), flush=True)


main()
