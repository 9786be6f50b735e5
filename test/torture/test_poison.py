# SPDX-License-Identifier: Apache-2.0
"""
Poison on the topics themselves, as a publisher would put it there, and what older publishers send: all the way through the
sidecar, on either stack. What the auditor alone makes of a delivery is in test/flow/test_auditor.py.
"""
import http.client
import json
import urllib.parse
import uuid

import pytest

from api_client import Api
from process import wait_until

TOPICS = ("task-events", "reminders")
SECONDS = 60


def make_event(user, task=1, sequence=1, kind="task.updated", **data):
    event_id = str(uuid.uuid4())
    whole = {"event_id": event_id, "event_type": kind, "user_id": user, "task_id": str(task),
             "timestamp": "2026-01-01T00:00:00Z", "sequence": sequence, "correlation_id": "torture", "causation_id": None,
             "metadata": {"source": "chat-api", "version": "v1"}, "payload": {"task_id": str(task), "word": f"good {sequence}"}, **data}
    return {"specversion": "1.0", "id": event_id, "source": "chat-api", "type": kind, "subject": str(task),
            "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json", "partitionkey": user,
            "data": {k: v for k, v in whole.items() if v is not KeyError}}


# name: what makes it, of the user and a good event of his that came before.
POISONS = {
    "not JSON": lambda user, good: b'{"id": poison of ' + user.encode(),
    "no object": lambda user, good: json.dumps(["poison", user]).encode(),
    "no event": lambda user, good: json.dumps({"poison": user}).encode(),
    "data of a wrong type": lambda user, good: {**make_event(user), "data": ["poison"]},
    "user of a wrong type": lambda user, good: make_event(user, user_id=5),
    "sequence of a wrong type": lambda user, good: make_event(user, sequence="many"),
    "no data": lambda user, good: {k: v for k, v in make_event(user).items() if k != "data"},
    "no user": lambda user, good: make_event(user, user_id=KeyError),
    "a version of the future": lambda user, good: make_event(user, metadata={"source": "chat-api", "version": "v2"}),
    "another user's": lambda user, good: {**make_event(user + "-other"), "partitionkey": user},
    "another event's id inside": lambda user, good: make_event(user, event_id=good["id"]),
    "a known id with other content": lambda user, good: {**good, "data": {**good["data"], "payload": {"task_id": "1", "word": "x"}}},
    "a known id of another user": lambda user, good: json.loads(json.dumps(good).replace(user, user + "-other")),
}


class Publisher:
    """chat-api's side of its sidecar."""

    def __init__(self, deployment):
        self.port = deployment.of("chat-api").api_port
        self.headers = {"dapr-api-token": deployment.tokens["chat-api"][0]}

    def publish(self, topic, key, body, content_type="application/cloudevents+json", **metadata):
        """Its status. Bytes go onto the topic as they are."""
        if isinstance(body, bytes):
            metadata["rawPayload"], content_type = "true", "application/octet-stream"
        else:
            body = json.dumps(body).encode()
        query = urllib.parse.urlencode({f"metadata.{k}": v for k, v in {"partitionKey": key, **metadata}.items()})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", f"/v1.0/publish/kafka-pubsub/{topic}?{query}", body,
                               {**self.headers, "Content-Type": content_type})
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def publisher(deployment):
    return Publisher(deployment)


@pytest.fixture
def api(deployment, request):
    """A client of a user of this test's own."""
    user = f"{request.node.name.translate(str.maketrans(' []', '---'))}-{uuid.uuid4().hex[:6]}"
    made = Api(deployment.of("chat-api"), deployment.token(user), user, None)
    yield made
    made.close()


def history(api):
    """Through chat-api, which asks auditor."""
    answer = api.get(f"/api/{api.user}/audit?limit=100")
    return answer.json if answer.status == 200 else None


def letters(deployment):
    done = deployment.command("dlq", "list")
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def shown(deployment, letter):
    """The record, as it lay on the topic."""
    done = deployment.command("dlq", "show", letter["id"])
    assert done.returncode == 0, done
    return done.stdout.partition("\n")[2]


def deliveries(deployment, event_id):
    return [e["result"] for e in deployment.of("auditor").log("event.consumed") if e.get("event_id") == event_id]


@pytest.mark.parametrize("topic", TOPICS)
def test_poison_is_dead_at_once_and_holds_up_nothing(deployment, publisher, api, topic):
    """EV12: each poison lies between good events of the same key. The good ones are all there, in order and alone; each poison is
    a dead letter after one delivery, with its bytes, and todod dlq list shows it; dropped, nothing is left."""
    user, good, poisons = api.user, [make_event(api.user)], {}
    assert publisher.publish(topic, user, good[0]) == 204
    wait_until("the first", lambda: history(api), SECONDS)
    for sequence, (name, make) in enumerate(POISONS.items(), 2):
        poisons[name] = make(user, good[0])
        assert publisher.publish(topic, user, poisons[name]) == 204
        good.append(make_event(user, sequence=sequence))
        assert publisher.publish(topic, user, good[-1]) == 204
    wait_until("all good ones", lambda: history(api) == [e["data"] for e in good], SECONDS)

    found = wait_until("all dead letters", lambda: len(found := letters(deployment)) >= len(POISONS) and found, SECONDS)
    records = [shown(deployment, letter) for letter in found]
    for name, poison in poisons.items():
        marks = [poison.decode()] if isinstance(poison, bytes) else [poison["id"], *(str(v) for v in poison.get("data", {}))]
        assert any(all(mark in record for mark in marks) for record in records), name
    assert {letter["topic"] for letter in found} == {topic} and len(found) == len(POISONS)
    for name, poison in poisons.items():
        # daprd itself refuses what is no event; the known id was delivered before, and was good then.
        if not isinstance(poison, bytes) and poison["id"] != good[0]["id"]:
            assert deliveries(deployment, poison["id"]) == ["invalid"], name
    assert sorted(deliveries(deployment, good[0]["id"])) == ["done", "invalid", "invalid"]

    for letter in found:
        assert deployment.command("dlq", "drop", letter["id"]).returncode == 0
    assert letters(deployment) == []


@pytest.mark.parametrize("topic", TOPICS)
def test_a_mebibyte(deployment, publisher, api, topic):
    """EV12: more than a record has room for is refused to its publisher; what just fits is a dead letter. What follows passes both."""
    larger, large = (make_event(api.user, payload={"x": "y" * n}) for n in (1024 * 1024, 1000 * 1000))
    good = make_event(api.user)
    assert publisher.publish(topic, api.user, larger) == 500
    assert publisher.publish(topic, api.user, large) == 204
    assert publisher.publish(topic, api.user, good) == 204
    wait_until("the good one", lambda: history(api) == [good["data"]], SECONDS)
    (letter,) = wait_until("a dead letter", lambda: letters(deployment), SECONDS)
    assert letter["event_id"] == large["id"] and "more than" in letter["reason"]
    assert deliveries(deployment, large["id"]) == ["invalid"]
    assert deployment.command("dlq", "drop", letter["id"]).returncode == 0


# name: (topic, CloudEvent type or None for plain JSON that the sidecar wraps, data), as the older specifications have it.
OLDER = {
    "TASK_COMPLETED, numbers": ("task-events", "TASK_COMPLETED",
                                {"event_type": "TASK_COMPLETED", "user_id": "{user}", "task_id": 7, "sequence": 1}),
    "completed with task_data": ("task-events", None, {"event_type": "completed", "task_id": 7, "user_id": "{user}", "task_data": {
        "id": 7, "title": "x"}, "timestamp": "2025-12-01T10:00:00Z"}),
    "everything in task_data": ("task-events", None, {"event_type": "created", "task_data": {"id": 7, "user_id": "{user}"}}),
    "flat, and of today": ("task-events", "task.created",
                           {"event_id": None, "event_type": "created", "user_id": "{user}", "task_id": "7", "title": "x"}),
    "payload that names the user": ("task-events", "task.updated", {"payload": {"user_id": "{user}", "task_id": "7"}}),
    "metadata of a number": ("task-events", "task.deleted", {"user_id": "{user}", "task_id": "7", "metadata": {"version": 1}}),
    "a reminder of old": ("reminders", None, {"task_id": 7, "title": "x", "due_at": "2025-12-01T10:00:00Z",
                                              "remind_at": "2025-12-01T09:00:00Z", "user_id": "{user}"}),
    "TASK_REMINDER_SET": ("reminders", "TASK_REMINDER_SET", {"event_type": "TASK_REMINDER_SET", "user_id": "{user}", "task_id": 7}),
    "a type and keys nobody knows": ("reminders", "task.invented", {"user_id": "{user}", "task_id": "7", "new": [1, {"a": None}]}),
}


def test_older_spellings_have_the_same_effect(deployment, publisher, api):
    """EV6, EV7: older publishers' types, shapes and numbers: each is a row of its user and task as one of today's is, with its
    data as it came."""
    sent = []
    for topic, kind, shape in OLDER.values():
        data = json.loads(json.dumps(shape).replace("{user}", api.user))
        if kind is None:
            assert publisher.publish(topic, api.user, data, content_type="application/json") == 204
        else:
            event = {**make_event(api.user, kind=kind), "data": data}
            assert publisher.publish(topic, api.user, event) == 204
        sent.append(data)
        wait_until(f"{data} is a row", lambda: history(api) == sent, SECONDS)
    assert api.get(f"/api/{api.user}/tasks/7/history").json == sent
    assert letters(deployment) == []
    done = deployment.command("audit", "verify", "--user", api.user)
    assert done.returncode == 0 and json.loads(done.stdout)["rows"] == len(OLDER)
