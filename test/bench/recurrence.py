# SPDX-License-Identifier: Apache-2.0
"""How long domain/recurrence takes for one call: what tasks have, and the worst that anybody has found."""
import os
import re
import subprocess

ZONE = "Europe/Berlin"
# In 2026, of series that began in 2020.
AFTER = 1795000000
TYPICAL = [
    "daily", "weekly", "monthly", "yearly", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=MONTHLY;BYDAY=2TU",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "FREQ=DAILY;BYHOUR=8,12,18",
    "FREQ=WEEKLY;COUNT=52;BYDAY=MO", "FREQ=MONTHLY;UNTIL=20301231",
]
# rule, dtstart, seconds after which to look; the last ones are questions of the year 9998.
END = 253370764800
WORST = {
    "gives dates": [
        ("FREQ=WEEKLY;COUNT=10000;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=8,18;BYSETPOS=1,3,5,7,9,11,13", "1970-01-01T08:00:00", AFTER),
        ("FREQ=DAILY;COUNT=10000;BYHOUR=0,6,12,18;BYMINUTE=0,15,30,45", "1970-01-01T08:00:00", AFTER),
        ("FREQ=YEARLY;COUNT=10000;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "1972-02-29T08:00:00", AFTER),
        ("FREQ=MONTHLY;INTERVAL=1000;BYMONTHDAY=31", "1970-01-31T08:00:00", AFTER),
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYMONTH=12", "1970-01-01T08:00:00", AFTER),
    ],
    "never matches": [
        ("FREQ=DAILY;INTERVAL=773;BYMONTH=2;BYMONTHDAY=29", "1970-01-01T08:00:00", AFTER),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "1970-01-01T08:00:00", AFTER),
        ("FREQ=YEARLY;INTERVAL=1000;BYYEARDAY=366", "1970-01-01T08:00:00", AFTER),
        ("FREQ=WEEKLY;INTERVAL=52;BYDAY=MO;BYMONTH=2;BYSETPOS=7", "1970-01-01T08:00:00", AFTER),
    ],
    "from year 1 to 9998": [
        ("FREQ=WEEKLY;COUNT=10000;BYDAY=MO;BYMONTH=2", "0001-01-01T08:00:00", END),
        ("FREQ=YEARLY;COUNT=10000;BYMONTH=2;BYMONTHDAY=29", "0001-01-01T08:00:00", END),
        ("FREQ=DAILY;INTERVAL=773;BYMONTH=2;BYMONTHDAY=29", "0001-01-01T08:00:00", END),
        ("FREQ=DAILY;COUNT=10000;INTERVAL=366;BYHOUR=0,12", "0001-01-01T08:00:00", END),
    ],
}


def ask(driver, lines):
    """(calls, mean us, worst us) of the calls that these questions take."""
    result = subprocess.run([driver, "--time"], input="".join(f"{line}\n" for line in lines), text=True, check=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if "error" in result.stdout:
        raise ValueError(f"{os.path.basename(driver)}: {result.stdout}")
    calls, mean, worst = map(int, re.search(r"(\d+) calls, (\d+) ns each, worst (\d+) ns", result.stderr).groups())
    return calls, mean / 1e3, worst / 1e3


def measure(driver):
    """{what: (calls, mean us, worst us)}; first what tasks have."""
    figures = {"typical rules": ask(driver, [f"{rule}|2020-01-31T08:00:00|{ZONE}|{AFTER}|2000" for rule in TYPICAL])}
    for kind, questions in WORST.items():
        figures[kind] = ask(driver, [f"{rule}|{start}|{ZONE}|{after}|5" for rule, start, after in questions])
    return figures
