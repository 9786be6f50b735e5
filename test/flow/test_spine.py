# SPDX-License-Identifier: Apache-2.0
"""
The spine as one: chat-api, the embedded sidecar and auditor as processes on a PostgreSQL of their own. What happens to an event between
the request and the audit trail, and what does not.
"""
import collections
import concurrent.futures
import datetime
import json
import os
import re
import sys

import psycopg2
import pytest

from api_client import Api
from database import url_of
from event_schemas import validate, validate_records
from process import BINARY, ROOT, run, wait_until
from sidecar_host import Api as SidecarApi

sys.path.insert(0, os.path.join(ROOT, "test", "tools"))
import components  # noqa: E402
import deployment  # noqa: E402

DATA_ERROR = 65
TOPICS = {"task-events", "reminders", "task-updates"}
KINDS = {
    "task-events": {"task.created", "task.updated", "task.completed", "task.reopened", "task.deleted", "preferences.changed"},
    "reminders": {"reminder.scheduled", "reminder.cancelled"}, "task-updates": {"task.state_changed"}}


@pytest.fixture(scope="module")
def spine():
    with deployment.Deployment("embedded", "spine", binary=BINARY, say=lambda *_: None) as d:
        yield d
        assert validate_records(d.database) > 0


@pytest.fixture
def connect(spine, new_user):
    """A function: a new user's client of chat-api."""
    made = []

    def make():
        user = new_user()
        made.append(Api(spine.of("chat-api"), spine.token(user), user, None))
        return made[-1]

    yield make
    for api in made:
        api.close()


def sidecar_api(spine, role):
    return SidecarApi(spine.of(role).api_port, spine.tokens[role][0])


def published(spine, user):
    """[(topic, partition, event)] of a user, as they lie at the broker, in order for each topic."""
    rows = spine.database.rows("SELECT topic, part, convert_from(body, 'UTF8') FROM sidecar.records WHERE key = %s ORDER BY topic, pos",
                               user)
    return [(topic, part, json.loads(text)) for topic, part, text in rows]


def trail(spine, user):
    return spine.database.rows("SELECT n, event_id, topic, type, task_id, sequence, encode(h, 'hex') FROM todod.audit WHERE user_id = %s "
                               "ORDER BY n", user)


def all_arrived(spine, *users):
    """The outbox is empty, and each event that auditor keeps is in the trail of its user."""
    database = spine.database
    for user in users:
        wait_until(f"{user} has nothing in the outbox", lambda u=user: database.value(
            "SELECT count(*) FROM todod.outbox WHERE user_id = %s", u) == 0)
        wanted = {e["id"] for topic, _, e in published(spine, user) if topic != "task-updates"}
        wait_until(f"the trail of {user}", lambda u=user, w=wanted: {row[1] for row in trail(spine, u)} >= w)


def live(api):
    """Each thing that can happen to a task, with a reminder, a tag that is renamed, and preferences."""
    api.prefer(time_zone="Europe/Berlin", locale="de")
    task = api.create("Käse 🧀", due_date="2099-01-05T10:00:00Z", tags=["home"])
    api.update(task, title="Brot")
    assert api.request("PATCH", api.tag_path("home"), {"name": "house"}).status == 200
    api.complete(task)
    api.complete(task)
    assert api.delete(task).status == 204
    return task


CONSUMERS = ("recurrer", "notifier", "auditor")


def soon():
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)).isoformat()


def ask_for_effects(api):
    """A completed task that recurs, and a task whose reminder is all but due."""
    done = api.create("daily", due_date="2099-01-05T10:00:00Z", recurrence_rule="FREQ=DAILY", reminders=[])
    assert api.complete(done).status == 200
    api.create("due", due_date=soon())


def effects(spine, user):
    """How often there is a next instance, an event of it, word of the reminder, and a reminder of which that is known."""
    kinds = collections.Counter(row[3] for row in trail(spine, user))
    return (spine.database.value("SELECT count(*) FROM todod.tasks WHERE user_id = %s AND title = 'daily' AND NOT completed", user),
            kinds["task.recurred"], kinds["reminder.sent"],
            spine.database.value("SELECT count(*) FROM todod.reminders WHERE user_id = %s AND sent_at IS NOT NULL", user))


def wait_effects(spine, *users):
    for user in users:
        wait_until(f"what follows for {user}", lambda u=user: min(effects(spine, u)) > 0)
    all_arrived(spine, *users)
    for user in users:
        assert effects(spine, user) == (1, 1, 1, 1)


def test_every_kind_of_event_at_the_broker(spine, connect):
    """EV1, EV5, EV8, EV9: what chat-api publishes goes to three topics under the user's key, fits its schema, and says which event it is,
    of what kind, about what, of whom and when."""
    api = connect()
    task = live(api)
    all_arrived(spine, api.user)
    found = published(spine, api.user)
    kinds = collections.defaultdict(set)
    for topic, _, event in found:
        validate(topic, event)
        data = event["data"]
        kinds[topic].add(event["type"])
        assert event["id"] == data["event_id"] and event["type"] == data["event_type"] and event["time"] == data["timestamp"]
        assert data["user_id"] == event["partitionkey"] == api.user
        assert data["metadata"] == {"source": event["source"], "version": "v1"} and event["source"] == "chat-api"
        assert data["task_id"] == (None if event["type"] == "preferences.changed" else str(task["id"]))
    assert kinds == KINDS
    assert len({event["id"] for _, _, event in found}) == len(found)
    assert len({part for _, part, _ in found}) == 1, "one user, one partition of each topic"
    reminder = next(e for topic, _, e in found if topic == "reminders")
    assert {"reminder_id", "task_id", "remind_at", "due_date", "title", "version"} <= reminder["data"]["payload"].keys()


def test_every_operation_is_a_row_of_the_trail(spine, connect):
    """RL8: each event of a task and of its reminders is in the trail, once, in order, without a hole."""
    api = connect()
    task = live(api)
    all_arrived(spine, api.user)
    rows = trail(spine, api.user)
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    for topic in ("task-events", "reminders"):
        assert [row[1] for row in rows if row[2] == topic] == [e["id"] for t, _, e in published(spine, api.user) if t == topic]
    changes = [row for row in rows if row[2] == "task-events" and row[4] == task["id"]]
    assert [row[5] for row in changes] == list(range(1, len(changes) + 1))
    assert not {row[2] for row in rows} - {"task-events", "reminders"}
    assert spine.metrics("auditor")["todod_audit_gaps_total"] == 0
    told = api.get(api.at("audit")).json
    assert [e["event_id"] for e in told] == [row[1] for row in rows]


def test_a_request_leaves_lines_in_every_role(spine, connect):
    """OB2, OB3: one line for an event that is published and one by each role that consumes it, with its id; the sidecar between them says the same."""
    sidecar = spine.of("sidecar")
    sidecar.config["log.level"] = "debug"
    spine.restart("sidecar")
    spine.wait_ready()
    api = connect()
    api.create("t", headers={"X-Request-Id": "every-role"})
    all_arrived(spine, api.user)
    event_id = trail(spine, api.user)[0][1]

    wanted = {("chat-api", "event.published", None), ("sidecar", "sidecar.published", None),
              *(("sidecar", "sidecar.delivered", role) for role in ("recurrer", "notifier", "auditor")),
              *((role, "event.consumed", None) for role in ("recurrer", "notifier", "auditor"))}

    def lines():
        found = [(e["role"], e["msg"], e.get("group"), e["correlation_id"]) for role in (*spine.descriptions, "sidecar")
                 for e in spine.of(role).log() if e.get("event_id") == event_id]
        return len(found) >= len(wanted) and found

    assert sorted(wait_until("a line each", lines), key=str) == sorted(((*line, "every-role") for line in wanted), key=str)


def older_shapes():
    with open(os.path.join(ROOT, "docs", "events", "README.md"), encoding="utf-8") as f:
        return [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", f.read(), re.M | re.S)]


@pytest.mark.parametrize("shape", older_shapes(), ids=lambda s: s.get("event_type", "reminder"))
def test_events_of_older_shapes(spine, new_user, shape):
    """EV6, EV7: what docs/events/README.md shows of other publishers, published as plain JSON or as a CloudEvent of their kind, is a row
    of the trail for the user and the task that it is about."""
    user = new_user()
    body = json.loads(json.dumps(shape).replace('"ann"', json.dumps(user)))
    side = sidecar_api(spine, "chat-api")
    own_id = body.get("event_id")
    ways = [{"content_type": "application/json", **({"cloudevent.id": own_id} if own_id else {})}]
    if not own_id:
        body_event = {"specversion": "1.0", "id": f"old-{user}", "source": "old", "type": body.get("event_type", "old"), "data": body}
        ways.append({"body": body_event})
    for way in ways:
        assert side.publish("reminders" if "remind_at" in body else "task-events", way.pop("body", body), key=user, **way).status == 204
    rows = wait_until("rows", lambda: len(found := trail(spine, user)) == len(ways) and found)
    assert {row[4] for row in rows} == {123}
    if own_id:
        assert rows[0][1] == own_id
    told = spine.command("audit", "export", "--user", user).stdout.splitlines()
    assert [json.loads(line)["data"] for line in told] == [body] * len(ways)


# ---- who may what, and who talks to whom ----

def test_a_role_may_what_it_needs(spine):
    """EV1, SE9: publishing anywhere but to its own topics is refused, and makes no topic; so is every secret but its own."""
    for role in ("chat-api", "auditor"):
        side, scopes = sidecar_api(spine, role), dict(s.split("/", 1)[1].split("=", 1) for s in components.scopes_of(role))
        others = {*TOPICS, *(f"dlq.{t}" for t in TOPICS), "task-recurrence", "x"} - set(scopes["publish"].split())
        for topic in others:
            answer = side.publish(topic, {}, key="k")
            assert answer.status == 403 and json.loads(answer.body)["errorCode"] == "ERR_PUBSUB_FORBIDDEN", (role, topic, answer)
        for name in {"audit", "todod-chat-api", "todod-auditor", "todod-notifier", "database"} - set(scopes["secrets"].split()):
            answer = side.call("GET", f"secrets/secrets/{name}")
            assert answer.status == 403 and json.loads(answer.body)["errorCode"] == "ERR_PERMISSION_DENIED", (role, name, answer)
    assert set(json.loads(sidecar_api(spine, "auditor").call("GET", "secrets/secrets/audit").body)) == {"kek", "checkpoint-key"}
    topics = {row[0] for row in spine.database.rows("SELECT DISTINCT topic FROM sidecar.records")}
    assert topics <= set(components.topics())


def subscribed(description):
    return {(s["topic"], s.get("deadLetterTopic"), s.get("metadata", {}).get("rawPayload") == "true")
            for s in description["subscriptions"]}


def test_who_subscribes_to_what(spine):
    """EV2: task-events is published by chat-api and what recurs by recurrer; who reads it reads it; what a role's sidecar knows is what
    --describe says."""
    described = {role: subscribed(json.loads(run(f"--role={role}", "--describe").stdout)) for role in (*spine.descriptions, "sidecar")}
    events = {("task-events", "dlq.task-events", False), ("reminders", "dlq.reminders", False)}
    assert described == {"chat-api": set(), "sidecar": set(), "recurrer": events, "notifier": events,
                         "auditor": events | {(f"dlq.{t}", None, True) for t in TOPICS}}
    for role in spine.descriptions:
        known = json.loads(sidecar_api(spine, role).call("GET", "metadata").body)["subscriptions"]
        assert {(s["topic"], s.get("deadLetterTopic") or None) for s in known} == {d[:2] for d in described[role]}


def inodes_of(pid):
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            m = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            continue
        if m:
            found.add(m[1])
    return found


def connections_of(pid):
    """(local port, address and port of the other end) of each TCP connection that a process has."""
    inodes, found = inodes_of(pid), set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as f:
            for line in f.readlines()[1:]:
                words = line.split()
                if words[9] in inodes and words[3] == "01":
                    found.add((int(words[1].split(":")[1], 16), words[2].split(":")[0], int(words[2].split(":")[1], 16)))
    return found


def test_roles_know_nobody_but_their_sidecar(spine, connect):
    """AR2: beside those who call it, a role is connected to its sidecar and, by a Unix socket, to PostgreSQL; to no broker and to no role."""
    api = connect()
    own = {role: {spine.of(role).port, spine.of(role).ops_port, spine.of(role).callback_port} for role in spine.descriptions}
    seen = {role: set() for role in own}

    def look():
        for role, ports in own.items():
            seen[role] |= {c for c in connections_of(spine.of(role).pid) if c[0] not in ports}
        return seen["chat-api"] and seen["notifier"] and seen["auditor"]

    for _ in range(20):
        api.create("t", due_date=soon())
        look()
    all_arrived(spine, api.user)
    assert api.get(api.at("audit")).status == 200
    # auditor calls its sidecar for its keys when it starts, and to replay dead letters.
    spine.restart("auditor")
    wait_until("they were seen calling", look)
    for role, connections in seen.items():
        assert {(address, port) for _, address, port in connections} <= {("0100007F", spine.of(role).api_port)}, role
    assert {role: d["needs"] for role, d in spine.descriptions.items()} == {
        "chat-api": ["database", "auth", "dapr"], "auditor": ["database", "auth", "dapr"], "recurrer": ["database", "dapr"],
        "notifier": ["dapr", "smtp"]}


def test_background_work_needs_no_invocation(spine, connect):
    """AR7: nobody may call anybody: what is asked for in the request fails, what happens after it does not."""
    sidecar = spine.of("sidecar")
    scopes = sidecar.config["sidecar.scopes"]
    api = connect()
    try:
        sidecar.config["sidecar.scopes"] = scopes.replace("chat-api/invoke=auditor", "chat-api/invoke=")
        assert sidecar.config["sidecar.scopes"] != scopes
        spine.restart("sidecar")
        spine.wait_ready()
        live(api)
        ask_for_effects(api)
        wait_effects(spine, api.user)
        assert api.get(api.at("audit")).status == 503
    finally:
        sidecar.config["sidecar.scopes"] = scopes
        spine.restart("sidecar")
        spine.wait_ready()
    assert len(api.get(api.at("audit")).json) == len(trail(spine, api.user))


# ---- producers without consumers, consumers that die ----

def test_producers_do_not_wait_for_consumers(spine, connect):
    """AR8, AR9: without consumers all writes succeed and nothing of their work is done; when they come they have everything, in order."""
    for role in CONSUMERS:
        spine.of(role).stop()
    apis = [connect() for _ in range(8)]

    def write(api):
        task = api.create("t")
        ask_for_effects(api)
        return [api.put(task, title=f"{n}").status for n in range(24)]

    with concurrent.futures.ThreadPoolExecutor(len(apis)) as pool:
        statuses = [status for found in pool.map(write, apis) for status in found]
    assert statuses == [200] * 24 * len(apis)
    for api in apis:
        wait_until("all is at the broker", lambda a=api: spine.database.value(
            "SELECT count(*) FROM todod.outbox WHERE user_id = %s", a.user) == 0)
        assert trail(spine, api.user) == [] and effects(spine, api.user) == (0, 0, 0, 0)
        assert not spine.database.rows("SELECT key FROM sidecar.state WHERE key LIKE %s", f"%{api.user}%")
    assert spine.database.value("SELECT count(*) FROM todod.dead_letters") == 0
    for role in CONSUMERS:
        spine.of(role).start()
    wait_effects(spine, *(api.user for api in apis))
    for api in apis:
        first = [row for row in trail(spine, api.user) if row[2] == "task-events"][0]
        assert [row[5] for row in trail(spine, api.user) if (row[2], row[4]) == ("task-events", first[4])] == list(range(1, 26))
    assert spine.metrics("auditor")["todod_audit_gaps_total"] == 0


def test_everything_twice_and_the_consumer_killed(spine, connect):
    """AR10, FL3: consumers are killed while events come, and then each event of the topics is delivered to each once more: nothing is in
    the trail twice, missing, or another than before; each next instance and each reminder is one. What a consumer has seen is in the
    database; its memory is gone with each kill."""
    apis = [connect() for _ in range(4)]
    tasks = [api.create("t") for api in apis]
    for n in range(5):
        for api, task in zip(apis, tasks):
            for k in range(4):
                assert api.put(task, title=f"{n} {k}").status == 200
            if n == 2:
                ask_for_effects(api)
        for role in CONSUMERS:
            spine.kill(role)
            spine.of(role).start()
    users = [api.user for api in apis]
    wait_effects(spine, *users)
    before = {user: trail(spine, user) for user in users}
    for task, rows in zip(tasks, before.values()):
        assert [row[5] for row in rows if (row[2], row[4]) == ("task-events", task["id"])] == list(range(1, 22))
    spine.of("sidecar").stop()
    assert spine.database.rows("UPDATE sidecar.progress SET next_pos = 0 WHERE consumer_group IN %s RETURNING topic", CONSUMERS)
    spine.of("sidecar").start()
    spine.wait_ready()
    events = spine.database.value("SELECT count(*) FROM sidecar.records WHERE topic IN ('task-events', 'reminders')")
    for role in CONSUMERS:
        wait_until(f"each came to {role} again", lambda r=role: sum(v for name, v in spine.metrics("sidecar").items() if re.match(
            rf'todod_sidecar_delivered_total\{{topic="(task-events|reminders)",group="{r}"\}}', name)) >= events)
    assert {user: trail(spine, user) for user in users} == before
    assert {effects(spine, user) for user in users} == {(1, 1, 1, 1)}
    assert spine.database.value("SELECT count(*) = count(DISTINCT event_id) FROM todod.audit")
    assert spine.database.value("SELECT count(*) FROM todod.dead_letters") == 0
    assert json.loads(spine.command("audit", "verify").stdout)["faults"] == 0


# ---- what is kept ----

def database_roles(spine):
    return sorted(d["role"] for role in ("chat-api", "recurrer", "auditor", "sidecar") for d in spine.database_roles(role))


CHANGES = ["UPDATE todod.audit SET type = 'x'", "UPDATE todod.audit SET h = '\\x00' WHERE n = 1", "DELETE FROM todod.audit",
           "DELETE FROM todod.audit WHERE false", "TRUNCATE todod.audit", "TRUNCATE todod.audit CASCADE",
           "UPDATE todod.audit_checkpoints SET heads = ''", "DELETE FROM todod.audit_checkpoints", "TRUNCATE todod.audit_checkpoints",
           "ALTER TABLE todod.audit DISABLE TRIGGER ALL", "DROP TABLE todod.audit"]


def attempt(url, user, *statements):
    """None, or the error, of statements in one transaction, in the name of a user."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT set_config('app.user_id', %s, true)", (user,))
            for statement in statements:
                cursor.execute(statement)
        return None
    except psycopg2.Error as e:
        return e
    finally:
        connection.close()


def test_nobody_changes_the_trail(spine, connect):
    """RL9: no service can change, remove or truncate, also not as if it were replication; a superuser can only by switching the triggers
    off, and then verify ends with another code and names the row."""
    api = connect()
    live(api)
    all_arrived(spine, api.user)
    before = trail(spine, api.user)
    for role in database_roles(spine):
        url = url_of(spine.database.url, "todod", role)
        for change in CHANGES:
            assert isinstance(attempt(url, api.user, change), psycopg2.errors.InsufficientPrivilege), (role, change)
        assert isinstance(attempt(url, api.user, "SET session_replication_role = replica"),
                          psycopg2.errors.InsufficientPrivilege), role
    for change in CHANGES[:9]:
        for replication in ("origin", "replica", "local"):
            refused = attempt(spine.database.url, api.user, f"SET session_replication_role = {replication}", change)
            assert isinstance(refused, psycopg2.errors.RestrictViolation), (change, replication, refused)
    assert trail(spine, api.user) == before
    assert spine.command("audit", "verify", "--user", api.user).returncode == 0

    edit = f"UPDATE todod.audit SET type = %s WHERE user_id = '{api.user}' AND n = 2"
    off, on = "ALTER TABLE todod.audit DISABLE TRIGGER ALL", [
        f"ALTER TABLE todod.audit ENABLE ALWAYS TRIGGER {t}" for t in ("append_only", "append_only_rows")]
    assert attempt(spine.database.url, api.user, off, edit % "'task.deleted'", *on) is None
    for arguments in ((), ("--user", api.user)):
        done = spine.command("audit", "verify", *arguments)
        assert done.returncode == DATA_ERROR
        assert json.loads(done.stdout.splitlines()[0]) == {"fault": "changed", "user": api.user, "n": 2}
    assert attempt(spine.database.url, api.user, off, edit % f"'{before[1][3]}'", *on) is None
    assert spine.command("audit", "verify").returncode == 0


def test_the_largest_events(spine, connect):
    """FL1: part: an event has at most a small part of the 1 MiB that a broker takes, also when all of a task changes at once and every
    character takes four bytes, or six in JSON."""
    api = connect()
    for filler in ("\U0001d4d0", "\u001f", '"'):
        text = "x" + filler * 998 + "x"
        def whole(k):
            return {"title": text[:199] + "x", "description": text, "due_date": f"209{k}-01-01T00:00:00Z", "priority": "high",
                    "tags": [f"{k}{n:02}" + "\U0001d4d0" * 47 for n in range(20)], "recurrence_rule": "FREQ=DAILY;INTERVAL=" + str(k),
                    "reminders": [{"offset_minutes": n + k, "channels": ["email", "in_app", "log"]} for n in range(10)]}
        answer = api.request("POST", api.tasks, whole(1))
        if answer.status != 201:  # a control character is none of a title's
            assert filler == "\u001f" and answer.status == 422
            continue
        assert api.put(answer.json, **whole(2)).status == 200
    all_arrived(spine, api.user)
    largest = max(len(json.dumps(event, ensure_ascii=False).encode()) for _, _, event in published(spine, api.user))
    assert 20 * 1024 < largest < 128 * 1024


def days(text):
    return int(text[:-1]) * {"d": 1, "h": 1 / 24}[text[-1]]


def test_topics_are_those_of_the_table(spine, connect):
    """FL2: part: the embedded sidecar keeps to dapr-components/topics: 12 partitions for 7 days, dead letters in one for 30."""
    with open(os.path.join(ROOT, "dapr-components", "topics"), encoding="utf-8") as f:
        table = {words[0]: (int(words[1]), days(words[2])) for words in map(str.split, f) if words and words[0] != "#"}
    assert set(table) == {*TOPICS, *(f"dlq.{t}" for t in TOPICS)}
    keys = {k["name"]: k["default"] for k in json.loads(run("--role=sidecar", "--describe").stdout)["configuration"]}
    for topic, (partitions, retention) in table.items():
        is_dead = topic.startswith("dlq.")
        assert partitions == (1 if is_dead else 12)
        assert retention == days(keys["sidecar.dead_retention" if is_dead else "sidecar.retention"]) == (30 if is_dead else 7)
    api = connect()
    api.create("t")
    for n in range(100):
        assert sidecar_api(spine, "chat-api").publish("dlq.task-updates", b"{}", key=f"{n}").status == 204
        assert sidecar_api(spine, "chat-api").publish("task-updates", b"{}", key=f"{n}").status == 204
    used = dict(spine.database.rows("SELECT topic, array_agg(DISTINCT part ORDER BY part) FROM sidecar.records GROUP BY topic"))
    assert used["task-updates"] == list(range(12)) and used["dlq.task-updates"] == [0]
    assert spine.database.value("SELECT count(*) = 0 FROM sidecar.records WHERE topic IN ('task-events', 'reminders') AND key <> "
                                "convert_from(body, 'UTF8')::jsonb -> 'data' ->> 'user_id'")
