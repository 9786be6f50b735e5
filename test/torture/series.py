# SPDX-License-Identifier: Apache-2.0
"""
What recurrer did, held against what it was to do: each completed recurring task has one successor; a reopened one has its
untouched successor taken back, and keeps one that somebody changed; nothing else was made, changed or taken.
"""
import history
from history import instant

WHAT = "successors"
COPIED = ("title", "description", "priority", "tags", "time_zone", "recurrence", "recurrence_rule", "recurrence_mode",
          "recurrence_end_date", "series_id")
OF_AN_OUTCOME = {"status", "sent_at", "retry_count", "last_error"}
DAY_SECONDS = 24 * 3600  # writers know no other rule


def second_of(text):
    """Rules know whole seconds only."""
    return int(instant(text))


def name_of(life):
    return f"{life.user}: task {life.number}"


def is_recurring(body):
    return body.get("recurrence_rule") is not None


def completions(life):
    """How often it was completed."""
    return sum(1 for _, before, after in life.steps() if after["completed"] and not (before and before["completed"]))


def is_touched(life):
    """By anybody; what became of its reminder does not count."""
    return any(not life.is_by_recurrer(version) for version in life.versions)


# ---- the successors of one task ----

def is_next(due, before, made, dues):
    """
    Whether a daily series that was ever due at `dues` goes on there after `before`: at the time of day of one of them, as its first date
    says when, and users move single instances; at the first such time after it and after now.
    """
    if due <= before or due % DAY_SECONDS not in {d % DAY_SECONDS for d in dues}:
        return False
    return due - before <= DAY_SECONDS or due - DAY_SECONDS <= made or any(0 <= due - d <= DAY_SECONDS for d in dues)


def misfits(body, child, dues):
    """What is not as it is to be in what follows the task as it was then."""
    wrong = [k for k in COPIED if body[k] != child[k]]
    if not is_next(second_of(child["due_date"]), second_of(body["due_date"]), second_of(child["created_at"]), dues):
        wrong.append("due_date")
    if child["occurrence"] != body["occurrence"] + 1:
        wrong.append("occurrence")
    if not body["completed"]:
        wrong.append("completed")
    return wrong


def misfit(parent, child, dues):
    """None if it follows the task as it was in one of its versions; else what is wrong with it beside the one that is nearest."""
    found = [misfits(body, child, dues) for _, _, body in parent.steps()]
    return min(found, key=len, default=["everything"]) or None


def place_of(user, body, step=0):
    """Of which a series has one: the instance of a number. None: it is of no series."""
    return body.get("series_id") and (user, body["series_id"], body["occurrence"] + step)


def check_family(report, parent, children, dues, places):
    """places: those that are taken. A series goes on at the next place, whichever of two tasks of one number it was made for."""
    name = name_of(parent)
    state = parent.state()
    alive = [c for c in children if not c.is_gone]
    kept = [c for c in children if not c.taken_back]
    for child in children:
        wrong = misfit(parent, child.versions[1][-1], dues)
        if wrong:
            report.add("unexpected", WHAT, f"{name}: {name_of(child)} follows it with another {wrong}: {child.versions[1][-1]}, after "
                       f"{[body for _, _, body in parent.steps() if body['completed']][-1:]}")
        if child.taken_back and is_touched(child):
            report.add("lost", WHAT, f"{name}: {name_of(child)} was changed by somebody, and taken back")
        if child.taken_back and not any(b and b["completed"] and not a["completed"] for _, b, a in parent.steps()):
            report.add("lost", WHAT, f"{name}: {name_of(child)} was taken back, and nobody reopened the task before it")
    if len(alive) > 1 or len(children) > completions(parent):
        report.add("doubled", WHAT, f"{name} was completed {completions(parent)} times: {[c.number for c in children]} were made, and "
                   f"{[c.number for c in alive]} are there")
    if state is None or not is_recurring(state):
        return
    if state["completed"]:
        report.told[WHAT] += 1
        has_next = bool(kept) or place_of(parent.user, state, 1) in places
        report.found[WHAT] += has_next
        if not has_next:
            report.add("lost", WHAT, f"{name} is completed and has no successor")
    for child in alive:
        if not state["completed"] and not is_touched(child):
            report.add("unexpected", WHAT, f"{name} is open again, and {name_of(child)} was not taken back")


# ---- all ----

def check_made(report, lives, families):
    """Tasks that recurrer made are each a successor; and tasks that follow another are made by it."""
    for life in lives.values():
        if 1 not in life.versions:
            continue
        parent = life.versions[1][-1].get("parent_task_id")
        if life.is_by_recurrer(1) and (life.user, parent) not in lives:
            report.add("unexpected", WHAT, f"{name_of(life)} follows {parent}, which nobody made")
        elif parent is not None and life.is_by_recurrer(1):
            families.setdefault((life.user, parent), []).append(life)
        elif parent is not None:
            report.add("unexpected", WHAT, f"{name_of(life)} was made by a client and follows {parent}")


def check_outcomes(report, life, outcomes):
    """Versions that tell what became of a reminder, and of nothing else."""
    for version, before, after in life.steps():
        if before is None or not life.is_by_recurrer(version):
            continue
        same = {k: (before[k], after[k]) for k in before if k not in ("version", "updated_at", "reminders")}
        was, now = history.reminders_of(before), history.reminders_of(after)
        changed = [r for key, r in now.items() if was.get(key) != r]
        is_fine = all(a == b for a, b in same.values()) and was.keys() == now.keys() and len(changed) == 1
        if is_fine:
            r = changed[0]
            fields = {k for k in r if r[k] != was[r["id"]][k]}
            is_sent = r["status"] == "sent"
            is_fine = fields <= OF_AN_OUTCOME and is_sent == (r["sent_at"] is not None) and (
                (life.user, r["id"], r["version"], "reminder.sent" if is_sent else "reminder.failed") in outcomes)
        if not is_fine:
            report.add("unexpected", history.TASKS, f"{name_of(life)}: version {version} by recurrer is not what became of a reminder")


def check(report, lives, rows):
    outcomes = {(row["user_id"], row["data"]["payload"]["reminder_id"], row["data"]["payload"]["version"], row["type"])
                for row in rows if row["topic"] == history.REMINDERS and row["type"] in history.WAY}
    families, dues, places = {}, {}, set()
    for life in lives.values():
        if not life.taken_back:
            places.update(place_of(life.user, body) for _, _, body in life.steps())
        for _, before, body in life.steps():
            if body.get("due_date") and not (before is None and life.is_by_recurrer(1)):
                dues.setdefault(body["series_id"], set()).add(second_of(body["due_date"]))
    places.discard(None)
    check_made(report, lives, families)
    for key, life in lives.items():
        check_outcomes(report, life, outcomes)
        if key in families or any(is_recurring(b) and b["completed"] for _, _, b in life.steps()):
            check_family(report, life, families.get(key, []), dues.get(life.versions[life.last][-1].get("series_id"), set()), places)
