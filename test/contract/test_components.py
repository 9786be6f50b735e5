# SPDX-License-Identifier: Apache-2.0
"""
dapr-components/local as it stands, beside apps with the names of todod's roles: who may publish, subscribe, call and read
what. The embedded sidecar is told the same by its configuration.
"""
import base64
import json
import uuid

import pytest

from app import App, wait_until
import components  # of test/tools
import deployment
from client import new_event
from embedded import BINARY

CRONS = {"recurrer": {"cron-reminder", "cron-upkeep"}, "auditor": {"cron-checkpoint", "cron-upkeep"},
         "chat-api": set(), "notifier": set(), "ws-gateway": set()}
STATE = {"chat-api", "notifier"}
SUBSCRIBES = {"chat-api": ["task-updates"], "notifier": ["task-events", "reminders"], "recurrer": ["task-events", "reminders"],
              "auditor": ["task-events", "reminders"], "ws-gateway": ["task-updates"]}
PUBLISHES = {"chat-api": {"task-events", "reminders", "task-updates"}, "recurrer": {"task-events", "reminders", "task-updates"},
             "notifier": {"reminders", "task-updates"}, "auditor": {"task-events", "reminders"}, "ws-gateway": set()}


def test_files_agree_with_the_binary():
    """DP7, DP15: what a role subscribes to and which crons it has is what dapr-components/local lets it"""
    for role, described in deployment.roles_of(BINARY).items():
        metadata = components.metadata_of("kafka-pubsub")
        subscribed = {s["topic"] for s in described["subscriptions"]}
        assert {s["pubsubname"] for s in described["subscriptions"]} <= {"kafka-pubsub"}, role
        assert subscribed <= set(components.listed(metadata["subscriptionScopes"], role)), role
        for subscription in described["subscriptions"]:
            is_dead = subscription["topic"].startswith("dlq.")
            assert subscription.get("deadLetterTopic") == (None if is_dead else f"dlq.{subscription['topic']}"), role
            assert subscription.get("metadata") == ({"rawPayload": "true"} if is_dead else None), role
        assert {binding.split("/")[1].split("=")[0] for binding in components.crons_of(role)} == set(described["crons"]), role


@pytest.fixture(scope="module")
def roles(backend):
    """{role: (app, side)}"""
    backend.topics(components.topics())
    made = {}
    for role, topics in SUBSCRIBES.items():
        app = App(role)
        for topic in topics:
            app.subscribe(topic, f"dlq.{topic}")
        if role == "auditor":
            for topic in ("task-events", "reminders", "task-updates"):
                app.subscribe(f"dlq.{topic}", raw=True)
        app.start()
        made[role] = (app, backend.role_sidecar(role, app))
    for _, side in made.values():
        side.start()
    yield made
    backend.stop_sidecars([side for _, side in made.values()])
    for app, _ in made.values():
        app.stop()


def test_components_of_a_role(roles):
    """dapr-components/local: each role sees its components and no others"""
    for role, (_, side) in roles.items():
        wanted = {"kafka-pubsub", "secrets"} | CRONS[role] | ({"statestore"} if role in STATE else set())
        assert {c["name"] for c in side.metadata()["components"]} == wanted, role


def test_publishing(roles):
    """dapr-components/local: a role publishes to its topics; others are 403"""
    for role, (_, side) in roles.items():
        for topic in ("task-events", "reminders", "task-updates"):
            answer = side.publish(topic, new_event(), "user-1")
            assert answer.status == (204 if topic in PUBLISHES[role] else 403), (role, topic, answer)


def test_subscribing(roles):
    """dapr-components/local: a role gets the topics it subscribes to; a new group from the oldest on"""
    event, reminder, update = (new_event() for _ in range(3))
    publisher = roles["chat-api"][1]
    for topic, one in (("task-events", event), ("reminders", reminder), ("task-updates", update)):
        assert publisher.publish(topic, one, "user-1").status == 204
    for role, topics in SUBSCRIBES.items():
        for topic in topics:
            one = {"task-events": event, "reminders": reminder, "task-updates": update}[topic]
            roles[role][0].wait(f"/events/{topic}", 1, where=lambda r, i=one["id"]: i.encode() in r.body)


def test_groups(backend, roles):
    """dapr-components/local: each role is a consumer group of its own

    EV13.
    """
    assert set(roles) <= backend.groups() and {g for g in backend.groups() if not g.startswith("contract-")} == set(roles)


def test_dead_letter(roles):
    """dapr-components/local: what a role refuses reaches auditor as a dead letter"""
    for role in ("recurrer", "notifier", "auditor"):
        event = new_event(type=f"poison.{role}")
        roles[role][0].on("/events/reminders", lambda r, i=event["id"]: 422 if i.encode() in r.body else 200)
        assert roles["chat-api"][1].publish("reminders", event, "user-1").status == 204
        from_dead = roles["auditor"][0]
        wait_until(f"the dead letter of {role}", lambda i=event["id"]: any(
            i.encode() in base64.b64decode(e["data_base64"])
            for e in from_dead.events("/events/dlq.reminders")))


CALLBACKS = ["/job/x", "/events/task-events", "/cron-upkeep", "/dapr/subscribe"]
API = ["/api/x/tasks", "/api/x/history", "/mcp", "/openapi.json", "/.well-known/oauth-protected-resource"]
MAY_CALL = {("ws-gateway", "chat-api"): API, ("chat-api", "auditor"): ["/api/x/tasks", "/api/x/history"]}


def test_calling(roles, note):
    """dapr-components/local: ws-gateway calls chat-api's API, chat-api calls auditor's; nobody else calls anybody"""
    for caller, (_, side) in roles.items():
        for callee in set(roles) - {caller}:
            granted = MAY_CALL.get((caller, callee), [])
            for path in granted or [*API, *CALLBACKS]:
                answer = side.invoke(callee, path, "POST", {})
                assert answer.status == (200 if granted else 403), (caller, callee, path, answer)
    denied = roles["recurrer"][1].invoke("chat-api", "/api/x/tasks")
    note(f"denied: {denied.status} {denied.code}")


def test_calling_callbacks(roles, differs):
    """dapr-components/local: who may call an API may not call callbacks"""
    differs("embedded", "it knows who may call whom, not which paths; a role's own listener refuses callbacks that name a caller")
    for (caller, callee), granted in MAY_CALL.items():
        for path in [*CALLBACKS, *(set(API) - set(granted))]:
            answer = roles[caller][1].invoke(callee, path, "POST", {})
            assert answer.status == 403, (caller, callee, path, answer)


def test_calls_are_not_repeated(roles):
    """dapr-components/local: a call whose answer got lost is not made a second time"""
    for method in ("POST", "PATCH"):
        path = f"/api/{uuid.uuid4()}/complete"
        roles["chat-api"][0].on(path, lambda r: None)
        answer = roles["ws-gateway"][1].invoke("chat-api", path, method, {})
        assert answer.status == 500 and answer.code == "ERR_DIRECT_INVOKE", answer
        assert len(roles["chat-api"][0].to(path)) == 1


def test_calling_around(roles, note):
    """dapr-components/local: a path that leads out of what is allowed reaches no callback"""
    app, side = roles["chat-api"][0], roles["ws-gateway"][1]
    for path in ("/api/../job/x", "/api/%2e%2e/job/x", "/api/..%2fjob/x", "/api//../job/x", "/API/../job/x"):
        mark = uuid.uuid4().hex
        answer = side.invoke("chat-api", f"{path}?mark={mark}", "POST", {})
        seen = [r.path.split("?")[0] for r in app.requests if mark in r.path]
        note(f"{path}: {answer.status}" + (f", callee sees {seen[0]}" if seen else ""))
        assert not [p for p in seen if p.startswith("/job")], (path, answer)


def test_secrets_of_a_role(roles):
    """dapr-components/local: a role reads its own secret; another's is 403

    DP12.
    """
    assert roles["notifier"][1].secret("todod-notifier").json == {"smtp.password": "of notifier"}
    assert roles["auditor"][1].secret("todod-auditor").json == {"key": "of auditor"}
    for role in ("chat-api", "notifier"):
        assert roles[role][1].secret("email").json == {"link-key": "of links"}
    assert roles["notifier"][1].secret("smtp").json == {"password": "of the mail server"}
    for role, name in (("notifier", "todod-auditor"), ("ws-gateway", "todod-notifier"), ("chat-api", "contract"), ("chat-api", "smtp"),
                       ("auditor", "email"), ("recurrer", "email"), ("ws-gateway", "email")):
        assert roles[role][1].secret(name).status == 403


def test_state_of_a_role(roles):
    """dapr-components/local: notifier and chat-api have state; the others have no store"""
    for role, (_, side) in roles.items():
        assert side.state_put("u/1/contact", role).status == (204 if role in STATE else 500), role
    assert {role: json.loads(roles[role][1].state_get("u/1/contact").body) for role in STATE} == {r: r for r in STATE}


def test_cron_of_a_role(roles):
    """dapr-components/local: cron-reminder comes to recurrer, and only there

    DP7.
    """
    roles["recurrer"][0].wait("/cron-reminder", 1)
    assert not [r for role in set(roles) - {"recurrer"} for r in roles[role][0].to("/cron-reminder")]


def test_no_warnings(roles, differs):
    """dapr-components/local: every file is loaded"""
    differs("embedded", "it reads its own configuration, and ends with a reason where that is wrong")
    for role, (_, side) in roles.items():
        with open(side.process.log_path, encoding="utf-8") as f:
            bad = [line for line in f if "error when parsing" in line or (".yaml was detected" in line) or '"level":"fatal"' in line]
        assert not bad, (role, bad)
