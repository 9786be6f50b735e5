# SPDX-License-Identifier: Apache-2.0
"""The embedded sidecar beside its broker: state, jobs, crons, secrets, tokens, metadata, and what is no request of its API."""
import datetime
import http.client
import json
import time
import uuid

import pytest

from process import wait_until
from sidecar_host import App, event
from test_sidecar_events import ROUTE, subscription


@pytest.fixture
def app():
    return App()


@pytest.fixture
def api(make_sidecar, app):
    return make_sidecar([("notifier", app)]).wait_healthy().api("notifier")


def code(answer):
    return json.loads(answer.body)["errorCode"]


def save(api, key, value, **more):
    return api.call("POST", "state/statestore", [{"key": key, "value": value, **more}])


def rfc3339(seconds_from_now):
    return datetime.datetime.fromtimestamp(time.time() + seconds_from_now, datetime.timezone.utc).isoformat()


# ---- state ----

def test_state(api):
    key = "u/al%25ice/contact"
    assert api.call("GET", "state/statestore/u%2Fal%2525ice%2Fcontact").status == 204
    assert save(api, key, {"n": 12345678901234567890, "ü": [None]}).status == 204
    answer = api.call("GET", "state/statestore/u%2Fal%2525ice%2Fcontact?consistency=strong")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.body == json.dumps({"n": 12345678901234567890, "ü": [None]}).encode()
    first = answer.headers["etag"]
    assert uuid.UUID(first)
    assert save(api, key, 2).status == 204
    assert save(api, key, 3, etag=first).status == 409
    second = api.call("GET", "state/statestore/u/al%2525ice/contact").headers["etag"]
    assert second != first
    assert save(api, key, 3, etag=second, options={"concurrency": "first-write", "consistency": "strong"}).status == 204
    assert api.call("GET", "state/statestore/u/al%2525ice/contact").body == b"3"
    assert api.call("DELETE", "state/statestore/u/al%2525ice/contact", headers={"If-Match": second}).status == 409
    third = api.call("GET", "state/statestore/u/al%2525ice/contact").headers["etag"]
    assert api.call("DELETE", "state/statestore/u/al%2525ice/contact", headers={"If-Match": third}).status == 204
    assert api.call("DELETE", "state/statestore/u/al%2525ice/contact").status == 204
    assert api.call("DELETE", "state/statestore/u/al%2525ice/contact", headers={"If-Match": third}).status == 409


def test_state_first_write(api):
    first_write = {"options": {"concurrency": "first-write"}}
    assert save(api, "k", 1, **first_write).status == 204
    answer = save(api, "k", 2, **first_write)
    assert answer.status == 500 and "no item was updated" in json.loads(answer.body)["message"]
    assert api.call("GET", "state/statestore/k").body == b"1"


def test_state_ttl(api):
    assert save(api, "short", 1, metadata={"ttlInSeconds": "1"}).status == 204
    assert save(api, "long", 1, metadata={"ttlInSeconds": "1000"}).status == 204
    assert save(api, "ever", 1, metadata={"ttlInSeconds": "-1"}).status == 204
    assert "metadata.ttlexpiretime" in api.call("GET", "state/statestore/long").headers
    wait_until("it is gone", lambda: api.call("GET", "state/statestore/short").status == 204)
    assert save(api, "short", 2, options={"concurrency": "first-write"}).status == 204
    assert api.call("GET", "state/statestore/short").body == b"2"
    assert api.call("GET", "state/statestore/ever").status == 200


def test_state_bulk_and_several(api):
    answer = api.call("POST", "state/statestore", [{"key": "a", "value": "x"}, {"key": "b", "value": {"y": 1}}, {"key": "c"}])
    assert answer.status == 204
    answer = api.call("POST", "state/statestore/bulk", {"keys": ["b", "none", "a", "c"], "parallelism": 10})
    assert answer.status == 200
    rows = json.loads(answer.body)
    assert [(r["key"], r.get("data", "absent")) for r in rows] == [("b", {"y": 1}), ("none", "absent"), ("a", "x"), ("c", None)]
    assert all("etag" in r for r in rows if r["key"] != "none")


def test_state_refusals(api):
    assert code(api.call("GET", "state/other/k")) == "ERR_STATE_STORE_NOT_FOUND"
    for body in (b"", b"{}", b"[{}]", b"[1]", b'[{"key":""}]', b'[{"key":"a||b","value":1}]', b'[{"key":1}]', b'[{"key":"a"',
                 b'[{"key":"a","value":1}],"x":[1]', b'[{"key":"a","value":1,"metadata":{"ttlInSeconds":"x"}}]',
                 b'[{"key":"' + 3000 * b"k" + b'","value":1}]'):
        answer = api.call("POST", "state/statestore", body)
        assert answer.status == 400 and code(answer) == "ERR_MALFORMED_REQUEST", body
    for path in ("state/statestore/a%7C%7Cb", "state/statestore/%ff"):
        assert api.call("GET", path).status == 400
    big = "x" * (4 * 1024 * 1024 - 100)
    assert save(api, "big", big).status == 204
    assert json.loads(api.call("GET", "state/statestore/big").body) == big


# ---- jobs ----

def test_job_fires_at_its_time(api, app):
    due = time.time() + 2
    assert api.call("POST", "jobs/rem-1", {"dueTime": rfc3339(2), "data": {"event": "{\"a\":1}", "n": 1.5}}).status == 204
    assert api.call("POST", "jobs/past", {"dueTime": "2020-01-01T00:00:00Z", "data": "now"}).status == 204
    assert api.call("POST", "jobs/soon", {"due_time": "10ms"}).status == 204
    now, = app.wait("/job/past")
    assert now.method == "POST" and now.json == "now" and now.headers["content-type"] == "application/json"
    assert app.wait("/job/soon")[0].body == b""
    call, = app.wait("/job/rem-1")
    assert call.json == {"event": "{\"a\":1}", "n": 1.5}
    assert call.at >= due - 0.05  # never early, but for the two readings of the clock
    wait_until("it is over", lambda: api.call("GET", "jobs/rem-1").status == 500)
    assert code(api.call("GET", "jobs/rem-1")) == "DAPR_SCHEDULER_GET_JOB"


def test_job_get_overwrite_delete(api, app):
    job = {"dueTime": "1h", "data": {"a": 1}, "failurePolicy": {"constant": {"interval": "30s", "maxRetries": 10}}}
    assert api.call("POST", "jobs/j", job).status == 204
    assert api.call("POST", "jobs/j", job).status == 409
    got = json.loads(api.call("GET", "jobs/j").body)
    assert got["name"] == "j" and got["data"]["value"] == {"a": 1}
    assert got["failurePolicy"] == {"constant": {"interval": "30.000s", "maxRetries": 10}}
    assert api.call("POST", "jobs/j", {"dueTime": "0s", "data": {"a": 2}, "overwrite": True}).status == 204
    assert app.wait("/job/j")[0].json == {"a": 2}
    api.version = "v1.0-alpha1"
    assert api.call("POST", "jobs/j2", {"dueTime": "1h"}).status == 204
    assert api.call("DELETE", "jobs/j2").status == 204
    assert api.call("DELETE", "jobs/j2").status == 204
    assert api.call("GET", "jobs/j2").status == 500


def test_job_repeats_and_retries(api, app):
    answers = iter([503, 500, 200])
    app.on("/job/again", lambda call: next(answers))
    app.on("/job/gone", 404)
    app.on("/job/drop", 500)
    assert api.call("POST", "jobs/again", {"dueTime": "0s", "data": 1, "failurePolicy": {"constant": {"interval": "1s"}}}).status == 204
    assert api.call("POST", "jobs/gone", {"dueTime": "0s", "failurePolicy": {"constant": {"interval": "1s"}}}).status == 204
    assert api.call("POST", "jobs/drop", {"dueTime": "0s", "failurePolicy": {"drop": {}}}).status == 204
    assert api.call("POST", "jobs/tick", {"schedule": "@every 1s", "repeats": 3, "data": "t"}).status == 204
    assert len(app.wait("/job/again", 3)) == 3
    assert len(app.wait("/job/tick", 3)) == 3
    for name in ("again", "gone", "drop", "tick"):
        wait_until(f"{name} is over", lambda n=name: api.call("GET", f"jobs/{n}").status == 500)
    assert [len(app.got(f"/job/{n}")) for n in ("again", "gone", "drop", "tick")] == [3, 1, 1, 3]


def test_jobs_survive_and_wait_for_their_app(make_sidecar, app):
    """Killed and started again they fire, also those whose time came meanwhile; without the app they wait for it."""
    other = App()
    sidecar = make_sidecar([("notifier", app), ("recurrer", other)]).wait_healthy()
    api = sidecar.api("notifier")
    assert api.call("POST", "jobs/soon", {"dueTime": "1s", "data": 1}).status == 204
    assert api.call("POST", "jobs/later", {"dueTime": "4s", "data": 2}).status == 204
    app.die()
    wait_until("down", lambda: api.call("GET", "healthz").status == 500)
    sidecar.kill()
    time.sleep(1)
    sidecar.start()
    app.start(app.port)
    assert app.wait("/job/soon")[0].json == 1
    assert app.wait("/job/later")[0].json == 2
    assert not other.got()


def test_many_jobs(api, app):
    """They do not wait for each other."""
    slow = {"n": 0}

    def answer(call):
        slow["n"] += 1
        time.sleep(0.2)
        return 200
    for n in range(60):
        app.on(f"/job/j-{n}", answer)
        assert api.call("POST", f"jobs/j-{n}", {"dueTime": rfc3339(1.5)}).status == 204
    wait_until("all fired", lambda: slow["n"] >= 60)
    wait_until("all over", lambda: api.call("GET", "jobs/j-59").status == 500)
    assert len(app.got()) == 60


@pytest.mark.parametrize("name, body, status, what", [
    ("j", b"", 400, "ERR_MALFORMED_REQUEST"), ("j", b"[]", 400, "ERR_MALFORMED_REQUEST"),
    ("j", b"{}", 400, "DAPR_SCHEDULER_SCHEDULE_EMPTY"), ("j", b'{"name":"x","dueTime":"1s"}', 400, "DAPR_SCHEDULER_JOB_NAME"),
    ("a%2Fb", b'{"dueTime":"1s"}', 400, "DAPR_SCHEDULER_JOB_NAME"), ("a%23", b'{"dueTime":"1s"}', 400, "DAPR_SCHEDULER_JOB_NAME"),
    ("j", b'{"dueTime":"soon"}', 500, "DAPR_SCHEDULER_SCHEDULE_JOB"), ("j", b'{"schedule":"* *"}', 500, "DAPR_SCHEDULER_SCHEDULE_JOB"),
    ("j", b'{"schedule":"CRON_TZ=Europe/Rome 0 0 9 * * *"}', 500, "DAPR_SCHEDULER_SCHEDULE_JOB"),
    ("j", b'{"schedule":"0 0 0 30 2 *"}', 500, "DAPR_SCHEDULER_SCHEDULE_JOB"),
    ("j", b'{"dueTime":"1s","repeats":3}', 500, "DAPR_SCHEDULER_SCHEDULE_JOB"), ("j", b'{"dueTime":1}', 400, None),
    ("j", b'{"dueTime":"1s","failurePolicy":{"constant":{"interval":"1m"}}}', 400, "ERR_MALFORMED_REQUEST"),
    ("j", b'{"dueTime":"1s","repeats":-1}', 400, "ERR_MALFORMED_REQUEST")])
def test_bad_jobs(shared_sidecar, name, body, status, what):
    answer = shared_sidecar.api("notifier").call("POST", f"jobs/{name}", body, {"Content-Type": "application/json"})
    assert answer.status == status and what in (None, code(answer)), answer


# ---- crons ----

def test_crons_fire_on_every_replica(make_sidecar):
    a, b, other = App(), App(), App()
    sidecar = make_sidecar([("auditor", a), ("auditor", b), ("recurrer", other)],
                           sidecar__crons="auditor/cron-checkpoint=@every 1s; recurrer/cron-reminder=*/2 * * * * *")
    for app in (a, b):
        calls = app.wait("/cron-checkpoint", 2)
        assert calls[0].method == "POST" and calls[0].body == b"" and calls[0].headers["timezone"] == "UTC"
        assert calls[0].headers["readtimeutc"] and not app.got("/cron-reminder")
    assert int(other.wait("/cron-reminder")[0].at) % 2 == 0
    metadata = json.loads(sidecar.api("auditor").call("GET", "metadata").body)
    assert {"name": "cron-checkpoint", "type": "bindings.cron", "version": "v1"} in metadata["components"]


# ---- secrets, tokens, metadata ----

def test_secrets(make_sidecar, tmp_path, app):
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"db": {"url": "postgresql://x"}, "smtp": {"user": "u", "password": "p\u00fc"}, "other": {"k": "v"}}))
    sidecar = make_sidecar([("notifier", app), ("auditor", App())], sidecar__secrets_file=str(path),
                           sidecar__scopes="notifier/secrets=smtp").wait_healthy()
    api = sidecar.api("notifier")
    answer = api.call("GET", "secrets/secrets/smtp")
    assert answer.status == 200 and json.loads(answer.body) == {"user": "u", "password": "pü"}
    answer = api.call("GET", "secrets/secrets/db")
    assert answer.status == 403 and code(answer) == "ERR_PERMISSION_DENIED"
    assert json.loads(api.call("GET", "secrets/secrets/bulk").body) == {"smtp": {"user": "u", "password": "pü"}}
    api = sidecar.api("auditor")
    assert json.loads(api.call("GET", "secrets/secrets/db").body) == {"url": "postgresql://x"}
    answer = api.call("GET", "secrets/secrets/none")
    assert answer.status == 500 and code(answer) == "ERR_SECRET_GET"
    assert code(api.call("GET", "secrets/vault/db")) == "ERR_SECRET_STORE_NOT_FOUND"
    assert "pü" not in sidecar.stdout() and "postgresql://x" not in sidecar.stdout()


def test_tokens(make_sidecar, tmp_path, app):
    """An app proves itself with its own token at its own port, and is called with the other one."""
    for name in ("notifier", "auditor"):
        (tmp_path / f"{name}.api-token").write_text(f"{name}-to-sidecar\n")
        (tmp_path / f"{name}.app-token").write_text(f"sidecar-to-{name}\n")
    app.subscriptions = [subscription()]
    sidecar = make_sidecar([("notifier", app), ("auditor", App())], sidecar__token_dir=str(tmp_path)).wait_healthy()
    api = sidecar.api("notifier")
    for token in (None, "", "auditor-to-sidecar", "notifier-to-sideca", "notifier-to-sidecarx"):
        api.token = token
        answer = api.call("GET", "state/statestore/k")
        assert answer.status == 401 and answer.body == b"invalid api token", token
        assert api.call("GET", "nowhere").status == 401
        assert api.call("GET", "healthz").status == 204 and api.call("GET", "healthz/outbound").status == 204
    api.token = "notifier-to-sidecar"
    assert api.publish("task-events", event(1), key="k").status == 204
    assert app.wait(ROUTE)[0].headers["dapr-api-token"] == "sidecar-to-notifier"
    assert api.call("POST", "jobs/j", {"dueTime": "0s"}).status == 204
    assert app.wait("/job/j")[0].headers["dapr-api-token"] == "sidecar-to-notifier"
    assert "to-sidecar" not in sidecar.stdout() and "sidecar-to" not in sidecar.stdout()


def test_metadata(make_sidecar, app):
    app.subscriptions = [subscription(), {"pubsubname": "nowhere", "topic": "t", "route": "/t"}, subscription("forbidden")]
    sidecar = make_sidecar([("notifier", app)], sidecar__scopes="notifier/subscribe=task-events").wait_healthy()
    answer = sidecar.api("notifier").call("GET", "metadata")
    metadata = json.loads(answer.body)
    assert metadata["id"] == "notifier" and metadata["runtimeVersion"].startswith("1.18")
    assert {c["name"] for c in metadata["components"]} == {"kafka-pubsub", "kafka-pubsub-replica", "statestore", "secrets"}
    assert [s["topic"] for s in metadata["subscriptions"]] == ["task-events"]
    assert metadata["subscriptions"][0]["deadLetterTopic"] == "dlq.task-events"
    assert len(sidecar.log("sidecar.subscription_refused")) == 2


@pytest.mark.parametrize("config, words", [
    ({"sidecar__apps": "auditor=3504"}, "sidecar.apps"), ({"sidecar__crons": "auditor/c=@never"}, "@never"),
    ({"sidecar__crons": "nobody/c=@daily"}, "sidecar.crons"), ({"sidecar__scopes": "auditor=x"}, "sidecar.scopes"),
    ({"sidecar__scopes": "auditor/publsh=x"}, "publsh"),
    ({"sidecar__token_dir": "/nowhere"}, "/nowhere/auditor.api-token"), ({"sidecar__secrets_file": "/etc/hostname"}, "no JSON")])
def test_bad_configuration(make_sidecar, config, words):
    """It ends with 78 and says what is wrong, before it listens or calls anybody."""
    sidecar = make_sidecar([("auditor", App())], start=False, **config)
    with pytest.raises(AssertionError):
        sidecar.start()
    assert sidecar.wait_exit() == 78
    assert words in sidecar.stderr()
    sidecar.process = None


# ---- what is no request ----

@pytest.fixture(scope="module")
def shared_sidecar(make_database, tmp_path_factory):
    from sidecar_host import Sidecar
    database = make_database("sidecar_shared")
    database.let_log_in("todod_sidecar")
    sidecar = Sidecar(str(tmp_path_factory.mktemp("sidecar")), database, [("notifier", App([subscription()]))])
    sidecar.start()
    sidecar.wait_healthy()
    yield sidecar
    sidecar.stop()


METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")
PATHS = ("/", "/v1.0", "/v1.0/", "/v1.0//", "/v1.0/publish", "/v1.0/publish/kafka-pubsub", "/v1.0/publish/kafka-pubsub/",
         "/v1.0/publish/kafka-pubsub/%2e%2e", "/v1.0/publish/kafka-pubsub/a/b", "/v1.0/publish/bulk/kafka-pubsub/",
         "/v1.0/publish/kafka-pubsub/" + 300 * "t", "/v1.0/publish/kafka-pubsub/%C3%BC", "/v1.0/publish/%00/x", "/v1.0/state/statestore/",
         "/v1.0/state//k", "/v1.0/state/statestore/%ff%fe", "/v1.0/jobs/", "/v1.0/jobs/%0a", "/v1.0/secrets/secrets/",
         "/v2.0/healthz", "/v1.0/healthz/x", "/v1.0-alpha2/metadata", "/v1.0/metadata/x", "/v1.0/invoke/x", "/v1.0/invoke//method/")
BODIES = (None, b"", b"{", b"[", b"[[[[", b'{"a":1}' * 2, b"\xff\x00", b'[{"entryId":"1","event":{},"metadata":{"partitionKey":1}}]',
          b'"' + 1000 * b"\\u0000" + b'"', 40 * b"[" + 40 * b"]", b"null", b'{"dueTime":"1s","dueTime":"2s"}')


@pytest.mark.parametrize("path", PATHS)
def test_garbage(shared_sidecar, path):
    """Every answer is one of Dapr's shapes, and the process lives on."""
    port = shared_sidecar.api("notifier").port
    for method in METHODS:
        for body in BODIES:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            connection.close()
            assert response.status < 600
            if response.status >= 400 and method != "HEAD":
                assert set(json.loads(content)) >= {"errorCode", "message"}, (method, path, body, content)
    assert shared_sidecar.api("notifier").call("GET", "healthz").status == 204
