# SPDX-License-Identifier: Apache-2.0
"""Publishing: what becomes of an event on its way to a subscriber."""
import json
import uuid

import pytest

from client import PUBSUB, new_event

KEPT = ("id", "source", "type", "subject", "time", "specversion", "traceid", "traceparent", "data", "datacontenttype")


def test_subscribe_discovery(run_app):
    """The app is asked for its subscriptions once in the sidecar's life, and they are in the metadata"""
    app, side = run_app("contract-asked", ["event", "retry/"])
    assert len(app.to("/dapr/subscribe")) == 1
    told = {(s["topic"], s.get("deadLetterTopic")) for s in app.subscriptions}
    known = {(s["topic"], s.get("deadLetterTopic") or None) for s in side.metadata()["subscriptions"]}
    assert told == known
    side.stop()
    side.start()
    assert len(app.to("/dapr/subscribe")) == 2


def test_event_is_kept(app, publisher, event, note):
    """A CloudEvent arrives with its own id, source, type, subject, time and trace"""
    assert publisher.publish("t-event", event, "user-1").status == 204
    request = app.wait("/events/t-event", 1, where=lambda r: event["id"].encode() in r.body)[0]
    assert request.method == "POST"
    assert request.headers["Content-Type"].startswith("application/cloudevents+json")
    got = json.loads(request.body)
    assert {k: got.get(k) for k in KEPT} == {k: event.get(k) for k in KEPT}
    assert got["topic"] == "t-event" and got["pubsubname"] == PUBSUB
    note("added: " + ", ".join(sorted(set(got) - set(event))))


def test_event_without_trace(app, publisher, event):
    """An event without traceid has its traceparent written over: both must be sent"""
    del event["traceid"]
    before = event["traceparent"]
    assert publisher.publish("t-event", event, "user-1").status == 204
    request = app.wait("/events/t-event", 1, where=lambda r: event["id"].encode() in r.body)[0]
    got = json.loads(request.body)
    assert got["traceparent"] != before and got["traceid"] == got["traceparent"]


def test_event_without_id(app, publisher, event, note):
    """An event without id is not given one: its publisher must"""
    marker = event["subject"] = str(uuid.uuid4())
    del event["id"]
    assert publisher.publish("t-event", event, "user-1").status == 204
    got = json.loads(app.wait("/events/t-event", 1, where=lambda r: marker.encode() in r.body)[0].body)
    assert not got.get("id")
    note("none" if "id" not in got else "empty")


def test_headers_of_a_delivery(app, publisher, event, app_token, note):
    """A delivery has the app's token and the record's key, partition and offset as headers"""
    assert publisher.publish("t-event", event, "user-7").status == 204
    request = app.wait("/events/t-event", 1, where=lambda r: event["id"].encode() in r.body)[0]
    assert request.headers["dapr-api-token"] == app_token
    assert request.headers["__key"] == "user-7"
    assert 0 <= int(request.headers["__partition"]) < 12
    assert int(request.headers["__offset"]) >= 0
    assert "dapr-caller-app-id" not in request.headers
    note(f"traceparent header: {'yes' if request.headers.get('traceparent') else 'no'}; "
         f"{'chunked' if request.headers.get('Transfer-Encoding') else 'with a length'}")


def test_unicode_and_html(app, publisher, event):
    """Text comes back as it was sent, also what JSON may escape"""
    event["data"] = {"text": "<b>&\u2028 \U0001f600 \\ \"", "big": "9007199254740993"}
    assert publisher.publish("t-event", event, "user-\u00e9/ ?").status == 204
    got = json.loads(app.wait("/events/t-event", 1, where=lambda r: event["id"].encode() in r.body)[0].body)
    assert got["data"] == event["data"]


def test_wrapping(app, publisher):
    """Plain JSON is wrapped into a CloudEvent"""
    marker = str(uuid.uuid4())
    answer = publisher.call("POST", f"/v1.0/publish/{PUBSUB}/t-wrap", {"marker": marker})
    assert answer.status == 204
    got = json.loads(app.wait("/events/t-wrap", 1, where=lambda r: marker.encode() in r.body)[0].body)
    assert got["data"] == {"marker": marker}
    assert uuid.UUID(got["id"]) and got["source"] == "contract-publisher"
    assert got["type"] == "com.dapr.event.sent" and got["specversion"] == "1.0"
    assert got["datacontenttype"] == "application/json"


def test_unknown_pubsub(publisher):
    """An unknown pubsub component is 404"""
    answer = publisher.publish("t-event", new_event(), pubsub="no-such")
    assert answer.status == 404 and answer.code == "ERR_PUBSUB_NOT_FOUND", answer


def test_unknown_topic(publisher):
    """A topic that is not there is an error, not a new topic"""
    answer = publisher.publish("t-no-such-topic", new_event(), "user-1")
    assert answer.status == 500 and answer.code == "ERR_PUBSUB_PUBLISH_MESSAGE", answer


def test_scopes(mute):
    """An app that may not publish to a topic gets 403, in bulk too"""
    answer = mute.publish("t-event", new_event(), "user-1")
    assert answer.status == 403 and answer.code == "ERR_PUBSUB_FORBIDDEN", answer
    answer = mute.publish_bulk("t-event", [("1", new_event(), "user-1")])
    assert answer.status == 403, answer


def test_bad_envelope(publisher):
    """What is called a CloudEvent and is no JSON is refused"""
    answer = publisher.publish("t-event", b"{not json")
    assert 400 <= answer.status < 600, answer


@pytest.mark.parametrize("api", ["v1.0-alpha1", "v1.0"])
def test_bulk(app, publisher, version, api, note):
    """Bulk publishing delivers each entry once, with its own key"""
    if api == "v1.0" and version < (1, 17):
        answer = publisher.publish_bulk("t-bulk", [("1", new_event(), "user-1")], api)
        assert answer.status >= 400, answer
        note(f"/v1.0/publish/bulk: {answer.status} {answer.code} before 1.17")
        return
    events = [new_event() for _ in range(50)]
    answer = publisher.publish_bulk("t-bulk", [(e["id"], e, f"user-{n % 10}") for n, e in enumerate(events)], api)
    assert answer.status == 204, answer
    ids = {e["id"]: f"user-{n % 10}" for n, e in enumerate(events)}
    requests = app.wait("/events/t-bulk", 50, where=lambda r: json.loads(r.body)["id"] in ids)
    assert {json.loads(r.body)["id"]: r.headers["__key"] for r in requests} == ids
    got = json.loads(requests[0].body)
    sent = next(e for e in events if e["id"] == got["id"])
    assert {k: got.get(k) for k in KEPT} == {k: sent.get(k) for k in KEPT}


def test_bulk_refused(publisher):
    """Bulk publishing refuses an entry without id, and the same id twice"""
    for ids in (["", "2"], ["1", "1"]):
        answer = publisher.publish_bulk("t-bulk", [(i, new_event(), "user-1") for i in ids])
        assert answer.status == 400 and answer.code == "ERR_PUBSUB_EVENTS_SER", answer


def test_bulk_fails(publisher, note):
    """A bulk that the broker refuses names the entries that failed"""
    answer = publisher.publish_bulk("t-no-such-topic", [("a", new_event(), "user-1"), ("b", new_event(), "user-2")])
    assert answer.status == 500, answer
    assert {e["entryId"] for e in answer.json["failedEntries"]} == {"a", "b"}
    note(f"{answer.status} {answer.code}")


def test_too_big(app, publisher, event, note):
    """An event of more than a record's size is an error, and one of 900 kB is not"""
    event["data"] = {"text": "x" * 900_000}
    assert publisher.publish("t-big", event, "user-1").status == 204
    app.wait("/events/t-big", 1, where=lambda r: event["id"].encode() in r.body)
    for size in (2_000_000, 5_000_000):
        answer = publisher.publish("t-big", new_event(data={"text": "x" * size}), "user-1")
        assert answer.status >= 400, answer
        note(f"{size // 1_000_000} MB: {answer.status} {answer.code}")
