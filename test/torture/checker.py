# SPDX-License-Identifier: Apache-2.0
"""
Compares what clients were told with the tasks there are, and with the rows of the audit trail. Nothing here asks anybody:
what it gets are lists, so that test_checker.py can damage them.

  lost          told, and not there (or not as told)
  unexpected    there, and nobody was told
  doubled       there more often than once, or two clients were told that the same change was theirs
  out of order  a version of a task or reminder behind a later one of it in its user's chain
  early         an effect of a reminder before its time

What recurrer did is looked at in series.py, what reminders came to in effects.py.

An event that came out of the dead letters comes behind those that passed it by: that is what they are for, so its place is
not looked at.
"""
import collections

import effects
import history
import series

CLASSES = ("lost", "unexpected", "doubled", "out of order", "early")
SUBJECTS = ("tasks", history.TASKS, history.REMINDERS, series.WHAT, effects.WHAT)


class Report:
    def __init__(self):
        self.faults = []  # (class, of what, words)
        self.told = collections.Counter()
        self.found = collections.Counter()
        self.late = 0  # rows that came out of the dead letters
        # Of effects: cancelled in time; cancelled about when they were due; mails that went out again after a kill; notifications
        # that were published again; how late the first of each was.
        self.cancelled = self.either = self.repeated = self.shown_again = 0
        self.late_seconds = []

    def add(self, kind, what, words):
        assert kind in CLASSES
        self.faults.append((kind, what, words))

    def count(self, kind, what=None):
        return sum(1 for k, w, _ in self.faults if k == kind and what in (None, w))

    def effects_table(self):
        late = sorted(self.late_seconds) or [0.0]
        return ("| effects | times |\n|---|---|\n"
                f"| one, of a reminder that was due | {self.found[effects.WHAT]:,} |\n"
                f"| the same mail again, after a kill | {self.repeated:,} |\n"
                f"| the same notification again | {self.shown_again:,} |\n"
                f"| none: a cancel was published first | {self.cancelled:,} |\n"
                f"| one or none: cancelled when it was about to fire | {self.either:,} |\n\n"
                f"Late by, in seconds: median {late[len(late) // 2]:.1f}, most {late[-1]:.1f}.")

    def table(self):
        lines = ["| | told | found | " + " | ".join(CLASSES) + " |", "|" + "---|" * (3 + len(CLASSES))]
        for what in SUBJECTS:
            counts = " | ".join(str(self.count(kind, what)) for kind in CLASSES)
            lines.append(f"| {what} | {self.told[what]:,} | {self.found[what]:,} | {counts} |")
        return "\n".join(lines)


def check_answers(report, lives):
    """Answers that cannot all be true."""
    for (user, number), life in lives.items():
        name = f"{user}: task {number}"
        for version in life.holes():
            report.add("unexpected", "tasks", f"{name} has a version {version} that nobody was told to have made")
        for version in life.twice():
            report.add("doubled", "tasks", f"{name}: two were told to have made version {version}")
        if life.deletions > 1:
            report.add("doubled", "tasks", f"{name}: {life.deletions} were told to have deleted it")
        if life.deletions and life.taken_back:
            report.add("doubled", "tasks", f"{name}: a client was told to have deleted it, and it was taken back")
        if life.missed and not life.is_gone:
            report.add("lost", "tasks", f"{name}: a client was told that it is not there, and nobody deleted it")


def check_tasks(report, lives, tasks):
    """tasks: {(user, id): the task as the API shows it}"""
    tasks = {key: history.plain(task) for key, task in tasks.items()}
    wanted = {key: state for key, life in lives.items() if (state := life.state()) is not None}
    report.told["tasks"], report.found["tasks"] = len(wanted), len(tasks)
    for key in sorted(wanted.keys() - tasks.keys()):
        report.add("lost", "tasks", f"{key[0]}: task {key[1]} is not there")
    for key in sorted(tasks.keys() - wanted.keys()):
        report.add("unexpected", "tasks", f"{key[0]}: task {key[1]} is there, and nobody made it or it was deleted")
    for key in sorted(wanted.keys() & tasks.keys()):
        if history.canonical(wanted[key]) == history.canonical(tasks[key]):
            continue
        later = tasks[key]["version"] > wanted[key]["version"]
        report.add("unexpected" if later else "lost", "tasks", f"{key[0]}: task {key[1]} has version {tasks[key]['version']}, "
                   f"and version {wanted[key]['version']} is the last that was told")


def check_reads(report, lives, reads):
    """reads: (user, a task as a client read it)."""
    for user, body in reads:
        task = history.plain(body)
        life = lives.get((user, task["id"]))
        if life is None or task not in life.versions.get(task["version"], ()):
            report.add("unexpected", "tasks", f"{user}: read what nobody was told: {task}")


def words_of(event):
    return f"{event.user}: {event.type} {event.subject}, version {event.number}"


def check_events(report, lives, rows, late):
    """rows: of all users, each user's in the order of his chain. late: ids of events that came out of the dead letters."""
    wanted = {e for life in lives.values() for e in life.events()}
    found = collections.Counter()
    highest = {}
    for row in rows:
        report.late += row["event_id"] in late
        if not history.is_of_writers(row) or row["type"] in history.WAY:
            continue
        event = history.event_of(row)
        found[event] += 1
        is_late, key = row["event_id"] in late, (event.user, event.topic, event.subject)
        if event not in wanted:
            continue
        if event.number < highest.get(key, 0) and found[event] == 1 and not is_late:
            report.add("out of order", event.topic, f"{words_of(event)} stands behind version {highest[key]}")
        highest[key] = max(event.number, highest.get(key, 0))
    for event in sorted(wanted, key=words_of):
        report.told[event.topic] += 1
        if event not in found:
            report.add("lost", event.topic, words_of(event))
    for event, n in found.items():
        report.found[event.topic] += n
        if event not in wanted:
            report.add("unexpected", event.topic, words_of(event))
        if n > 1:
            report.add("doubled", event.topic, f"{words_of(event)}, {n} times")


def check(told, tasks, rows, late=frozenset(), world=effects.World(), reads=()):
    report = Report()
    lives = history.tasks_of(told, rows)
    check_answers(report, lives)
    check_tasks(report, lives, tasks)
    check_reads(report, lives, reads)
    check_events(report, lives, rows, late)
    series.check(report, lives, rows)
    effects.check(report, lives, rows, world)
    return report
