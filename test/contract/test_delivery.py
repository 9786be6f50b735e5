# SPDX-License-Identifier: Apache-2.0
"""Delivery: order, retries by status code, dead letters, groups."""
import base64
import collections
import json
import threading
import time
import uuid

from app import wait_until
from client import PUBSUB, new_event


def ids_of(requests):
    return [json.loads(r.body)["id"] for r in requests]


def raw_events(app, topic, event_id):
    """What a raw subscription of a dead-letter topic was given of an event: (as delivered, the original)."""
    found = []
    for request in app.to(f"/events/dlq.{topic}"):
        outer = json.loads(request.body)
        original = base64.b64decode(outer["data_base64"])
        if event_id.encode() in original:
            found.append((outer, original, request))
    return found


def wait_dead(app, topic, event_id):
    return wait_until(f"{event_id} in dlq.{topic}", lambda: raw_events(app, topic, event_id))[0]


def answers(statuses, topic_events):
    """A function for App.on: the statuses one after another for each event id in a dictionary, then 200."""
    lock = threading.Lock()

    def answer(request):
        event_id = json.loads(request.body).get("id")
        with lock:
            left = topic_events.setdefault(event_id, list(statuses))
            return left.pop(0) if left else 200
    return answer


def test_order(app, other, publisher):
    """Events of a key arrive in the order they were published, in every group"""
    run = str(uuid.uuid4())
    for n in range(40):
        batch = [(f"{user}", new_event(subject=f"{run}/{user}/{n}"), f"user-{user}") for user in range(25)]
        assert publisher.publish_bulk("t-order", batch).status == 204
    for one in (app, other[0]):
        requests = one.wait("/events/t-order", 1000, where=lambda r: run.encode() in r.body)
        seen = collections.defaultdict(list)
        for request in requests:
            _, user, n = json.loads(request.body)["subject"].split("/")
            seen[user].append(int(n))
        assert {tuple(v) for v in seen.values()} == {tuple(range(40))}
        assert len(seen) == 25


def test_one_in_flight(app, publisher, note):
    """One event of a partition is delivered at a time; partitions go on beside each other"""
    running, most, together = collections.Counter(), collections.Counter(), []
    lock = threading.Lock()

    def slow(request):
        partition = request.headers["__partition"]
        with lock:
            running[partition] += 1
            most[partition] = max(most[partition], running[partition])
            together.append(sum(running.values()))
        time.sleep(0.03)
        with lock:
            running[partition] -= 1
        return 200

    app.on("/events/t-serial", slow)
    run = str(uuid.uuid4())
    batch = [(f"{n}", new_event(subject=run), f"user-{n}") for n in range(200)]
    assert publisher.publish_bulk("t-serial", batch).status == 204
    app.wait("/events/t-serial", 200, where=lambda r: run.encode() in r.body)
    assert max(most.values()) == 1
    assert max(together) > 1
    note(f"{len(most)} partitions, {max(together)} deliveries at a time")


def test_redelivery(app, publisher, event, note):
    """503 is tried again: the same event, and nothing of its key passes it"""
    app.on("/events/t-retry", answers([503, 503], {}))
    second = new_event()
    app_first = time.monotonic()
    assert publisher.publish("t-retry", event, "user-1").status == 204
    assert publisher.publish("t-retry", second, "user-1").status == 204
    mine = {event["id"], second["id"]}
    # The second one has its own two failures.
    requests = app.wait("/events/t-retry", 6, where=lambda r: json.loads(r.body)["id"] in mine)
    assert ids_of(requests) == [event["id"]] * 3 + [second["id"]] * 3
    assert len({r.body for r in requests[:3]}) == 1
    assert not raw_events(app, "t-retry", event["id"])
    note(f"two events, two retries each: {time.monotonic() - app_first:.1f} s")


def test_poison(app, publisher, event):
    """422 goes to the dead letters at once, as the same event, and holds nothing up"""
    poison = event["id"]
    app.on("/events/t-poison", lambda r: 422 if poison in r.body.decode() else 200)
    after = new_event()
    assert publisher.publish("t-poison", event, "user-1").status == 204
    assert publisher.publish("t-poison", after, "user-1").status == 204
    _, original, request = wait_dead(app, "t-poison", poison)
    got = json.loads(original)
    assert {k: got[k] for k in event} == event and got["topic"] == "t-poison"
    assert len([i for i in ids_of(app.to("/events/t-poison")) if i == poison]) == 1
    app.wait("/events/t-poison", 1, where=lambda r: after["id"].encode() in r.body)
    assert request.headers["__key"] == "user-1"


def test_exhausted(app, publisher, event, note):
    """An event that fails 1 + 3 times is a dead letter"""
    app.on("/events/t-exhaust", lambda r: 503)
    started = time.monotonic()
    assert publisher.publish("t-exhaust", event, "user-1").status == 204
    wait_dead(app, "t-exhaust", event["id"])
    note(f"dead after {time.monotonic() - started:.1f} s")
    assert ids_of(app.to("/events/t-exhaust")).count(event["id"]) == 4


def test_not_found(app, publisher, event, version, note):
    """404 is never tried again: the event is gone before 1.18, a dead letter since"""
    app.on("/events/t-lost", lambda r: 404 if event["id"].encode() in r.body else 200)
    after = new_event()
    assert publisher.publish("t-lost", event, "user-1").status == 204
    assert publisher.publish("t-lost", after, "user-1").status == 204
    app.wait("/events/t-lost", 1, where=lambda r: after["id"].encode() in r.body)
    assert ids_of(app.to("/events/t-lost")).count(event["id"]) == 1
    if version >= (1, 18):
        wait_dead(app, "t-lost", event["id"])
    else:
        time.sleep(1)
        assert not raw_events(app, "t-lost", event["id"])
    note("dead letter" if version >= (1, 18) else "acknowledged, no dead letter")


def test_statuses_in_a_body(app, publisher, note):
    """200 with a body of SUCCESS, RETRY or DROP; any 2xx or odd body is done"""
    plans = {"SUCCESS": '{"status":"SUCCESS"}', "odd": "<html>", "empty": '{"status":""}', "drop": '{"status":"DROP"}',
             "retry": '{"status":"RETRY"}'}
    events = {name: new_event(subject=name) for name in plans}
    tried = collections.Counter()

    def answer(request):
        name = json.loads(request.body)["subject"]
        tried[name] += 1
        body = "{}" if name == "retry" and tried[name] > 1 else plans[name]
        return 200, {"Content-Type": "application/json"}, body.encode()

    app.on("/events/t-status", answer)
    for name, one in events.items():
        assert publisher.publish("t-status", one, f"user-{name}").status == 204
    app.wait("/events/t-status", 6)
    wait_dead(app, "t-status", events["drop"]["id"])
    assert tried == {"SUCCESS": 1, "odd": 1, "empty": 1, "drop": 1, "retry": 2}
    assert not [n for n in plans if n != "drop" and raw_events(app, "t-status", events[n]["id"])]
    note("DROP is a dead letter")


def test_undecodable(app, publisher, note):
    """A record that is no JSON is a dead letter with its bytes, and the app is not asked"""
    marker = str(uuid.uuid4()).encode()
    answer = publisher.call("POST", f"/v1.0/publish/{PUBSUB}/t-garbage?metadata.rawPayload=true&metadata.partitionKey=u",
                            b"not json " + marker, {"Content-Type": "application/octet-stream"})
    assert answer.status == 204, answer
    outer, original, _ = wait_dead(app, "t-garbage", marker.decode())
    assert original == b"not json " + marker
    assert not [r for r in app.to("/events/t-garbage") if marker in r.body]
    note(f"raw delivery has: {', '.join(sorted(outer))}")


def test_raw_ids_are_new(app, publisher):
    """A raw delivery has an id of its own each time: it identifies nothing"""
    first, second = new_event(), new_event()
    app.on("/events/t-poison", lambda r: 422)
    for one in (first, second):
        assert publisher.publish("t-poison", one, "user-1").status == 204
    outers = [wait_dead(app, "t-poison", e["id"])[0] for e in (first, second)]
    assert len({o["id"] for o in outers} | {first["id"], second["id"]}) == 4


def test_two_groups(app, other, publisher):
    """Two apps each get every event"""
    run = str(uuid.uuid4())
    batch = [(f"{n}", new_event(subject=run), f"user-{n}") for n in range(60)]
    assert publisher.publish_bulk("t-event", batch).status == 204
    for one in (app, other[0]):
        requests = one.wait("/events/t-event", 60, where=lambda r: run.encode() in r.body)
        assert len(set(ids_of(requests))) == 60


def test_no_dead_letter_topic(run_app, publisher, event, note):
    """Without a dead-letter topic a failing event is tried on, and holds its key up"""
    failing = [True]
    app, _ = run_app("contract-stuck", ["stuck"],
                     functions=[("/events/t-stuck", lambda r: 503 if failing[0] and event["id"].encode() in r.body else 200)])
    after = new_event()
    assert publisher.publish("t-stuck", event, "user-1").status == 204
    assert publisher.publish("t-stuck", after, "user-1").status == 204
    # More than one round of the policy's 1 + 3.
    app.wait("/events/t-stuck", 5, where=lambda r: event["id"].encode() in r.body)
    assert after["id"] not in ids_of(app.to("/events/t-stuck"))
    failing[0] = False
    app.wait("/events/t-stuck", 1, where=lambda r: after["id"].encode() in r.body)
    note("more than 1 + 3 tries, then on")


def test_422_without_dead_letter_topic(run_app, publisher, event, note):
    """422 without a dead-letter topic holds its key up too"""
    failing = [True]
    app, _ = run_app("contract-later", ["later"],
                     functions=[("/events/t-later", lambda r: 422 if failing[0] and event["id"].encode() in r.body else 200)])
    after = new_event()
    assert publisher.publish("t-later", event, "user-1").status == 204
    assert publisher.publish("t-later", after, "user-1").status == 204
    app.wait("/events/t-later", 2, where=lambda r: event["id"].encode() in r.body)
    assert after["id"] not in ids_of(app.to("/events/t-later"))
    failing[0] = False
    app.wait("/events/t-later", 1, where=lambda r: after["id"].encode() in r.body)
    note("tried on")


def test_initial_offset(run_app, publisher, event):
    """A group that is new gets what was published before it was there"""
    assert publisher.publish("t-nobody", event, "user-1").status == 204
    app, _ = run_app("contract-nobody", ["nobody"])
    app.wait("/events/t-nobody", 1, where=lambda r: event["id"].encode() in r.body)
