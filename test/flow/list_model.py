# SPDX-License-Identifier: Apache-2.0
"""What a list must hold, by brute force: a query over tasks as the API shows them, in plain Python."""
import datetime
import re
import unicodedata
import zoneinfo

UTC = datetime.timezone.utc
PRIORITIES = ["low", "medium", "high", "urgent"]
DESCENDING_UNLESS_SAID = {"created", "updated", "priority"}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def midnight(day, zone):
    return datetime.datetime.combine(day, datetime.time(), zoneinfo.ZoneInfo(zone)).astimezone(UTC)


def moment(text, zone):
    """An instant, a day's midnight in the zone, or a reading of the clock there."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return midnight(datetime.date.fromisoformat(text), zone)
    at = instant(text)
    return at if at.tzinfo else at.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(UTC)


def due(task):
    return task["due_date"] and moment(task["due_date"], task["time_zone"])


def overdue_from(task):
    """An all-day task is overdue from the next local midnight on."""
    if task["due_date"] is None:
        return None
    if "T" in task["due_date"]:
        return instant(task["due_date"])
    return midnight(datetime.date.fromisoformat(task["due_date"]) + datetime.timedelta(days=1), task["time_zone"])


def fold(text):
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def words(text):
    return re.findall(r"[^\W_]+", fold(text or ""))


def found_by(task, search):
    have = set(words(task["title"]) + words(task["description"]))
    wanted = words(search)
    return bool(wanted) and all(w in have for w in wanted[:-1]) and any(h.startswith(wanted[-1]) for h in have)


def selects(query, task, zone, now):
    tags = {t.casefold() for t in task["tags"]}
    wanted = {t.casefold() for t in query.get("tag", [])}
    is_overdue = not task["completed"] and overdue_from(task) is not None and overdue_from(task) <= now
    return all((
        query.get("status", "all") in ("all", task["status"]),
        not query.get("priority") or task["priority"] in query["priority"],
        not wanted or (tags & wanted if query.get("tag_mode") == "any" else wanted <= tags),
        "due_before" not in query or (due(task) and due(task) < moment(query["due_before"], zone)),
        "due_after" not in query or (due(task) and due(task) >= moment(query["due_after"], zone)),
        "overdue" not in query or is_overdue is query["overdue"],
        "updated_since" not in query or instant(task["updated_at"]) >= moment(query["updated_since"], zone),
        "search" not in query or found_by(task, query["search"]),
    ))


def sort_key(task, by):
    return {"created": lambda: instant(task["created_at"]), "updated": lambda: instant(task["updated_at"]),
            "due_date": lambda: due(task), "priority": lambda: PRIORITIES.index(task["priority"]),
            "title": lambda: fold(task["title"]).encode(), "completed": lambda: task["completed"]}[by]()


def in_order(query, tasks):
    by = query.get("sort", "created")
    descending = query.get("order", "desc" if by in DESCENDING_UNLESS_SAID else "asc") == "desc"
    dated = [t for t in tasks if by != "due_date" or t["due_date"]]
    rest = [t for t in tasks if by == "due_date" and not t["due_date"]]
    return (sorted(dated, key=lambda t: (sort_key(t, by), t["id"]), reverse=descending)
            + sorted(rest, key=lambda t: t["id"], reverse=descending))


def answer(query, tasks, zone, now):
    return in_order(query, [t for t in tasks if selects(query, t, zone, now)])
