# SPDX-License-Identifier: Apache-2.0
"""
Compares what clients were told with the tasks there are, and with the rows of the audit trail. Nothing here asks anybody:
what it gets are lists, so that test_checker.py can damage them.

  lost          told, and not there (or not as told)
  unexpected    there, and nobody was told
  doubled       there more often than once, or two clients were told that the same change was theirs
  out of order  a version of a task or reminder behind a later one of it in its user's chain

An event that came out of the dead letters comes behind those that passed it by: that is what they are for, so its place is
not looked at.
"""
import collections

import history

CLASSES = ("lost", "unexpected", "doubled", "out of order")


class Report:
    def __init__(self):
        self.faults = []  # (class, of what, words)
        self.told = collections.Counter()
        self.found = collections.Counter()
        self.late = 0  # rows that came out of the dead letters

    def add(self, kind, what, words):
        assert kind in CLASSES
        self.faults.append((kind, what, words))

    def count(self, kind, what=None):
        return sum(1 for k, w, _ in self.faults if k == kind and what in (None, w))

    def table(self):
        lines = ["| | told | found | " + " | ".join(CLASSES) + " |", "|---|---|---|---|---|---|---|"]
        for what in ("tasks", history.TASKS, history.REMINDERS):
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
        if life.missed and not life.deletions:
            report.add("lost", "tasks", f"{name}: a client was told that it is not there, and nobody deleted it")


def check_tasks(report, lives, tasks):
    """tasks: {(user, id): the task as the API shows it}"""
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


def words_of(event):
    return f"{event.user}: {event.type} {event.subject}, version {event.number}"


def check_events(report, lives, rows, late):
    """rows: of all users, each user's in the order of his chain. late: ids of events that came out of the dead letters."""
    wanted = {e for life in lives.values() for e in life.events()}
    found = collections.Counter()
    highest = {}
    for row in rows:
        event = history.event_of(row)
        found[event] += 1
        is_late, key = row["event_id"] in late, (event.user, event.topic, event.subject)
        report.late += is_late
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


def check(told, tasks, rows, late=frozenset()):
    report = Report()
    lives = history.tasks_of(told)
    check_answers(report, lives)
    check_tasks(report, lives, tasks)
    check_events(report, lives, rows, late)
    return report
