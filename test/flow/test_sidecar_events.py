# SPDX-License-Identifier: Apache-2.0
"""The embedded sidecar's broker: order, groups, retries, dead letters, nothing lost over kill -9."""
import base64
import json

import pytest

from process import wait_until
from sidecar_host import App, event


def subscription(topic, **more):
    return {"pubsubname": "kafka-pubsub", "topic": topic, "route": f"/events/{topic}", **more}


def test_event_reaches_subscriber(make_sidecar):
    app = App([subscription("task-events", deadLetterTopic="dlq.task-events")])
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    answer = sidecar.api("auditor").publish("task-events", event(1, "alice"), key="alice")
    assert answer.status == 204 and answer.body == b""
    call, = app.wait("/events/task-events")
    assert call.method == "POST" and call.headers["content-type"] == "application/cloudevents+json"
    assert call.json == {**event(1, "alice"), "topic": "task-events", "pubsubname": "kafka-pubsub"}
    assert call.headers["__key"] == "alice" and call.headers["__offset"] == "0"
    assert 0 <= int(call.headers["__partition"]) < 12
