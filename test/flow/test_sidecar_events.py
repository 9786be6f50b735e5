# SPDX-License-Identifier: Apache-2.0
"""The embedded sidecar's broker: order, groups, retries, dead letters, nothing lost over kill -9."""
import base64
import collections
import concurrent.futures
import json
import signal
import threading

import pytest

import process
from database import Cluster, Database
from process import wait_until
from sidecar_host import App, event

ROUTE = "/events/task-events"


def subscription(topic="task-events", dead_letter="dlq.task-events", **more):
    wish = {"pubsubname": "kafka-pubsub", "topic": topic, "route": f"/events/{topic}", **more}
    return {**wish, "deadLetterTopic": dead_letter} if dead_letter else wish


def raw_subscription(topic="dlq.task-events"):
    return subscription(topic, None, metadata={"rawPayload": "true"})


def publish_all(api, topic, keys, numbers):
    """Bulk, as the relay does: an entry of each key in every call."""
    for number in numbers:
        entries = [{"entryId": f"{key}-{number}", "event": event(number, key), "contentType": "application/cloudevents+json",
                    "metadata": {"partitionKey": key}} for key in keys]
        answer = api.call("POST", f"publish/bulk/kafka-pubsub/{topic}", entries)
        assert answer.status == 204, answer


def numbers_by_key(*apps):
    """What came, in order of its offset, without repeats; that it came in this order is asserted for each partition."""
    calls = [c for app in apps for c in app.got(ROUTE)]
    seen = collections.defaultdict(dict)
    for call in sorted(calls, key=lambda c: (c.headers["__partition"], int(c.headers["__offset"]))):
        seen[call.json["subject"]][int(call.json["data"]["number"])] = True
    return {key: list(numbers) for key, numbers in seen.items()}


def assert_in_order(app, kills=0):
    """Offsets of a partition go on one by one. A kill repeats, from there on, the record under way and at most four before it."""
    last, steps_back = {}, collections.Counter()
    for call in app.got(ROUTE):
        part, offset = call.headers["__partition"], int(call.headers["__offset"])
        before = last.get(part, offset)
        if offset < before:
            steps_back[part] += 1
        assert before - 4 <= offset <= before + 1, (part, offset, before)
        last[part] = offset
    assert all(n <= kills for n in steps_back.values()), steps_back


def test_event_reaches_subscriber(make_sidecar):
    app = App([subscription()])
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    answer = sidecar.api("auditor").publish("task-events", event(1, "alice"), key="alice")
    assert answer.status == 204 and answer.body == b""
    call, = app.wait(ROUTE)
    assert call.method == "POST" and call.headers["content-type"] == "application/cloudevents+json"
    assert call.json == {**event(1, "alice"), "topic": "task-events", "pubsubname": "kafka-pubsub"}
    assert call.headers["__key"] == "alice" and call.headers["__offset"] == "0"
    assert 0 <= int(call.headers["__partition"]) < 12


def lines_of(sidecar, msg, n):
    return wait_until(f"{n} lines {msg}", lambda: len(found := sidecar.log(msg)) >= n and found)


def test_lines_bear_the_ids_of_the_request(make_sidecar):
    """OB3: what is published, delivered, tried again and buried is told under the correlation id that the event has."""
    app = App([subscription(), raw_subscription()])
    first = {"k-2": 422, "k-3": 503}
    app.on(ROUTE, lambda call: first.pop(call.json["id"], 200))
    sidecar = make_sidecar([("auditor", app)], log__level="debug").wait_healthy()
    trace = "0af7651916cd43dd8448eb211c80319c"
    for number in (1, 2, 3):
        made = event(number, correlation_id=f"request-{number}")
        made["traceparent"] = f"00-{trace}-b7ad6b7169203331-01"
        assert sidecar.api("auditor").publish("task-events", made, key="k").status == 204
    publish_all(sidecar.api("auditor"), "task-events", ["plain"], [4])
    assert sidecar.api("auditor").publish("bytes", b"\xff", content_type="application/octet-stream", rawPayload="true").status == 204
    published = {e.get("event_id"): e for e in lines_of(sidecar, "sidecar.published", 5)}
    assert set(published) == {"k-1", "k-2", "k-3", "plain-4", ""}
    for number in (1, 2, 3):
        line = published[f"k-{number}"]
        assert line["correlation_id"] == f"request-{number}" and line["trace_id"] == trace and line["topic"] == "task-events"
    assert "correlation_id" not in published["plain-4"] and "correlation_id" not in published[""]
    for msg, event_id, number in (("sidecar.dead", "k-2", 2), ("sidecar.retried", "k-3", 3)):
        line = lines_of(sidecar, msg, 1)[0]
        assert (line["event_id"], line["correlation_id"], line["trace_id"]) == (event_id, f"request-{number}", trace), line
    delivered = {e["correlation_id"]: (e["topic"], e["event_id"], e["group"])
                 for e in lines_of(sidecar, "sidecar.delivered", 4) if "correlation_id" in e}
    assert delivered == {"request-1": ("task-events", "k-1", "auditor"), "request-3": ("task-events", "k-3", "auditor"),
                         "request-2": ("dlq.task-events", "k-2", "auditor")}


def test_envelopes(make_sidecar):
    app = App([subscription("plain", None)])
    api = make_sidecar([("auditor", app)]).wait_healthy().api("auditor")
    for version in ("v1.0", "v1.0-alpha1"):
        api.version = version
        assert api.publish("plain", {"a": [1, 12345678901234567890]}, content_type="application/json; charset=utf-8").status == 204
        assert api.publish("plain", "text ü\u2028\"".encode(), content_type="text/plain").status == 204
        assert api.publish("plain", b"\x00\xff", content_type="application/octet-stream").status == 204
    calls = app.wait("/events/plain", 6)
    data = [c.json.get("data", c.json.get("data_base64")) for c in calls]
    assert sorted(map(str, data)) == sorted(2 * [str({"a": [1, 12345678901234567890]}), "text ü\u2028\"", "AP8="])
    for call in calls:
        assert call.json["specversion"] == "1.0" and call.json["type"] == "com.dapr.event.sent"
        assert call.json["source"] == "auditor" and call.json["topic"] == "plain" and call.json["id"] and call.json["time"]
    assert len({c.json["id"] for c in calls}) == 6
    assert api.publish("plain", b"[]", content_type="application/json", **{
        "cloudevent.id": "mine", "cloudevent.type": "t", "cloudevent.source": "s", "cloudevent.subject": "u"}).status == 204
    call = app.wait("/events/plain", 7)[-1]
    assert [call.json[k] for k in ("id", "type", "source", "subject", "data")] == ["mine", "t", "s", "u", []]


def test_bad_publications(make_sidecar):
    app = App([])
    api = make_sidecar([("auditor", app)], sidecar__scopes="auditor/publish=task-events other missing",
                       sidecar__topics="task-events other reminders").wait_healthy().api("auditor")
    for answer, status, code in [
            (api.publish("task-events", b"{", content_type="application/cloudevents+json"), 400, "ERR_PUBSUB_CLOUD_EVENTS_SER"),
            (api.publish("task-events", b"[]", content_type="application/cloudevents+json"), 400, "ERR_PUBSUB_CLOUD_EVENTS_SER"),
            (api.publish("task-events", b"{}", pubsub="other"), 404, "ERR_PUBSUB_NOT_FOUND"),
            (api.publish("reminders", b"{}"), 403, "ERR_PUBSUB_FORBIDDEN"),
            (api.publish("missing", b"{}"), 500, "ERR_PUBSUB_PUBLISH_MESSAGE"),
            (api.call("POST", "publish/bulk/kafka-pubsub/missing", [{"entryId": "1", "event": {}}]), 500, "ERR_PUBSUB_PUBLISH_MESSAGE"),
            (api.call("POST", "publish/bulk/kafka-pubsub/other", b"{}"), 400, "ERR_PUBSUB_EVENTS_SER"),
            (api.call("POST", "publish/bulk/kafka-pubsub/other", [{"event": {}}]), 400, "ERR_PUBSUB_EVENTS_SER"),
            (api.call("POST", "publish/bulk/kafka-pubsub/other", [{"entryId": "1", "event": {}}] * 2), 400, "ERR_PUBSUB_EVENTS_SER"),
            (api.call("POST", "publish/bulk/kafka-pubsub/other", [{"entryId": "1"}]), 400, "ERR_PUBSUB_EVENTS_SER"),
            (api.call("POST", "publish/bulk/kafka-pubsub/other", b'[{"entryId":"1","event":{}}],"x":1'), 400, "ERR_PUBSUB_EVENTS_SER"),
            (api.call("GET", "nothing"), 404, "ERR_NOT_FOUND")]:
        assert answer.status == status and json.loads(answer.body)["errorCode"] == code, answer
        assert json.loads(answer.body)["message"]


def test_large_bodies(make_sidecar):
    app = App([subscription()])
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    api = sidecar.api("auditor")
    big = [event(n, "big", text="x" * (1024 * 1024 - 500)) for n in range(3)]
    assert api.publish("task-events", big[0], key="big").status == 204
    entries = [{"entryId": one["id"], "event": one, "contentType": "application/cloudevents+json", "metadata": {"partitionKey": "big"}}
               for one in big[1:]]
    assert api.call("POST", "publish/bulk/kafka-pubsub/task-events", entries).status == 204
    assert [c.json for c in app.wait(ROUTE, 3)] == [{**one, "topic": "task-events", "pubsubname": "kafka-pubsub"} for one in big]
    answer = api.publish("task-events", event(4, "big", text="x" * 1024 * 1024), key="big")
    assert answer.status == 500 and json.loads(answer.body)["errorCode"] == "ERR_PUBSUB_PUBLISH_MESSAGE"
    answer = api.call("POST", "publish/kafka-pubsub/task-events", headers={"Content-Length": str(4 * 1024 * 1024 + 1)})
    assert answer.status == 500 and json.loads(answer.body)["errorCode"] == "ERR_BODY_TOO_LARGE"


def test_order_per_key_and_spread(make_sidecar):
    """The events of one user come in order, also from many publishers at once."""
    keys = [f"user-{n}" for n in range(40)]
    app = App([subscription()])
    sidecar = make_sidecar([("auditor", app), ("chat-api", App())]).wait_healthy()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: publish_all(sidecar.api("chat-api"), "task-events", keys[n::4], range(20)), range(4)))
    app.wait(ROUTE, 800)
    assert numbers_by_key(app) == {key: list(range(20)) for key in keys}
    assert_in_order(app)
    assert len(app.got(ROUTE)) == 800
    assert len({c.headers["__partition"] for c in app.got(ROUTE)}) == 12
    metrics = sidecar.metrics()
    assert metrics['todod_sidecar_published_total{topic="task-events"}'] == 800
    assert metrics['todod_sidecar_delivered_total{topic="task-events",group="auditor"}'] == 800
    assert metrics['todod_sidecar_lag_records{topic="task-events",group="auditor"}'] == 0


def test_groups_each_get_everything(make_sidecar):
    """EV13: two apps are two groups; two instances of one share, in the replica component each gets all that is new."""
    wish = subscription()
    replica = {**subscription("task-updates", None), "pubsubname": "kafka-pubsub-replica"}
    one, two, gateway_a, gateway_b = App([wish]), App([wish]), App([replica]), App([replica])
    sidecar = make_sidecar([("auditor", one), ("recurrer", two), ("ws-gateway", gateway_a), ("ws-gateway", gateway_b)]).wait_healthy()
    wait_until("both gateways", lambda: sidecar.api("ws-gateway", 1).call("GET", "healthz").status == 204)
    api = sidecar.api("auditor")
    publish_all(api, "task-events", ["a", "b", "c"], range(10))
    publish_all(api, "task-updates", ["a", "b", "c"], range(10))
    for app in (one, two):
        app.wait(ROUTE, 30)
        assert numbers_by_key(app) == {key: list(range(10)) for key in "abc"}
    for app in (gateway_a, gateway_b):
        assert len(app.wait("/events/task-updates", 30)) == 30


def test_oldest_first_for_a_new_group(make_sidecar):
    app = App()
    sidecar = make_sidecar([("auditor", app)])
    publish_all(sidecar.api("auditor"), "task-events", ["a", "b"], range(5))
    sidecar.stop()
    app.subscriptions = [subscription()]
    sidecar.start()
    app.wait(ROUTE, 10)
    assert numbers_by_key(app) == {key: list(range(5)) for key in "ab"}


def test_instances_share_and_take_over(make_sidecar):
    a, b = App([subscription()]), App([subscription()])
    sidecar = make_sidecar([("auditor", a), ("auditor", b)])
    for number in (0, 1):
        wait_until("healthy", lambda n=number: sidecar.api("auditor", n).call("GET", "healthz").status == 204)
    keys = [f"user-{n}" for n in range(30)]
    publish_all(sidecar.api("auditor"), "task-events", keys, range(5))
    wait_until("all came", lambda: len(a.got(ROUTE)) + len(b.got(ROUTE)) == 150)
    assert a.got(ROUTE) and b.got(ROUTE)
    assert not {c.headers["__partition"] for c in a.got(ROUTE)} & {c.headers["__partition"] for c in b.got(ROUTE)}
    b.die()
    publish_all(sidecar.api("auditor"), "task-events", keys, range(5, 10))
    wait_until("the other takes over", lambda: numbers_by_key(a, b) == {key: list(range(10)) for key in keys})
    port = b.port
    b.calls.clear()
    b.start(port)
    wait_until("it is back", lambda: sidecar.api("auditor", 1).call("GET", "healthz").status == 204)
    publish_all(sidecar.api("auditor"), "task-events", keys, range(10, 12))
    b.wait(ROUTE)


def test_unhealthy_app_gets_nothing(make_sidecar):
    app = App([subscription()])
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    api = sidecar.api("auditor")
    app.health = 503
    wait_until("unhealthy", lambda: api.call("GET", "healthz").status == 500)
    assert json.loads(api.call("GET", "healthz").body)["errorCode"] == "ERR_HEALTH_NOT_READY"
    assert api.call("GET", "healthz/outbound").status == 204
    assert api.publish("task-events", event(1), key="k").status == 204
    assert sidecar.metrics()['todod_sidecar_lag_records{topic="task-events",group="auditor"}'] == 1
    assert not app.got(ROUTE)
    app.health = 200
    app.wait(ROUTE)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_kill_of_the_sidecar_loses_nothing(make_sidecar, how):
    """Killed again and again under load: what was acknowledged comes, in order, the last five of a partition once more for each kill.
    When it is stopped nothing comes twice."""
    keys = [f"user-{n}" for n in range(24)]
    app = App([subscription()])
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    acknowledged = collections.defaultdict(list)
    kills = 4
    for kill in range(kills):
        api = sidecar.api("auditor")
        stop = threading.Event()

        def publish(key, api=api, stop=stop):
            while not stop.is_set():
                number = len(acknowledged[key])
                try:
                    if api.publish("task-events", event(number, key), key=key).status != 204:
                        continue
                except OSError:
                    continue  # it may be there all the same; the same number comes again
                acknowledged[key].append(number)

        threads = [threading.Thread(target=publish, args=(key,)) for key in keys[:6]]
        for thread in threads:
            thread.start()
        before = len(app.got(ROUTE))
        wait_until("some came", lambda: len(app.got(ROUTE)) > before + 40)
        getattr(sidecar, how)()
        stop.set()
        for thread in threads:
            thread.join()
        sidecar.start()
        sidecar.wait_healthy()
    wait_until("all came", lambda: all(set(numbers_by_key(app).get(key, [])) >= set(acknowledged[key]) for key in acknowledged))
    for key, numbers in numbers_by_key(app).items():
        assert numbers == sorted(numbers)
    assert_in_order(app, kills if how == "kill" else 0)
    offsets = collections.Counter((c.headers["__partition"], c.headers["__offset"]) for c in app.got(ROUTE))
    assert sum(n - 1 for n in offsets.values()) <= (12 * 5 * kills if how == "kill" else 0)
    assert max(offsets.values()) <= kills + 1


def test_kill_of_the_subscriber_loses_nothing(make_sidecar):
    app = App([subscription()])
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    keys = [f"user-{n}" for n in range(12)]
    publish_all(sidecar.api("auditor"), "task-events", keys, range(10))
    for round_number in range(3):
        wait_until("some came", lambda n=round_number: len(app.got(ROUTE)) > 20 * (n + 1))
        app.die()
        publish_all(sidecar.api("auditor"), "task-events", keys, range(10 + round_number, 11 + round_number))
        app.start(app.port)
    wait_until("all came", lambda: numbers_by_key(app) == {key: list(range(13)) for key in keys})
    assert_in_order(app)
    assert sidecar.database.value("SELECT count(*) FROM sidecar.records WHERE topic LIKE 'dlq%'") == 0


@pytest.mark.parametrize("answer, tries", [
    ((422, b""), 1), ((404, b""), 1), ((400, b"{}"), 1), ((200, b'{"status":"DROP"}'), 1),
    ((503, b""), 4), ((429, b""), 4), ((200, b'{"status":"RETRY"}'), 4)])
def test_dead_letters(make_sidecar, answer, tries):
    """AR11, FL2: what is refused goes to the dead letters with its bytes and id, at once or after three more tries; the next one passes."""
    app = App([subscription(), raw_subscription()])
    app.on(ROUTE, lambda call: answer if call.json["id"] == "k-1" else 200)
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    for number in (1, 2):
        assert sidecar.api("auditor").publish("task-events", event(number), key="k").status == 204
    dead, = app.wait("/events/dlq.task-events")
    wait_until("the next one", lambda: any(c.json["id"] == "k-2" for c in app.got(ROUTE)))
    assert [c.json["id"] for c in app.got(ROUTE)] == tries * ["k-1"] + ["k-2"]
    envelope = dead.json
    assert envelope["type"] == "com.dapr.event.sent" and envelope["topic"] == "dlq.task-events" and envelope["id"] != "k-1"
    assert envelope["datacontenttype"] == "application/octet-stream"
    letter = base64.b64decode(envelope["data_base64"])
    assert letter == app.got(ROUTE)[0].body and json.loads(letter)["id"] == "k-1"
    assert dead.headers["__key"] == "k" and dead.headers["__partition"] == "0"
    metrics = sidecar.metrics()
    assert metrics['todod_sidecar_dead_total{topic="task-events",group="auditor"}'] == 1
    assert metrics['todod_sidecar_retried_total{topic="task-events",group="auditor"}'] == tries - 1


def test_retry_ends_when_it_works(make_sidecar):
    app = App([subscription()])
    app.on(ROUTE, lambda call: 503 if not app.got(ROUTE) else (200, b'{"status":"SUCCESS"}'))
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    sidecar.api("auditor").publish("task-events", event(1), key="k")
    app.wait(ROUTE, 2)
    wait_until("settled", lambda: sidecar.metrics()['todod_sidecar_delivered_total{topic="task-events",group="auditor"}'] == 1)


def test_without_dead_letters_a_partition_waits(make_sidecar):
    """As Kafka does. Other partitions go on, and a drop is a drop."""
    app = App([subscription(dead_letter=None)])
    app.on(ROUTE, lambda call: {"stuck": 422, "gone": 404}.get(call.json["subject"], 200))
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    publish_all(sidecar.api("auditor"), "task-events", ["stuck", "gone"] + [f"user-{n}" for n in range(30)], range(2))
    wait_until("tried again", lambda: len([c for c in app.got(ROUTE) if c.json["subject"] == "stuck"]) >= 2)
    assert {c.json["id"] for c in app.got(ROUTE) if c.json["subject"] == "stuck"} == {"stuck-0"}
    metrics = sidecar.metrics()
    assert metrics['todod_sidecar_dead_total{topic="task-events",group="auditor"}'] == 0
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait_exit() == 0  # the waiting partition does not hold the end up
    sidecar.process = None


def test_raw_bytes(make_sidecar):
    app = App([raw_subscription("bytes")])
    api = make_sidecar([("auditor", app)]).wait_healthy().api("auditor")
    bodies = [b"\x00\xff\xfe", b"text", b"", b'{"a":1}']
    for body in bodies:
        assert api.publish("bytes", body, key="k", content_type="application/octet-stream", rawPayload="true").status == 204
    calls = app.wait("/events/bytes", len(bodies))
    assert [base64.b64decode(c.json["data_base64"]) for c in calls] == bodies


def test_retention(make_sidecar):
    """Old records go; the newest of a partition stays, and positions go on after it."""
    app = App()
    sidecar = make_sidecar([("auditor", app)]).wait_healthy()
    api = sidecar.api("auditor")
    publish_all(api, "task-events", ["k"], range(5))
    publish_all(api, "dlq.task-events", ["k"], range(3))
    sidecar.database.rows("UPDATE sidecar.records SET created_at = now() - interval '8 days'")
    sidecar.stop()
    sidecar.config["sidecar.sweep_after"] = "100ms"
    sidecar.start()
    wait_until("swept", lambda: sidecar.log("sidecar.swept"))
    assert sidecar.database.rows("SELECT topic, pos FROM sidecar.records ORDER BY topic, pos") == [
        ("dlq.task-events", 0), ("dlq.task-events", 1), ("dlq.task-events", 2), ("task-events", 4)]
    app.subscriptions = [subscription()]
    publish_all(sidecar.api("auditor"), "task-events", ["k"], [5])
    assert sidecar.database.value("SELECT max(pos) FROM sidecar.records WHERE topic = 'task-events'") == 5


def test_only_one_sidecar(make_sidecar):
    """The second process on a database ends with 69 and says why; one that died is no hindrance."""
    sidecar = make_sidecar([("auditor", App())])
    other = make_sidecar([("auditor", App())], database=sidecar.database, start=False)
    try:
        other.start(wait=False)
    except AssertionError:
        pass
    assert other.wait_exit() == 69
    assert "another embedded sidecar" in other.stderr()
    other.process = None
    sidecar.kill()
    sidecar.process = None
    other.start()
    other.wait_healthy()


def test_the_database_goes_away(make_sidecar, tmp_path):
    """Killed under load and started again: what was acknowledged comes, in order; meanwhile the sidecar says that it is not ready."""
    cluster = Cluster("sidecar").start()
    try:
        database = Database(cluster.url, "faults").create()
        assert process.run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": database.url}).returncode == 0
        database.let_log_in("todod_sidecar")
        app = App([subscription()])
        sidecar = make_sidecar([("auditor", app)], database=database).wait_healthy()
        api = sidecar.api("auditor")
        acknowledged = {f"user-{n}": [] for n in range(4)}
        stop = threading.Event()

        def publish(key):
            while not stop.is_set():
                number = len(acknowledged[key])
                if api.publish("task-events", event(number, key), key=key).status == 204:
                    acknowledged[key].append(number)

        threads = [threading.Thread(target=publish, args=(key,)) for key in acknowledged]
        for thread in threads:
            thread.start()
        for _ in range(2):
            before = len(app.got(ROUTE))
            wait_until("some came", lambda n=before: len(app.got(ROUTE)) > n + 40)
            database.close()
            cluster.kill()
            wait_until("it knows", lambda: api.call("GET", "healthz/outbound").status == 500)
            assert json.loads(api.call("GET", "healthz/outbound").body)["errorCode"] == "ERR_OUTBOUND_HEALTH_NOT_READY"
            cluster.restart()
            wait_until("it is back", lambda: api.call("GET", "healthz/outbound").status == 204)
        stop.set()
        for thread in threads:
            thread.join()
        wait_until("all came", lambda: all(set(numbers_by_key(app).get(k, [])) >= set(v) for k, v in acknowledged.items()))
        assert all(numbers == sorted(numbers) for numbers in numbers_by_key(app).values())
        assert_in_order(app)
        sidecar.stop()
    finally:
        cluster.remove()
