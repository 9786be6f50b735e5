# SPDX-License-Identifier: Apache-2.0
"""
auditor: deliveries as a sidecar posts them, each twice; poison; dead letters and their replay; history by
invocation; the commands over what it wrote.
"""
import base64
import contextlib
import http.client
import json
import re
import threading
import uuid

import psycopg2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

import process
from api_client import ops, sign
from conftest import pem_of, write_private
from database import Cluster, connect, url_of
from fake_sidecar import FakeSidecar
from process import wait_until

DATA_ERROR, USAGE, UNAVAILABLE, CONFIG = 65, 64, 69, 78
ROLES = ("todod_audit_writer", "todod_audit_checker", "todod_audit_eraser")


class Auditor:
    """The daemon, and a sidecar's side of it."""

    def __init__(self, database, make_daemon, tmp_path, sidecar=None):
        self.database = database
        for role in ROLES:
            database.let_log_in(role)
        self.kek = "5f" * 32
        self.pem = pem_of(ed25519.Ed25519PrivateKey.generate())
        self.kek_file = write_private(tmp_path / "kek", self.kek.encode())
        self.pem_file = write_private(tmp_path / "checkpoint.pem", self.pem)
        self.sidecar = sidecar or FakeSidecar()
        self.sidecar.secrets["audit"] = {"kek": self.kek, "checkpoint-key": self.pem.decode()}
        writer, checker, self.eraser_url = (url_of(database.cluster_url, database.name, role) for role in ROLES)
        self.urls = {"TODOD_DATABASE_URL": writer, "TODOD_AUDIT_CHECKER_URL": checker,
                     "TODOD_AUDIT_ERASER_URL": self.eraser_url}
        self.daemon = make_daemon(database, start=False, database__url=writer, audit__checker_url=checker,
                                  dapr__url=self.sidecar.url)
        self.daemon.role = "auditor"

    def start(self):
        self.daemon.start()
        self.port = self.daemon.wait_port("dapr")
        self.sidecar.apps["auditor"] = self.port
        return self

    def post(self, path, body, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", path, body, {"Content-Type": "application/cloudevents+json", **headers})
            response = connection.getresponse()
            response.read()
            return response.status

    def deliver(self, event, topic="task-events", times=2):
        """What each delivery was answered; all the same."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        codes = {self.post(f"/events/{topic}", body) for _ in range(times)}
        assert len(codes) == 1, codes
        return codes.pop()

    def bury(self, record, topic="task-events"):
        """As daprd delivers from a raw subscription: the bytes wrapped, the id random."""
        record = record if isinstance(record, bytes) else json.dumps(record).encode()
        wrapped = {"data_base64": base64.b64encode(record).decode(), "datacontenttype": "application/octet-stream",
                   "id": str(uuid.uuid4()), "source": "auditor", "specversion": "1.0", "type": "com.dapr.event.sent",
                   "topic": f"dlq.{topic}", "pubsubname": "kafka-pubsub"}
        assert self.post(f"/events/dlq.{topic}", json.dumps(wrapped)) == 200

    def tick(self, cron="cron-checkpoint"):
        assert self.post(f"/{cron}", None) == 200

    def get(self, path, token, caller="chat-api"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "dapr-caller-app-id": caller})
            response = connection.getresponse()
            body = response.read()
            return response.status, json.loads(body) if body else None

    def run(self, *args, kek=True, **env):
        keys = {"TODOD_AUDIT_KEK_FILE": self.kek_file, "TODOD_AUDIT_CHECKPOINT_KEY_FILE": self.pem_file} if kek else {}
        return process.run(*args, env={**self.urls, **keys, **env})

    def rows(self, user):
        return self.database.rows("SELECT n, event_id, topic, type, task_id, sequence FROM todod.audit "
                                  "WHERE user_id = %s ORDER BY n", user)

    def metric(self, name, labels=""):
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.ops_port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        m = re.search(rf"^{name}{re.escape(labels)} ([0-9.e+]+)$", text, re.M)
        return float(m[1]) if m else 0


@pytest.fixture(scope="module")
def audit_database(make_database):
    return make_database("audit")


@pytest.fixture(scope="module")
def auditor(audit_database, make_daemon, tmp_path_factory):
    made = Auditor(audit_database, make_daemon, tmp_path_factory.mktemp("auditor")).start()
    yield made
    made.daemon.stop()
    made.sidecar.stop()


def make_event(user, task=1, sequence=1, kind="task.updated", time="2026-01-01T00:00:00Z", **more):
    event_id = str(uuid.uuid4())
    data = {"event_id": event_id, "event_type": kind, "user_id": user, "task_id": str(task), "timestamp": time,
            "sequence": sequence, "correlation_id": "the-request", "causation_id": None,
            "metadata": {"source": "chat-api", "version": "v1"}, "payload": {"task_id": str(task), "title": "Käse 🧀"}}
    return {"specversion": "1.0", "id": event_id, "source": "chat-api", "type": kind, "subject": str(task), "time": time,
            "datacontenttype": "application/json", "partitionkey": user, "data": data, **more}


def rewritten(event):
    """The same after a broker: keys in another order and more of them, other escapes."""
    shuffled = dict(sorted({**event, "topic": "task-events", "pubsubname": "kafka-pubsub", "traceid": ""}.items()))
    return json.dumps(shuffled, indent=1).replace("<", "\\u003c").encode()


def test_each_event_once(auditor, new_user):
    """RL8: N operations make N rows, by event id, without a hole."""
    user = new_user()
    events = [make_event(user, task=1 + i % 3, sequence=i // 3 + 1) for i in range(12)]
    for event in events:
        assert auditor.deliver(event) == 200
        assert auditor.deliver(rewritten(event)) == 200
    reminder = make_event(user, kind="reminder.sent")
    assert auditor.deliver(reminder, topic="reminders") == 200
    rows = auditor.rows(user)
    assert [r[0] for r in rows] == list(range(1, 14))
    assert [r[1] for r in rows] == [e["id"] for e in [*events, reminder]]
    assert rows[-1][2:] == ("reminders", "reminder.sent", 1, 1)
    assert not any(e["title"].encode() in row[0].tobytes() for e in [{"title": "Käse"}]
                   for row in auditor.database.rows("SELECT payload FROM todod.audit WHERE user_id = %s", user))


def test_ids_and_correlation(auditor, new_user):
    """OB3: the request's id is in the auditor's line of its event."""
    event = make_event(new_user())
    event["data"]["correlation_id"] = "abc-" + event["id"]
    assert auditor.deliver(event, times=1) == 200
    wait_until("the line", lambda: [e for e in auditor.daemon.log("event.consumed")
                                    if e.get("correlation_id") == "abc-" + event["id"] and e["result"] == "done"])


@pytest.mark.parametrize("kind, data", [
    ("completed", {"event_type": "completed", "user_id": "{user}", "task_id": 5, "timestamp": "2026-01-01T00:00:00"}),
    ("TASK_COMPLETED", {"event_type": "TASK_COMPLETED", "user_id": "{user}", "task_id": "5", "task_data": {"id": 5}}),
    ("com.dapr.event.sent", {"event_type": "created", "task_data": {"id": 5, "user_id": "{user}", "title": "x"}}),
    ("task.invented", {"user_id": "{user}", "payload": {"task_id": "5"}, "sequence": "7", "unknown": [1, {"a": None}]}),
])
def test_older_spellings_and_unknown_types(auditor, new_user, kind, data):
    user = new_user()
    text = json.dumps(data).replace("{user}", user)
    event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "old", "type": kind, "data": json.loads(text)}
    assert auditor.deliver(event) == 200
    (row,) = auditor.rows(user)
    assert row[3] == kind and row[4] == 5


def poisons():
    def event(user, **data):
        made = make_event(user)
        for key, value in data.items():
            if value is KeyError:
                del made["data"][key]
            else:
                made["data"][key] = value
        return made

    return {
        "not JSON": lambda u: b"{\"id\":",
        "no object": lambda u: b"[1, 2]",
        "empty": lambda u: b"",
        "bad UTF-8": lambda u: json.dumps(make_event(u)).encode().replace(b"chat-api", b"\xff\xfe"),
        "data is a list": lambda u: {**make_event(u), "data": []},
        "no data": lambda u: {k: v for k, v in make_event(u).items() if k != "data"},
        "user is a number": lambda u: event(u, user_id=5),
        "sequence is a word": lambda u: event(u, sequence="many"),
        "no user": lambda u: event(u, user_id=KeyError),
        "empty user": lambda u: event(u, user_id=""),
        "no id": lambda u: {**make_event(u), "id": ""},
        "no type": lambda u: {k: v for k, v in make_event(u).items() if k != "type"},
        "CloudEvents 2.0": lambda u: {**make_event(u), "specversion": "2.0"},
        "version v2": lambda u: event(u, metadata={"source": "chat-api", "version": "v2"}),
        "1 MiB": lambda u: event(u, payload={"x": "y" * 1024 * 1024}),
        "id of 300 bytes": lambda u: {**make_event(u), "id": "x" * 300},
        "another user's": lambda u: {**make_event(u), "partitionkey": "somebody else"},
        "another id inside": lambda u: event(u, event_id=str(uuid.uuid4())),
    }


@pytest.mark.parametrize("name", poisons())
def test_poison_is_refused_at_once(auditor, new_user, name):
    """EV12: 422 is a dead letter at once; it is visible, holds nothing up and is not replayed."""
    user = new_user()
    poison = poisons()[name](user)
    body = poison if isinstance(poison, bytes) else json.dumps(poison).encode()
    if body:  # a request without a body has another answer than a bad body
        assert auditor.deliver(body) == 422
    assert auditor.rows(user) == []
    auditor.bury(body)
    auditor.bury(body)
    ((letter, reason, next_replay),) = auditor.database.rows(
        "SELECT id, reason, next_replay_at FROM todod.dead_letters WHERE body = %s", psycopg2.Binary(body))
    assert reason and next_replay is None
    shown = auditor.run("dlq", "show", letter)
    assert shown.returncode == 0 and json.loads(shown.stdout.splitlines()[0])["reason"] == reason
    refused = auditor.run("dlq", "replay", letter)
    assert refused.returncode == DATA_ERROR and "no event" in refused.stderr
    assert auditor.run("dlq", "drop", letter).returncode == 0
    assert auditor.run("dlq", "drop", letter).returncode == DATA_ERROR
    assert auditor.deliver(make_event(user)) == 200


def test_a_known_id_with_other_content_is_refused_and_counted(auditor, new_user):
    """AR11"""
    user, other = new_user(), new_user()
    event = make_event(user)
    assert auditor.deliver(event) == 200
    before = auditor.metric("todod_audit_refused_total")
    changed = json.loads(json.dumps(event))
    changed["data"]["payload"]["title"] = "something else"
    assert auditor.deliver(changed) == 422
    stolen = json.loads(json.dumps(event).replace(user, other))
    assert auditor.deliver(stolen) == 422
    assert auditor.metric("todod_audit_refused_total") == before + 4
    assert len(auditor.rows(user)) == 1 and auditor.rows(other) == []
    assert auditor.deliver(event) == 200


def locked_out(auditor):
    return auditor.database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def deliver_together(auditor, deliveries):
    """[(event, topic)] -> their answers. The table is locked until all but the two that write wait for their turn. They come one by one,
    as what they read first must not stand behind a statement that waits for the lock."""
    answers = {}

    def deliver(n, event, topic):
        answers[n] = auditor.deliver(event, topic=topic, times=1)

    threads = [threading.Thread(target=deliver, args=(n, *d)) for n, d in enumerate(deliveries)]
    with contextlib.closing(psycopg2.connect(auditor.database.url)) as lock:
        lock.cursor().execute("LOCK TABLE todod.audit IN SHARE MODE")
        for n, thread in enumerate(threads):
            thread.start()
            wait_until("it waits", lambda k=n + 1: locked_out(auditor) == min(k, 2) and
                       ops(auditor.daemon, "/debug/fibers")[1].count("audit.turn") == max(k - 2, 0))
    for thread in threads:
        thread.join()
    return [answers[n] for n in range(len(deliveries))]


def transactions(auditor, users):
    return auditor.database.value("SELECT count(DISTINCT xmin::text) FROM todod.audit WHERE user_id = ANY(%s) AND n > 1", users)


def test_users_share_a_transaction(auditor, new_user):
    """What waits is written together, each row in its own user's chain; two of one user one after the other."""
    users = [new_user() for _ in range(20)]
    for user in users:
        assert auditor.deliver(make_event(user)) == 200
    deliveries = [(make_event(user, sequence=2), "task-events") for user in users]
    deliveries += [(make_event(user, kind="reminder.sent"), "reminders") for user in users[:5]]
    assert deliver_together(auditor, deliveries) == [200] * 25
    assert [[row[0] for row in auditor.rows(user)] for user in users] == [[1, 2, 3]] * 5 + [[1, 2]] * 15
    assert transactions(auditor, users) < 25
    assert auditor.run("audit", "verify").returncode == 0


def test_one_row_that_is_refused_takes_no_other_along(auditor, new_user):
    """A transaction that fails at one row is done again row by row."""
    users = [new_user() for _ in range(16)]
    first = {user: make_event(user) for user in users}
    for event in first.values():
        assert auditor.deliver(event, times=1) == 200
    refused, known = make_event(users[3], sequence=2), first[users[7]]
    refused["id"] = refused["data"]["event_id"] = first[users[0]]["id"]
    deliveries = [(make_event(user, sequence=2), "task-events") for user in users if user not in (users[3], users[7])]
    answers = deliver_together(auditor, [*deliveries, (refused, "task-events"), (known, "task-events")])
    assert answers == [200] * 14 + [422, 200]
    assert [len(auditor.rows(user)) for user in users] == [1 if user in (users[3], users[7]) else 2 for user in users]
    assert auditor.run("audit", "verify").returncode == 0


def test_gaps_are_counted(auditor, new_user):
    user = new_user()
    before = auditor.metric("todod_audit_gaps_total")
    for sequence in (1, 2, 5, 4, 6):
        assert auditor.deliver(make_event(user, task=77, sequence=sequence)) == 200
    assert auditor.deliver(make_event(user, task=78, sequence=2)) == 200
    assert auditor.metric("todod_audit_gaps_total") == before + 3
    wait_until("a line", lambda: [e for e in auditor.daemon.log("audit.gap") if e["task_id"] == 77 and e["last"] == 2])


def test_history_by_invocation(auditor, new_user, signing_key):
    """RL9, RL10: the whole history of a task, for its user alone."""
    user, other = new_user(), new_user()
    events = [make_event(user, task=1 + i % 2, sequence=i // 2 + 1) for i in range(7)]
    for event in events:
        assert auditor.deliver(event, times=1) == 200
    token, stranger = sign(signing_key, user), sign(signing_key, other)
    assert auditor.get(f"/api/{user}/audit", token) == (200, [e["data"] for e in events])
    assert auditor.get(f"/api/{user}/tasks/2/history", token) == (200, [e["data"] for e in events[1::2]])
    assert auditor.get(f"/api/{user}/audit?limit=2&after={events[2]['id']}", token) == (200, [e["data"] for e in events[3:5]])
    assert auditor.get(f"/api/{other}/tasks/2/history", stranger) == (200, [])
    assert auditor.get(f"/api/{user}/tasks/2/history", stranger)[0] == 403
    assert auditor.get(f"/api/{user}/audit", "x")[0] == 401
    assert auditor.get(f"/api/{other}/audit?after={events[0]['id']}", stranger)[0] == 422
    assert auditor.get(f"/api/{user}/audit?limit=0", token)[0] == 422
    assert auditor.get(f"/api/{user}/tasks/x/history", token)[0] == 404


def test_history_through_chat_api(auditor, make_daemon, new_user, signing_key, connect_api, database):
    api_daemon = make_daemon(database, dapr__url=auditor.sidecar.url)
    api = connect_api(api_daemon)
    events = [make_event(api.user, task=3, sequence=i + 1) for i in range(3)]
    for event in events:
        assert auditor.deliver(event, times=1) == 200
    assert api.get(f"/api/{api.user}/tasks/3/history").json == [e["data"] for e in events]
    assert api.get(f"/api/tasks/3/history?limit=1").json == [events[0]["data"]]
    assert api.get(f"/api/{api.user}/audit?after={events[1]['id']}").json == [events[2]["data"]]
    assert api.get(f"/api/{api.user}/audit?after=unknown").status == 422
    assert api.get(f"/api/{api.user}/tasks/0/history").status == 404
    port = auditor.sidecar.apps.pop("auditor")
    assert api.get(f"/api/{api.user}/audit").status == 503
    auditor.sidecar.apps["auditor"] = port
    api_daemon.stop()


def replay_now(auditor, letter):
    """As if the time had come."""
    auditor.database.rows("UPDATE todod.dead_letters SET next_replay_at = now() WHERE id = %s", letter)
    auditor.database.rows("DELETE FROM todod.leases")
    auditor.tick()


def test_a_dead_letter_is_replayed_until_its_event_is_there(auditor, new_user):
    """AR11, EV12: stored as it came, published again with the same id and data after 1, 10, 60 minutes; OB3: told under its request's id."""
    user = new_user()
    event = make_event(user)
    auditor.bury(event)
    auditor.bury(rewritten(event))
    ((letter, due),) = auditor.database.rows("""SELECT id, next_replay_at - received_at FROM todod.dead_letters
        WHERE event_id = %s""", event["id"])
    assert due.total_seconds() == 60
    auditor.tick()
    assert auditor.sidecar.events(user) == []
    for replays, minutes in ((1, 10), (2, 60), (3, None)):
        replay_now(auditor, letter)
        ((n, wait),) = auditor.database.rows("SELECT replays, next_replay_at - now() FROM todod.dead_letters WHERE id = %s",
                                             letter)
        assert n == replays
        assert wait is None if minutes is None else 0 < minutes * 60 - wait.total_seconds() < 30
    published = [e for t, key, e in auditor.sidecar.entries if key == user]
    assert published == [event] * 3
    for msg, n in (("dead_letter.stored", 2), ("dead_letter.replayed", 3)):
        told = wait_until(msg, lambda m=msg, k=n: len(f := [e for e in auditor.daemon.log(m) if e["event_id"] == event["id"]]) == k and f)
        assert {e.get("correlation_id") for e in told} == {"the-request"}
    listed = [json.loads(line) for line in auditor.run("dlq", "list").stdout.splitlines()]
    assert [line["replays"] for line in listed if line["event_id"] == event["id"]] == [3]
    assert auditor.run("dlq", "replay", letter).returncode == 0
    auditor.database.rows("DELETE FROM todod.leases")
    auditor.tick()
    assert len([1 for t, key, e in auditor.sidecar.entries if key == user]) == 4
    assert auditor.deliver(published[-1]) == 200
    assert event["id"] not in auditor.run("dlq", "list").stdout
    assert len(auditor.rows(user)) == 1
    # It dies again elsewhere: open again, and its replays are counted on.
    auditor.bury(event)
    assert auditor.database.rows("SELECT replays, resolved_at FROM todod.dead_letters WHERE event_id = %s",
                                 event["id"]) == [(4, None)]
    auditor.run("dlq", "drop", letter)


def test_replays_that_come_back_before_they_are_told_to_be_published(auditor, new_user):
    """A broker delivers when it likes: whoever asks then must know already that these are replays."""
    events = [make_event(new_user()) for _ in range(5)]
    for event in events:
        auditor.bury(event)
    ids = tuple(e["id"] for e in events)
    auditor.sidecar.deliver = lambda topic, taken: [auditor.deliver(e, topic=topic) for e in taken]
    try:
        auditor.database.rows("UPDATE todod.dead_letters SET next_replay_at = now() WHERE event_id IN %s", ids)
        auditor.database.rows("DELETE FROM todod.leases")
        auditor.tick()
    finally:
        auditor.sidecar.deliver = None
    assert auditor.database.rows("SELECT event_id FROM todod.dead_letters WHERE event_id IN %s AND resolved_at IS NULL", ids) == []


def test_one_that_the_broker_refuses_holds_nothing_up(auditor, new_user):
    refused, taken = new_user(), new_user()
    letters = {}
    for user, topic in ((refused, "reminders"), (taken, "task-events")):
        event = make_event(user)
        auditor.bury(event, topic=topic)
        letters[user] = auditor.database.value("SELECT id FROM todod.dead_letters WHERE event_id = %s", event["id"])
    auditor.sidecar.forbidden.add("reminders")
    auditor.database.rows("UPDATE todod.dead_letters SET next_replay_at = now() WHERE id = %s", letters[refused])
    replay_now(auditor, letters[taken])
    auditor.sidecar.forbidden.clear()
    assert len(auditor.sidecar.events(taken)) == 1
    assert auditor.database.value("SELECT replays FROM todod.dead_letters WHERE id = %s", letters[refused]) == 1
    auditor.bury(make_event(taken, kind="task.state_changed"), topic="task-updates")
    assert auditor.database.value("SELECT count(*) FROM todod.dead_letters WHERE topic = 'task-updates' "
                                  "AND next_replay_at IS NULL") == 1
    for letter in auditor.database.rows("SELECT id FROM todod.dead_letters"):
        assert auditor.run("dlq", "drop", letter[0]).returncode == 0
    done = auditor.run("dlq", "list")
    assert done.returncode == 0 and done.stdout == "", "nothing is nothing"


@pytest.mark.parametrize("others", [0, 1], ids=["all fail", "one of two fails"])
def test_a_replay_that_the_broker_does_not_take_is_none(auditor, new_user, others):
    """It is due again a minute later, with all its tries."""
    users = [new_user() for _ in range(1 + others)]
    letters = []
    for user in users:
        event = make_event(user)
        auditor.bury(event)
        letters.append(auditor.database.value("SELECT id FROM todod.dead_letters WHERE event_id = %s", event["id"]))
    auditor.sidecar.failing_keys.add(users[0])
    auditor.database.rows("UPDATE todod.dead_letters SET next_replay_at = now() WHERE id = ANY (%s::uuid[])", letters)
    auditor.database.rows("DELETE FROM todod.leases")
    assert auditor.post("/cron-checkpoint", None) == 503
    auditor.sidecar.failing_keys.clear()
    rows = dict(auditor.database.rows("SELECT id, replays FROM todod.dead_letters WHERE id = ANY (%s::uuid[])", letters))
    assert [rows[letter] for letter in letters] == [0] + [1] * others
    assert 0 < auditor.database.value("SELECT extract(epoch FROM next_replay_at - now()) FROM todod.dead_letters WHERE id = %s",
                                      letters[0]) <= 60
    replay_now(auditor, letters[0])
    assert [len(auditor.sidecar.events(user)) for user in users] == [1] * len(users)
    for letter in letters:
        assert auditor.run("dlq", "drop", letter).returncode == 0


def test_upkeep_removes_what_is_30_days_old(auditor, new_user):
    for age in ("31 days", "29 days"):
        event = make_event(new_user())
        auditor.bury(event)
        auditor.database.rows("UPDATE todod.dead_letters SET received_at = now() - %s::interval WHERE event_id = %s",
                              age, event["id"])
    old = auditor.database.value("SELECT id FROM todod.dead_letters WHERE received_at < now() - interval '30 days'")
    refused = auditor.run("dlq", "replay", old)
    assert refused.returncode == DATA_ERROR and "30 days" in refused.stderr
    auditor.tick("cron-upkeep")
    assert auditor.database.value("SELECT count(*) FROM todod.dead_letters") == 1
    assert auditor.metric("todod_dead_letters_open") >= 1
    auditor.database.rows("DELETE FROM todod.dead_letters")


def test_verify_export_erase(auditor, new_user):
    """RL9: what a superuser edits is named, with an exit code; export and erasure."""
    user = new_user()
    events = [make_event(user, sequence=i + 1) for i in range(5)]
    for event in events:
        assert auditor.deliver(event, times=1) == 200
    auditor.database.rows("DELETE FROM todod.leases")
    auditor.tick()
    auditor.tick()
    done = auditor.run("audit", "verify")
    assert done.returncode == 0, done
    summary = json.loads(done.stdout)
    assert summary["faults"] == 0 and summary["rows"] >= 5 and summary["checkpoints"] >= 1
    assert summary["payloads_opened"] and summary["signatures_checked"]
    logged = [e for e in auditor.daemon.log("audit.checkpoint")]
    assert logged[-1]["sha256"] == summary["last_checkpoint"]

    exported = auditor.run("audit", "export", "--user", user)
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert exported.returncode == 0 and [e["data"] for e in lines] == [e["data"] for e in events]
    assert [e["n"] for e in lines] == [1, 2, 3, 4, 5]

    auditor.database.rows("""ALTER TABLE todod.audit DISABLE TRIGGER ALL;
        UPDATE todod.audit SET type = 'task.deleted' WHERE user_id = %s AND n = 3""", user)
    for args in (("--user", user), ()):
        done = auditor.run("audit", "verify", *args, kek=False)
        assert done.returncode == DATA_ERROR
        assert json.loads(done.stdout.splitlines()[0]) == {"fault": "changed", "user": user, "n": 3}
    auditor.database.rows("""UPDATE todod.audit SET type = 'task.updated' WHERE user_id = %s AND n = 3;
        ALTER TABLE todod.audit ENABLE TRIGGER ALL;
        ALTER TABLE todod.audit ENABLE ALWAYS TRIGGER append_only;
        ALTER TABLE todod.audit ENABLE ALWAYS TRIGGER append_only_rows""", user)
    assert auditor.run("audit", "verify", "--user", user).returncode == 0

    auditor.bury(make_event(user))
    done = auditor.run("audit", "erase", "--user", user)
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == {"user": user, "keys_destroyed": 1, "dead_letters_dropped": 1}
    assert auditor.run("audit", "verify").returncode == 0
    lines = [json.loads(line) for line in auditor.run("audit", "export", "--user", user).stdout.splitlines()]
    assert [e["data"] for e in lines[:5]] == [None] * 5 and lines[5]["type"] == "erased"
    # The daemon, which still remembers the key, makes a new one.
    assert auditor.deliver(make_event(user, sequence=6)) == 200
    lines = [json.loads(line) for line in auditor.run("audit", "export", "--user", user).stdout.splitlines()]
    assert [e["key_version"] for e in lines] == [1] * 5 + [0, 2] and lines[6]["data"]["sequence"] == 6
    assert auditor.run("audit", "verify").returncode == 0


def test_a_tick_makes_one_checkpoint(auditor, new_user):
    """However many events come in while it does: they are the next one's."""
    users, stopped = [new_user() for _ in range(4)], threading.Event()

    def deliver(user):
        sequence = 0
        while not stopped.is_set():
            sequence += 1
            assert auditor.deliver(make_event(user, sequence=sequence), times=1) == 200

    threads = [threading.Thread(target=deliver, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    try:
        auditor.database.rows("DELETE FROM todod.leases")
        for _ in range(3):
            before = auditor.database.value("SELECT count(*) FROM todod.audit_checkpoints")
            auditor.tick()
            assert auditor.database.value("SELECT count(*) FROM todod.audit_checkpoints") <= before + 1
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    auditor.tick()
    done = auditor.run("audit", "verify")
    assert done.returncode == 0 and json.loads(done.stdout)["heads"] >= len(users)


def test_by_the_owner_alone(auditor, new_user):
    """One URL, that of `todod migrate`, is enough."""
    env = {"TODOD_DATABASE_MIGRATE_URL": auditor.database.url, "TODOD_AUDIT_KEK_FILE": auditor.kek_file}
    assert auditor.deliver(make_event(new_user())) == 200
    assert process.run("audit", "verify", env=env).returncode == 0
    assert process.run("dlq", "list", env=env).returncode == 0


@pytest.mark.parametrize("args, code, word", [
    (("audit",), USAGE, "verify, export, erase"), (("audit", "change"), USAGE, "change"),
    (("audit", "export"), USAGE, "--user"), (("audit", "erase"), USAGE, "--user"),
    (("audit", "verify", "now"), USAGE, "now"), (("dlq",), USAGE, "list, show, replay, drop"),
    (("dlq", "show"), USAGE, "ID"), (("dlq", "list", "x"), USAGE, "ID"), (("dlq", "show", "x"), USAGE, "ID"),
    (("dlq", "show", str(uuid.uuid4())), DATA_ERROR, "no such"),
    (("dlq", "replay", str(uuid.uuid4())), DATA_ERROR, "no such"),
    (("audit", "export", "--user", "x", "--audit.kek_file="), CONFIG, "audit.kek_file"),
    (("audit", "verify", "--audit.kek_file=/nowhere"), CONFIG, "/nowhere"),
])
def test_what_the_commands_refuse(auditor, args, code, word):
    done = auditor.run(*args)
    assert done.returncode == code, done
    assert word in done.stderr and done.stdout == ""


def test_commands_without_a_database(auditor):
    assert process.run("audit", "verify").returncode == CONFIG
    done = process.run("dlq", "list", env={"TODOD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"})
    assert done.returncode == UNAVAILABLE and "cannot be reached" in done.stderr


def test_start_without_its_secrets(audit_database, make_daemon, tmp_path):
    """SE9, DP12: the keys come from the secret store and nowhere else."""
    other = Auditor(audit_database, make_daemon, tmp_path)
    other.sidecar.secrets["audit"] = {"kek": "short", "checkpoint-key": other.pem.decode()}
    for missing in (False, True):
        if missing:
            other.sidecar.secrets.clear()
        other.daemon.start_and_fail = None
        with pytest.raises(AssertionError, match="audit/kek"):
            other.daemon.start()
        other.daemon.process = None
    other.sidecar.stop()


def test_a_database_that_is_away(make_database, make_daemon, tmp_path, new_user):
    """A delivery waits for the database, and is a 503 when it does not come; then it is stored, once."""
    cluster = Cluster("auditor-away").start()
    try:
        audited = Auditor(make_database("away", url=cluster.url), make_daemon, tmp_path).start()
        user = new_user()
        event = make_event(user)
        assert audited.deliver(event) == 200
        audited.database.close()
        cluster.stop()
        late = make_event(user, sequence=2)
        assert audited.deliver(late, times=1) == 503
        cluster.restart()
        wait_until("it is stored", lambda: audited.deliver(late, times=1) == 200)
        assert [r[1] for r in audited.rows(user)] == [event["id"], late["id"]]
        audited.daemon.stop()
        audited.sidecar.stop()
        audited.database.close()
    finally:
        cluster.remove()
