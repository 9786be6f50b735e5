# SPDX-License-Identifier: Apache-2.0
"""
Fifty clients of five users write everything at once. What they were answered, what is stored and what was told in
events must be three accounts of the same history: a checker compares them.
"""
import collections
import itertools
import json
import random
import threading

from api_client import parse_json
from test_tags import check_joined
from test_tasks import in_parallel

USERS, CLIENTS, WRITES = 5, 50, 100
TAGS = ["a", "b", "c", "d", "e"]
REFUSALS = {404, 409, 412, 422, 503}
Record = collections.namedtuple("Record", "user request_id method path key status answer replayed kind")


class Client:
    """One thread: random writes on what its user's clients share."""

    def __init__(self, api, number, shared):
        api.openapi = None  # 5,000 validations are for other tests
        self.api, self.rng, self.shared = api, random.Random(number), shared
        self.number, self.n, self.records = number, itertools.count(), []

    def send(self, kind, method, path, body=None, version=None):
        """Some with If-Match, some with a key; some of those again, as after a lost answer."""
        headers = {}
        if version is not None and self.rng.random() < 0.3:
            headers["If-Match"] = f'"{version}"'
        if self.rng.random() < 0.3:
            headers["Idempotency-Key"] = f"{self.number}-{next(self.n)}"
        for _ in range(2 if "Idempotency-Key" in headers and self.rng.random() < 0.5 else 1):
            request_id = f"{self.number}-{next(self.n)}"
            answer = self.api.request(method, path, body, {**headers, "X-Request-Id": request_id})
            shown = parse_json(answer.body) if answer.body else None
            self.records.append(Record(self.api.user, request_id, method, path, headers.get("Idempotency-Key"), answer.status, shown,
                                       "idempotency-replayed" in answer.headers, kind))
        return shown if answer.status in (200, 201) else None

    def fields(self):
        rng, fields = self.rng, {}
        for name, value in (("title", f"{rng.random()}"), ("description", rng.choice([None, "d"])), ("tags", rng.sample(TAGS, rng.randint(0, 3))),
                            ("priority", rng.choice(["low", "high"])), ("due_date", rng.choice([None, "2031-01-31", "2031-06-01T12:00:00Z"]))):
            if rng.random() < 0.4:
                fields[name] = value
        return fields

    def write(self):
        rng, api, tasks = self.rng, self.api, self.shared
        kind = rng.choices(["create", "update", "complete", "remind", "delete", "rename", "remove", "prefer"], [16, 36, 16, 16, 8, 3, 1, 4])[0]
        task = rng.choice(tasks) if tasks else None
        if kind == "create" or (task is None and kind in ("update", "complete", "remind", "delete")):
            made = self.send("create", "POST", api.tasks, {"title": "t", **self.fields()})
            if made:
                tasks.append(dict(made))
        elif kind == "update":
            self.learn(task, self.send(kind, rng.choice(["PUT", "PATCH"]), api.path(task), self.fields(), task["version"]))
        elif kind == "complete":
            body = rng.choice([None, {"completed": True}, {"completed": False}])
            self.learn(task, self.send(kind, "PATCH", api.path(task) + "/complete", body, task["version"]))
        elif kind == "remind":
            self.remind(task)
        elif kind == "delete":
            self.send(kind, "DELETE", api.path(task), version=task["version"])
            if len(tasks) > 4 and task in tasks:
                tasks.remove(task)
        elif kind == "rename":
            self.send(kind, "PATCH", api.tag_path(rng.choice(TAGS)), {"name": rng.choice(TAGS), "color": "#00ff00"})
        elif kind == "remove":
            self.send(kind, "DELETE", api.tag_path(rng.choice(TAGS)))
        else:
            self.send(kind, "PUT", api.at("preferences"), {"locale": rng.choice(["en", "de", "fr"]), "channels": [rng.choice(["log", "email"])]})

    def remind(self, task):
        known = task["reminders"]
        path = self.api.path(task) + "/reminders"
        if not known or self.rng.random() < 0.5:
            self.send("remind", "POST", path, {"remind_at": f"2031-01-{self.rng.randint(10, 30)}T00:00:00Z"}, task["version"])
            return
        path += "/" + self.rng.choice(known)["id"]
        if self.rng.random() < 0.5:
            self.send("remind", "PATCH", path, {"remind_at": f"2031-02-{self.rng.randint(10, 28)}"}, task["version"])
        else:
            self.send("remind", "DELETE", path, version=task["version"])

    def learn(self, task, shown):
        if shown and shown["version"] > task["version"]:
            task.update(shown)


class History:
    """A user's outbox, in the order in which it was written."""

    def __init__(self, outbox, user):
        self.events = outbox(user)
        self.by_request = collections.defaultdict(list)
        self.told = {"task-events": collections.defaultdict(list), "task-updates": collections.defaultdict(list)}
        self.reminders = collections.defaultdict(list)
        self.preferences = []
        for event in self.events:
            data = event["data"]
            self.by_request[data["correlation_id"]].append(event)
            if event["type"].startswith("reminder."):
                self.reminders[data["payload"]["reminder_id"]].append(event)
            elif event["type"] == "preferences.changed":
                self.preferences.append(event)
            else:
                topic = "task-updates" if event["type"] == "task.state_changed" else "task-events"
                self.told[topic][int(data["task_id"])].append(event)

    def task_at(self, task_id, version):
        return self.told["task-events"][task_id][version - 1]["data"]["payload"]["task"]


def check_sequences(database, user, history, stored):
    """versions are the changes told, without a gap, in order, on both topics; what is gone was told to be gone."""
    gone = {row[0] for row in database.rows("SELECT id FROM todod.deleted_tasks WHERE user_id = %s", user)}
    assert set(history.told["task-events"]) == set(history.told["task-updates"]) == set(stored) | gone
    assert not set(stored) & gone
    for topic, tasks in history.told.items():
        for task_id, events in tasks.items():
            assert [e["data"]["sequence"] for e in events] == list(range(1, len(events) + 1)), (topic, task_id)
            if task_id in stored:
                assert stored[task_id]["version"] == len(events)
                assert stored[task_id] == without_channels(events[-1]["data"]["payload"]["task"], stored[task_id])
            elif topic == "task-events":
                assert events[-1]["type"] == "task.deleted"
    assert [e["data"]["sequence"] for e in history.preferences] == list(range(1, len(history.preferences) + 1))


def without_channels(task, like):
    """A reminder without channels of its own shows those the user prefers when it is looked at."""
    shown = {r["id"]: r["channels"] for r in like["reminders"]}
    return {**task, "reminders": [{**r, "channels": shown.get(r["id"], r["channels"])} for r in task["reminders"]]}


def check_reminders(database, user, history):
    """What is to fire is what was scheduled last, in that version; each version was told at most once, in order."""
    live = dict(database.rows("SELECT id::text, version FROM todod.reminders WHERE user_id = %s AND status <= 2", user))
    for reminder_id, events in history.reminders.items():
        versions = [e["data"]["sequence"] for e in events]
        assert versions == sorted(set(versions)), versions
        is_scheduled = events[-1]["type"] == "reminder.scheduled"
        assert live.get(reminder_id) == (versions[-1] if is_scheduled else None), reminder_id
    assert set(live) <= set(history.reminders)


def check_success(record, history):
    """Every 2xx: its effect was told by it, once, or by the first one of its key, or there was nothing to change."""
    mine = history.by_request[record.request_id]
    if record.replayed:
        assert not mine, record
        return
    if record.kind == "create":
        assert [e["type"] for e in mine if e["type"].startswith("task.")] == ["task.created", "task.state_changed"], record
    if record.kind in ("create", "update", "complete"):
        shown = {k: v for k, v in record.answer.items() if k != "next_occurrence"}
        assert shown == without_channels(history.task_at(shown["id"], shown["version"]), shown), record
    elif record.kind == "delete":
        assert [e["type"] for e in mine][:2] == ["task.deleted", "task.state_changed"], record
    elif record.kind == "remind" and mine:
        ids = [r["id"] for r in mine[0]["data"]["payload"]["task"]["reminders"]]
        wanted = record.answer["id"] if record.answer else record.path.rpartition("/")[2]
        assert (wanted in ids) is (record.method != "DELETE"), record
    elif record.kind == "prefer":
        assert len(mine) <= 1 and all(e["data"]["sequence"] == record.answer["version"] for e in mine), record
    elif record.kind in ("rename", "remove"):
        assert all(set(e["data"]["payload"]["changes"]) == {"tags"} for e in mine), record


def check_records(records, history):
    by_key = collections.defaultdict(list)
    for record in records:
        assert record.status in REFUSALS or record.status in (200, 201, 204), record
        if record.status in (200, 201, 204):
            check_success(record, history)
        elif record.kind not in ("rename", "remove"):  # a walk over tasks that others cut short has done a part of it
            assert not history.by_request[record.request_id], record
        if record.key and record.status < 300:
            by_key[record.method, record.path, record.key].append(record)
    for same in by_key.values():
        assert len({json.dumps(r.answer) for r in same}) == 1, same
        assert sum(not r.replayed for r in same) == 1, same
        assert sum(bool(history.by_request[r.request_id]) for r in same) <= 1, same


def test_five_thousand_writes_of_fifty_clients(daemon, connect_api, database, outbox):
    """FT10, EV4, EV10, SE11: versions, events, counters, tags and answers tell one history; no write is lost or done twice."""
    apis = [connect_api(daemon) for _ in range(USERS)]
    shared = [[] for _ in apis]
    clients = [Client(connect_api(daemon, apis[i % USERS].user), i, shared[i % USERS]) for i in range(CLIENTS)]
    assert threading.active_count() < CLIENTS
    in_parallel(CLIENTS, lambda i: [clients[i].write() for _ in range(WRITES)])
    counts = collections.Counter()
    for api in apis:
        for name in TAGS:  # a rename that was cut short is finished by whoever asks again
            api.request("DELETE", api.tag_path(name))
        history = History(outbox, api.user)
        records = [r for c in clients if c.api.user == api.user for r in c.records]
        check_sequences(database, api.user, history, {t["id"]: t for t in api.list()})
        check_reminders(database, api.user, history)
        check_records(records, history)
        check_joined(database, api.user)
        assert database.value("SELECT count(*) FROM todod.tags WHERE user_id = %s AND renaming_to IS NOT NULL", api.user) == 0
        counts.update(r.status for r in records)
        counts["events"] += len(history.events)
        counts["replayed"] += sum(r.replayed for r in records)
        counts["tasks"] += len(history.told["task-events"])
    assert sum(v for k, v in counts.items() if isinstance(k, int)) >= CLIENTS * WRITES
    assert min(counts[s] for s in (200, 201, 204, 404, 412)) > 0 and counts["replayed"] > 0, counts
    print(f"concurrency: {CLIENTS} clients, {sum(v for k, v in counts.items() if isinstance(k, int))} writes, "
          f"{counts['tasks']} tasks, {counts['events']} events, {counts['replayed']} replayed; "
          + ", ".join(f"{s}: {counts[s]}" for s in sorted(k for k in counts if isinstance(k, int))) + "; 0 differences")
