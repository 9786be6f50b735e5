# SPDX-License-Identifier: Apache-2.0
"""
What reminders came to, held against what they were to do: each that came due has one effect, none before its time, and none
after a cancel that was published first, or was acknowledged long enough before.

  told     reminders (each version of one) that are due and that nobody cancelled
  found    those of them with an effect: a mail in the sink, or a notification on task-updates
  either   cancelled or put off about when they were due, so that it may have an effect or not: one at most

A mail that is there twice is the same mail (the Message-ID is of the version of the reminder). That may be, if something that
holds it died between the server's 250 and the state that says so: it is counted, and a failure if nothing had died.
"""
import collections
import dataclasses
from typing import Optional

import history
from history import REMINDERS, instant

WHAT = "effects"
# How long before the due time a cancel must be acknowledged, not counting time in which database, sidecar or broker were away:
# its event is published by a relay, whose lease outlives it by 6 s when it is killed, as may be the next one that takes it.
MARGIN_SECONDS = 30
# What is between the server's answer and the state that tells of it, at most: after that notifier gives up telling.
TELLING_SECONDS = 25


@dataclasses.dataclass(frozen=True)
class Effect:
    """at: by the clock of the machine, which all of them share. version None: not known."""
    kind: str
    user: str
    reminder_id: str
    version: int
    at: float
    id: str
    title: str


@dataclasses.dataclass
class Reminder:
    """One version of one."""
    user: str
    task: int
    id: str
    version: int
    at: float
    titles: set
    told_at: float  # when it was set, as far as a client knows
    ended_by: Optional[history.Told] = None  # who put an end to it, or RECURRER with the task
    status: str = "pending"

    @property
    def key(self):
        return self.user, self.id, self.version

    @property
    def name(self):
        return f"{self.user}: reminder {self.id}, version {self.version}, of task {self.task}"


def reminders_of(life):
    """All versions of all reminders of a task that were ever to fire."""
    found = {}
    for version, before, after in life.steps():
        was, now = history.reminders_of(before), history.reminders_of(after)
        for r in now.values():
            key = (r["id"], r["version"])
            if history.is_live(r) and key not in found:
                found[key] = Reminder(life.user, life.number, *key, instant(r["remind_at"]), set(), life.makers[version].sent_at)
            if key in found:
                found[key].status = r["status"]
                found[key].titles.add(after["title"])
        for r in was.values():
            key = (r["id"], r["version"])
            is_over = r["id"] not in now or now[r["id"]]["version"] != r["version"]
            if key in found and history.is_live(r) and is_over:
                found[key].ended_by = life.makers[version]
    if life.is_gone and life.versions:
        for r in life.versions[life.last][-1]["reminders"]:
            key = (r["id"], r["version"])
            if key in found and history.is_live(r):
                found[key].ended_by = life.deleted_by or history.Told(life.user, history.RECURRER, life.number, None)
    return found.values()


class Spans:
    """Times in which something was away. Each (name, from, to)."""

    def __init__(self, spans):
        self.spans = list(spans)

    def overlap(self, begin, end):
        """Seconds of this time in which any of them was."""
        cut = sorted((max(a, begin), min(b, end)) for _, a, b in self.spans if a < end and b > begin)
        total, upto = 0.0, begin
        for a, b in cut:
            total += max(0.0, b - max(a, upto))
            upto = max(upto, b)
        return total

    def any_in(self, begin, end):
        return any(a <= end and b >= begin for _, a, b in self.spans)

    def only(self, *prefixes):
        return Spans(s for s in self.spans if s[0].startswith(prefixes))


class Way:
    """Where in the chain of their user rows of a reminder stand."""

    def __init__(self, rows, dead):
        self.triggers, self.sent = collections.defaultdict(list), collections.Counter()
        self.versions = collections.defaultdict(list)  # (user, id) -> (place, version) of scheduled and cancelled
        for place, row in enumerate(rows):
            if row["topic"] != REMINDERS:
                continue
            payload = row["data"]["payload"]
            key = (row["user_id"], payload["reminder_id"], payload["version"])
            if row["type"] == "reminder.trigger":  # one that came late to the trail was with notifier nobody knows when
                self.triggers[key].append(place if row["event_id"] not in dead else -1)
            elif row["type"] == "reminder.sent":
                self.sent[key] += 1
            elif row["type"] not in history.WAY and row["event_id"] not in dead:
                self.versions[key[:2]].append((place, row["sequence"]))

    def is_cancelled_first(self, reminder):
        """Whether a later version stands before the first trigger, where consumers met it first."""
        triggers = self.triggers.get(reminder.key)
        later = [place for place, version in self.versions[reminder.key[:2]] if version > reminder.version]
        return bool(later) and (not triggers or min(later) < min(triggers))


def is_cancelled_early(reminder, away, margin):
    """Whether its end was acknowledged long enough before it was due."""
    end = reminder.ended_by.answered_at
    return 0 < end and end + margin + away.overlap(end, reminder.at) < reminder.at


def check_repeats(report, reminder, effects, died):
    """Several effects of one version."""
    if len({e.id for e in effects}) > 1:
        report.add("doubled", WHAT, f"{reminder.name}: {len(effects)} effects that are not the same")
        return
    times = sorted(e.at for e in effects)
    if effects[0].kind == "notification":  # which screens show once, by its id
        report.shown_again += len(times) - 1
    elif all(died.any_in(a, min(a + TELLING_SECONDS, b)) for a, b in zip(times, times[1:])):
        report.repeated += len(times) - 1
    else:
        report.add("doubled", WHAT, f"{reminder.name}: {len(times)} effects at {times}, and nothing had died")


def check_one(report, reminder, effects, way, world):
    if reminder.at > world.until:
        if effects:
            report.add("early", WHAT, f"{reminder.name}: due {reminder.at - effects[0].at:.0f} s after its effect")
        return
    if any(e.at < reminder.at for e in effects):
        report.add("early", WHAT, f"{reminder.name}: {max(reminder.at - e.at for e in effects):.3f} s before its time")
    if any(e.title not in reminder.titles for e in effects):
        report.add("unexpected", WHAT, f"{reminder.name}: effects of other words: {[e.title for e in effects]}")
    if len(effects) > 1:
        check_repeats(report, reminder, effects, world.died)
    if way.sent[reminder.key] > 1:
        report.add("doubled", WHAT, f"{reminder.name}: told {way.sent[reminder.key]} times to be sent")
    if way.sent[reminder.key] and not effects:
        report.add("lost", WHAT, f"{reminder.name}: told to be sent, and no effect")
    if reminder.ended_by is None:
        report.told[WHAT] += 1
        report.found[WHAT] += bool(effects)
        if not effects and not way.sent[reminder.key]:
            report.add("lost", WHAT, f"{reminder.name}: no effect; it is {reminder.status}")
        elif reminder.status != "sent" or not way.sent[reminder.key]:
            report.add("lost", WHAT, f"{reminder.name}: {way.sent[reminder.key]} events tell that it was sent, and the task shows it as "
                       f"{reminder.status}")
        elif effects:
            report.late_seconds.append(min(e.at for e in effects) - max(reminder.at, reminder.told_at))
    elif way.is_cancelled_first(reminder):
        report.cancelled += 1
        if effects:
            report.add("unexpected", WHAT, f"{reminder.name}: an effect, though its end was published first")
    elif is_cancelled_early(reminder, world.away, world.margin):
        report.add("unexpected", WHAT, f"{reminder.name}: its end was acknowledged "
                   f"{reminder.at - reminder.ended_by.answered_at:.0f} s before it was due, and published after its trigger")
    else:
        report.either += 1


@dataclasses.dataclass
class World:
    """
    What a check has to know beside what was told. until: what was due then has had its effect. dead: ids of events that were ever
    dead letters. died: when what holds a mail was away: notifier, its sidecar, the database, the mail server. away: when what
    carries a cancel was. addresses: {user: whom effects of his go to}
    """
    until: float = 0.0
    effects: tuple = ()
    dead: frozenset = frozenset()
    died: Spans = dataclasses.field(default_factory=lambda: Spans(()))
    away: Spans = dataclasses.field(default_factory=lambda: Spans(()))
    margin: float = MARGIN_SECONDS


def check_rows(report, reminders, rows):
    """Rows about the way of a reminder are of one that there was, and not before its time."""
    for row in rows:
        if row["topic"] != REMINDERS or row["type"] not in history.WAY:
            continue
        payload = row["data"]["payload"]
        key = (row["user_id"], payload["reminder_id"], payload["version"])
        words = f"{row['user_id']}: {row['type']} of {payload['reminder_id']}, version {payload['version']}"
        if key not in reminders:
            report.add("unexpected", REMINDERS, words)
        elif instant(row["stored_at"]) < reminders[key].at:
            report.add("early", REMINDERS, words)


def check(report, lives, rows, world):
    reminders = {r.key: r for life in lives.values() for r in reminders_of(life)}
    way = Way(rows, world.dead)
    found = collections.defaultdict(list)
    for e in world.effects:
        found[e.user, e.reminder_id, e.version].append(e)
    for key in sorted(found.keys() - reminders.keys()):
        report.add("unexpected", WHAT, f"{key[0]}: {len(found[key])} effects of reminder {key[1]}, version {key[2]}, which nobody set")
    for key, reminder in sorted(reminders.items()):
        check_one(report, reminder, found[key], way, world)
    check_rows(report, reminders, rows)
