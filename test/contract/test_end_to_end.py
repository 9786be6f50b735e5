# SPDX-License-Identifier: Apache-2.0
"""
todod's own roles beside each sidecar: chat-api, and auditor three times. From the write of a task to its row in the audit trail, what
becomes of records that are no events, and what may never show on the way.
"""
import base64
import concurrent.futures
import http.client
import json
import os
import uuid

import pytest

import components  # of test/tools
import deployment
from app import wait_until
from client import Client, new_event
from conftest import versions
from embedded import BINARY
from real_stack import Missing

AUDITORS = 3
USER = "demo"
EVENTS = ("task-events", "reminders", "task-updates")


@pytest.fixture(scope="module")
def deployed(request):
    """The roles, running."""
    stack = {"real": "dapr", "embedded": "embedded"}[request.param]
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    try:
        made = deployment.Deployment(stack, "contract", {"auditor": AUDITORS}, binary=BINARY, say=reporter.write_line)
    except Missing as e:
        versions.setdefault(request.param, [f"not run: {e}"])
        pytest.skip(f"{request.param} was not run: {e}")
    with made:
        yield made


class Api:
    """chat-api, as a user calls it."""

    def __init__(self, deployed):
        self.address = deployed.url().partition("//")[2]
        self.token = deployed.token(USER)

    def __call__(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request(method, f"/api/{USER}{path}", None if body is None else json.dumps(body), {
                "Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


@pytest.fixture
def api(deployed):
    return Api(deployed)


@pytest.fixture
def publisher(deployed):
    """The sidecar of chat-api, called with its token."""
    return sidecar_of(deployed, "chat-api")


def sidecar_of(deployed, role, number=0):
    return Client(f"http://127.0.0.1:{deployed.of(role, number).api_port}", deployed.tokens[role][0])


def new_id():
    return "contract-" + uuid.uuid4().hex


def lines_of(deployed, role, correlation_id):
    """What all processes of a role logged under an id."""
    return [line for number in range(deployed.counts[role]) for line in deployed.of(role, number).log()
            if line.get("correlation_id") == correlation_id]


def dead_letters(deployed, topic):
    """{bytes of the record: (id, event id, whether it will be replayed)}"""
    rows = deployed.database.rows("SELECT body, id::text, event_id, next_replay_at IS NOT NULL FROM todod.dead_letters WHERE topic = %s", topic)
    return {bytes(body): (letter, event_id, is_replayed) for body, letter, event_id, is_replayed in rows}


def tick(deployed, number):
    """As if the cron binding fired on an instance of auditor."""
    connection = http.client.HTTPConnection("127.0.0.1", deployed.of("auditor", number).callback_port, timeout=60)
    try:
        connection.request("POST", "/cron-checkpoint", b"", {"dapr-api-token": deployed.tokens["auditor"][1]})
        return connection.getresponse().status
    finally:
        connection.close()


def test_write_to_trail(deployed, api, note):
    """From the write of a task to its row in the audit trail, under one correlation id in every log line on the way

    OB3.
    """
    correlation_id, asking = new_id(), new_id()
    status, headers, body = api("POST", "/tasks", {"title": "Buy milk", "due_date": "2031-05-06T07:08:09Z"}, **{"X-Request-Id": correlation_id})
    assert status == 201 and headers["X-Request-Id"] == correlation_id
    task = json.loads(body)["id"]

    def history():
        status, headers, body = api("GET", f"/tasks/{task}/history", **{"X-Request-Id": asking})
        assert status == 200 and headers["X-Request-Id"] == asking
        return {event["event_type"]: event for event in json.loads(body)}

    events = wait_until("task and reminder are in the trail", lambda: len(history()) == 2 and history())
    assert {event["correlation_id"] for event in events.values()} == {correlation_id}
    rows = deployed.database.rows("SELECT event_id, topic, type FROM todod.audit WHERE user_id = %s AND task_id = %s", USER, task)
    assert set(rows) == {(events["task.created"]["event_id"], "task-events", "task.created"),
                         (events["reminder.scheduled"]["event_id"], "reminders", "reminder.scheduled")}

    found = {}

    def lines(msg, *roles):
        """The last of each event: what comes twice is told twice."""
        return {line["event_id"]: line for role in roles for line in lines_of(deployed, role, correlation_id) if line["msg"] == msg}

    def is_told():
        # recurrer publishes as long as it has not heard of a relay of chat-api.
        found.update(published=lines("event.published", "chat-api", "recurrer"), consumed=lines("event.consumed", "auditor"))
        return (len(found["published"]), len(found["consumed"])) == (3, 2)

    # The task, its reminder, and the update for screens; the last one is for nobody here.
    wait_until(lambda: f"all events are published and consumed; there are {found}", is_told)
    published, consumed = list(found["published"].values()), list(found["consumed"].values())
    assert {line["topic"] for line in published} == set(EVENTS)
    assert {line["event_id"] for line in consumed} == {line["event_id"] for line in published if line["topic"] != "task-updates"}
    assert {line["result"] for line in consumed} == {"done"} and all(int(line["offset"]) >= 0 for line in consumed)
    trace, = {line["trace_id"] for line in [*published, *consumed]}
    request, = [line for line in lines_of(deployed, "chat-api", correlation_id) if line["msg"] == "http.request"]
    assert request["trace_id"] == trace and request["route"] == "createTask"
    # The question went from role to role under its own id.
    assert {line["route"] for line in lines_of(deployed, "auditor", asking)} == {"taskHistory"}
    verified = deployed.command("audit", "verify", "--user", USER)
    assert verified.returncode == 0 and json.loads(verified.stdout.splitlines()[-1])["faults"] == 0, verified
    note(f"{consumed[0]['took_us'] / 1000:.0f} ms in auditor")


def test_subscriptions_of_roles(deployed):
    """What the sidecar of a role knows of its subscriptions is what the role's table says, with dead letters

    DP15.
    """
    for role, description in deployed.descriptions.items():
        for number in range(deployed.counts[role]):
            told = {(s["topic"], s.get("deadLetterTopic") or None) for s in description["subscriptions"]}
            known = {(s["topic"], s.get("deadLetterTopic") or None)
                     for s in sidecar_of(deployed, role, number).metadata().get("subscriptions") or []}
            assert known == told, role


@pytest.mark.parametrize("garbage", [b"no json", b"", b"[1]", b"{\"id\":", b"\x00\xff\xfe\r\n bytes"],
                         ids=["text", "nothing", "array", "torn", "bytes"])
def test_garbage(deployed, publisher, garbage, note):
    """A record that is no event is a dead letter with its own bytes, which can be seen and not replayed

    EV12.
    """
    record = garbage and garbage + new_id().encode() if not garbage.startswith(b"[") else b'["' + new_id().encode() + b'"]'
    answer = publisher.call("POST", "/v1.0/publish/kafka-pubsub/task-events?metadata.rawPayload=true&metadata.partitionKey=x", record,
                            {"Content-Type": "application/octet-stream"})
    assert answer.status == 204, answer
    wait_until(f"{record!r} is kept", lambda: record in dead_letters(deployed, "task-events"))
    letter, event_id, is_replayed = dead_letters(deployed, "task-events")[record]
    assert event_id is None and not is_replayed
    shown = deployed.command("dlq", "show", letter)
    assert shown.returncode == 0 and letter in deployed.command("dlq", "list").stdout
    assert deployed.command("dlq", "replay", letter).returncode == 65
    assert deployed.command("dlq", "drop", letter).returncode == 0
    assert record not in dead_letters(deployed, "task-events")
    if not record:
        note("also one of no bytes")


def test_poison(deployed, publisher, api):
    """An event that no user can have is a dead letter at once, and holds nothing up"""
    event = new_event(data={"event_id": "x", "task_id": "1"})
    assert publisher.publish("task-events", event, USER).status == 204
    _, _, body = api("POST", "/tasks", {"title": "after the poison"})
    found = wait_until("it is kept", lambda: [(record, row) for record, row in dead_letters(deployed, "task-events").items()
                                              if event["id"].encode() in record])
    record, (letter, event_id, is_replayed) = found[0]
    kept = json.loads(record)
    assert {k: kept[k] for k in event} == event and event_id == event["id"] and not is_replayed
    wait_until("what came after it is in the trail", lambda: json.loads(api("GET", f"/tasks/{json.loads(body)['id']}/history")[2]))
    assert deployed.command("dlq", "drop", letter).returncode == 0


def test_replay_once(deployed, api):
    """A dead letter that can be read is replayed once, however many instances tick at once, and is in the trail once

    EV12, DP9.
    """
    _, _, body = api("POST", "/tasks", {"title": "to be replayed"})
    task = json.loads(body)["id"]
    wait_until("it is in the trail", lambda: json.loads(api("GET", f"/tasks/{task}/history")[2]))
    data = json.loads(api("GET", f"/tasks/{task}/history")[2])[0]
    # The same again, as another event, which only ever was a dead letter. Its time is one that a replay may come after.
    event_id = str(uuid.uuid4())
    event = new_event(event_id, subject=str(task), type="task.updated",
                      data={**data, "event_id": event_id, "event_type": "task.updated", "sequence": 2,
                            "timestamp": "2026-01-02T03:04:05.678901Z"})
    assert sidecar_of(deployed, "auditor").publish("dlq.task-events", event, USER).status == 204

    def letters():
        return [row for record, row in dead_letters(deployed, "task-events").items() if event_id.encode() in record]

    letter, known_id, is_replayed = wait_until("it is kept", letters)[0]
    assert known_id == event_id and is_replayed
    assert deployed.command("dlq", "replay", letter).returncode == 0
    with concurrent.futures.ThreadPoolExecutor(10 * AUDITORS) as pool:
        assert set(pool.map(lambda n: tick(deployed, n % AUDITORS), range(10 * AUDITORS))) == {200}

    def rows():
        return deployed.database.rows("SELECT n FROM todod.audit WHERE event_id = %s", event_id)

    wait_until("it is in the trail", rows)
    wait_until("its letter is done with", lambda: deployed.database.value(
        "SELECT resolved_at IS NOT NULL FROM todod.dead_letters WHERE id = %s::uuid", letter))
    assert len(rows()) == 1
    assert deployed.database.value("SELECT replays FROM todod.dead_letters WHERE id = %s::uuid", letter) == 1
    assert deployed.database.value("SELECT count(*) = count(DISTINCT seq) FROM todod.audit_checkpoints")


def records(deployed, topic):
    """(key, body) of what lies in a topic, as the broker has it."""
    if deployed.stack == "dapr":
        return deployed.real.records(topic)
    rows = deployed.database.rows("SELECT key, body FROM sidecar.records WHERE topic = %s", topic)
    return [((key or "null").encode(), bytes(body)) for key, body in rows]


def test_what_lies_in_topics(deployed, api):
    """Each event names its user, who is the key of its record; no token or key lies in a topic, a log or an environment

    EV14, EV15, DP12.
    """
    secret = "canary-" + uuid.uuid4().hex
    assert api("POST", "/tasks", {"title": "Canary", "reminders": []}, Authorization=f"Bearer {secret}")[0] == 401
    status, _, body = api("POST", "/tasks", {"title": "Canary", "due_date": "2031-01-01T00:00:00Z"}, Cookie=f"session={secret}")
    assert status == 201
    task = json.loads(body)["id"]
    wait_until("it is in the trail", lambda: json.loads(api("GET", f"/tasks/{task}/history")[2]))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = dict(pool.map(lambda topic: (topic, records(deployed, topic)), components.topics()))
    for topic in EVENTS:
        events = [(key.decode(), json.loads(record)["data"]) for key, record in found[topic] if b'"source":"chat-api"' in record]
        assert events, topic
        assert {(key, data["user_id"]) for key, data in events} == {(USER, USER)}, topic
    with open(deployed.kek_file, encoding="ascii") as f:
        kek = f.read().strip()
    with open(deployed.checkpoint_key_file, encoding="ascii") as f:
        checkpoint_key = f.read().splitlines()[1]
    hidden = [secret, api.token, kek, checkpoint_key, *(token for pair in deployed.tokens.values() for token in pair)]
    seen = {topic: b"\n".join(body for _, body in rows) for topic, rows in found.items()}
    for directory, _, names in os.walk(deployed.directory):
        for name in names:
            if name.startswith(("stdout", "stderr")) or name.endswith(".log"):
                with open(os.path.join(directory, name), "rb") as f:
                    seen[name] = f.read()
    for instance in deployed.instances:
        seen[f"metrics of {instance.name}"] = deployment.ops(instance, "/metrics")[1].encode()
        for what in ("environ", "cmdline"):
            with open(f"/proc/{instance.pid}/{what}", "rb") as f:
                seen[f"{what} of {instance.name}"] = f.read()
    assert not [(where, value) for where, text in seen.items() for value in hidden if value.encode() in text]
    assert base64.b64encode(kek.encode()) not in b"".join(seen.values())
