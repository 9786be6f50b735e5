# SPDX-License-Identifier: Apache-2.0
"""What a sidecar may call, what it is answered, and who else may not: a role of test/tools/dapr_role.c, and chat-api."""
import http.client
import json
import os
import subprocess
import types

import pytest

import process
from api_client import ops, sign
from fake_sidecar import FakeSidecar
from process import wait_until

TOOL = os.path.join(process.BUILD, "test", "tools", "dapr_role")
TOKEN = "the-app-token"
NO_DATABASE = types.SimpleNamespace(api_url=None)
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def token_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("dapr") / "token"
    path.write_text(TOKEN + "\n", encoding="ascii")
    return str(path)


@pytest.fixture(scope="module")
def make_role(make_daemon, token_file):
    def make(role="dapr-test", start=True, **config):
        daemon = make_daemon(NO_DATABASE, start=False, binary=TOOL, **{"dapr__app_token_file": token_file, **config})
        daemon.argument = role
        daemon.role = "dapr-test"
        if start:
            daemon.start()
            daemon.dapr_port = daemon.wait_port("dapr")
        return daemon
    return make


@pytest.fixture(scope="module")
def role(make_role):
    return make_role()


class Caller:
    """A connection to the Dapr listener, kept alive."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __call__(self, method, path, body=None, token=TOKEN, caller=None, headers=None):
        headers = dict(headers or {})
        if token is not None:
            headers["dapr-api-token"] = token
        if caller is not None:
            headers["Dapr-Caller-App-Id"] = caller
        if isinstance(body, dict):
            headers.setdefault("Content-Type", "application/cloudevents+json")
            body = json.dumps(body)
        self.connection.request(method, path, body, headers, encode_chunked=not isinstance(body, (str, bytes, type(None))))
        response = self.connection.getresponse()
        self.body = response.read()
        return response.status


@pytest.fixture
def call(role):
    made = Caller(role.dapr_port)
    yield made
    made.connection.close()


def logged(role, msg, n=1, **fields):
    """At least n lines with these fields, once they are there."""
    def look():
        found = [e for e in role.log(msg) if all(e.get(k) == v for k, v in fields.items())]
        return found if len(found) >= n else None
    return wait_until(f"{n} of {msg} {fields}", look)


def event(kind="test.done", **more):
    return {"specversion": "1.0", "id": "e-1", "type": kind, "source": "test", "time": "2026-01-01T00:00:00Z",
            "traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "topic": "test-events", "pubsubname": "kafka-pubsub",
            "data": {"correlation_id": "the-request", "n": 1}, **more}


def test_subscriptions_are_those_described(call):
    described = json.loads(subprocess.run([TOOL, "--describe"], check=True, stdout=subprocess.PIPE).stdout)
    assert call("GET", "/dapr/subscribe") == 200
    told = json.loads(call.body)
    assert told == described["subscriptions"]
    assert [(s["topic"], s.get("deadLetterTopic")) for s in told] == \
        [("test-events", "dlq.test-events"), ("test-updates", None), ("dlq.test-events", "dlq.dlq")]
    assert described["crons"] == ["cron-test"] and described["jobs"] is True
    assert described["ports"]["dapr"] == described["ports"]["public"] + 200
    for s in told:
        assert call("POST", s["routes"]["default"], event()) == 200
    assert call("GET", "/dapr/config") == 404


CALLBACKS = [("GET", "/dapr/subscribe"), ("GET", "/dapr/config"), ("POST", "/events/test-events"),
             ("POST", "/events/dlq.test-events"), ("POST", "/cron-test"), ("OPTIONS", "/cron-test"), ("POST", "/job/test.done")]


@pytest.mark.parametrize("method, path", CALLBACKS)
def test_callbacks_are_for_the_sidecar_alone(call, method, path):
    body = event() if method == "POST" else None
    for bad in (None, "", TOKEN[:-1], TOKEN + "x", "x" * len(TOKEN), TOKEN.upper()):
        assert call(method, path, body, token=bad) == 401
    assert call(method, path, body, caller="chat-api") == 403
    assert call(method, path, body, caller="") == 403
    assert call(method, path, body, token=None, caller="chat-api") == 401


def test_probes_need_no_token(call):
    assert call("GET", "/healthz", token=None) == 200
    assert call("GET", "/healthz", token="wrong") == 200


@pytest.mark.parametrize("method, path", [("POST", "/events/unknown"), ("POST", "/"), ("POST", "/cron-other"), ("GET", "/cron-test"),
                                          ("GET", "/events/test-events"), ("PUT", "/job/a"), ("POST", "/job/a/b"),
                                          ("OPTIONS", "/cron-other"), ("POST", "/events/test-events/"), ("GET", "/dapr/other")])
def test_what_nobody_wants_is_a_bug_and_never_404(role, method, path, call):
    assert call(method, path, b"" if method == "POST" else None) == 500
    line = logged(role, "http.failed") if path == "/dapr/other" else logged(role, "http.unknown_route", method=method, path=path)
    assert line[0]["level"] == "error"


@pytest.mark.parametrize("kind, status, result", [("test.done", 200, "done"), ("test.unheard.of", 200, "done"),
                                                  ("test.invalid", 422, "invalid"), ("test.down", 503, "retry"),
                                                  ("test.missing", 503, "retry"), ("test.slow", 200, "done")])
def test_answers_are_protocol(role, call, kind, status, result):
    assert call("POST", "/events/test-events", event(kind, id=f"answers-{kind}"),
                headers={"__key": "alice", "__partition": "3", "__offset": "42"}) == status
    line, = logged(role, "event.consumed", event_id=f"answers-{kind}")
    assert line["topic"] == "test-events" and line["type"] == kind and line["result"] == result and line["took_us"] >= 0
    assert (line["partition"], line["offset"]) == ("3", "42")
    assert line["correlation_id"] == "the-request" and line["trace_id"] == TRACE
    assert ("reason" in line) == (status != 200)
    delivered = logged(role, "test.delivered", type=kind, key="alice")[-1]
    assert delivered["key"] == "alice" and delivered["correlation_id"] == "the-request"
    assert json.loads(delivered["data"]) == {"correlation_id": "the-request", "n": 1}


@pytest.mark.parametrize("body", ["", "no json", "[]", "{}", '{"specversion":"1.0","id":"","type":"t","source":"s"}',
                                  '{"specversion":"1.0","id":"i","type":"t"}', '{"specversion":"2.0","id":"i","type":"t","source":"s"}',
                                  "\x00", "[" * 10000])
def test_what_is_no_event_is_a_dead_letter_at_once(call, body):
    assert call("POST", "/events/test-events", body, headers={"Content-Type": "application/cloudevents+json"}) == 422


def test_raw_records_need_not_be_events(role, call):
    for body in ("no json", "test.invalid", ""):
        assert call("POST", "/events/dlq.test-events", body) == (422 if body == "test.invalid" else 200)
    logged(role, "test.delivered", record="no json")


def test_traces(role, call):
    """All zeros means none, and then the header counts; an event without data is an event."""
    zeros = f"00-{'0' * 32}-{'0' * 16}-00"
    header = f"00-{'a' * 32}-{'b' * 16}-01"
    assert call("POST", "/events/test-events", event(id="trace-1", traceparent=zeros), headers={"traceparent": header}) == 200
    without = event(id="trace-2")
    del without["data"], without["traceparent"]
    assert call("POST", "/events/test-events", without, headers={"traceparent": zeros}) == 200
    assert logged(role, "event.consumed", event_id="trace-1")[0]["trace_id"] == "a" * 32
    assert logged(role, "event.consumed", event_id="trace-2")[0]["trace_id"] not in ("0" * 32, TRACE)


def test_large_and_chunked_bodies(role, call):
    large = event(data={"text": "x" * (4 * 1024 * 1024 - 1000)})
    assert call("POST", "/events/test-events", large) == 200
    text = json.dumps(event(id="chunked")).encode()
    parts = (text[i:i + 40] for i in range(0, len(text), 40))
    assert call("POST", "/events/test-events", parts, headers={"Transfer-Encoding": "chunked"}) == 200
    assert logged(role, "event.consumed", event_id="chunked")
    call.connection.putrequest("POST", "/events/test-events")
    call.connection.putheader("dapr-api-token", TOKEN)
    call.connection.putheader("Content-Length", str(4 * 1024 * 1024 + 1))
    call.connection.endheaders()
    assert call.connection.getresponse().status == 413


def test_crons(role, call):
    """Exactly 200, and wanted when asked before."""
    assert call("OPTIONS", "/cron-test", headers={"Content-Length": "0"}) == 200
    assert [call("POST", "/cron-test", b"", headers={"Readtimeutc": "x", "Timezone": "Local"}) for _ in range(4)] == [200, 503] * 2
    logged(role, "cron.failed", n=2)


def test_jobs(role, call):
    assert call("POST", "/job/rem-1", '{"at":1}', headers={"Content-Type": "application/json"}) == 200
    assert logged(role, "test.job", job="rem-1")[0]["data"] == '{"at":1}'
    # A scheduler tries 422 again for ever: what can never be done ends here, told as an error.
    assert call("POST", "/job/test.invalid", "") == 200
    assert logged(role, "job.fired", job="test.invalid")[0]["level"] == "error"
    assert call("POST", "/job/test.missing", "") == 503
    assert [e["result"] for e in logged(role, "job.fired", n=3)][-3:] == ["done", "invalid", "retry"]


def test_metrics(role, call):
    call("POST", "/events/test-updates", event("test.down", id="metrics"))
    text = ops(role, "/metrics")[1]
    assert 'todod_events_consumed_total{topic="test-updates",result="retry"} 1' in text
    assert 'todod_event_lag_seconds_count{topic="test-updates"}' in text
    assert 'todod_cron_ticks_total{cron="cron-test",result="done"}' in text and 'todod_jobs_total{result="done"}' in text


def test_peers_reach_the_api_and_only_that(role, call, signing_key):
    """The other way round: a caller, the sidecar's token, and the user's own token as everywhere."""
    bearer = {"Authorization": f"Bearer {sign(signing_key, 'alice')}"}
    assert call("GET", "/api/alice/whoami", caller="ws-gateway", headers=bearer) == 200
    assert json.loads(call.body) == {"user": "alice"}
    assert call("GET", "/api/alice/whoami", headers=bearer) == 403
    assert call("GET", "/api/alice/whoami", caller="ws-gateway", headers=bearer, token=None) == 401
    assert call("GET", "/api/alice/whoami", caller="ws-gateway") == 401
    assert call("GET", "/api/bob/whoami", caller="ws-gateway", headers=bearer) == 403
    assert call("GET", "/metrics", caller="ws-gateway") == 500


def test_no_callback_on_the_other_listeners(role):
    for port in (role.port, role.ops_port):
        for method, path in CALLBACKS:
            assert Caller(port)(method, path, b"" if method == "POST" else None) == 404


def test_connect_and_close_is_no_harm(role, call):
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", role.dapr_port, timeout=60)
        connection.connect()
        connection.close()
    assert call("GET", "/healthz") == 200


def test_chat_api_has_the_listener_too(daemon, connect_api):
    """Without a token file none is asked for; without subscriptions the list is empty."""
    api = connect_api(daemon)
    task = api.create("t")
    call = Caller(daemon.wait_port("dapr"))
    assert call("GET", "/dapr/subscribe", token=None) == 200 and json.loads(call.body) == []
    headers = {"Authorization": f"Bearer {api.token}"}
    assert call("GET", api.tasks, token=None, caller="ws-gateway", headers=headers) == 200
    assert json.loads(call.body) == [task]
    assert call("GET", api.tasks, token=None, headers=headers) == 403
    call.connection.close()


def test_a_role_that_needs_the_sidecar_waits_for_it(make_role):
    sidecar = FakeSidecar()
    sidecar.is_ready = False
    daemon = make_role("dapr-test-waiting", start=False, dapr__url=sidecar.url)
    daemon.start(wait=False)
    assert ops(daemon, "/readyz")[0] == 503 and ops(daemon, "/livez")[0] == 200
    sidecar.is_ready = True
    daemon.wait_ready()
    wait_until("ready", lambda: ops(daemon, "/readyz")[0] == 200)
    daemon.stop()
    sidecar.is_ready = False
    daemon.config["dapr.start_timeout"] = "300ms"
    daemon.start(wait=False)
    assert daemon.wait_exit() == 69
    assert "sidecar" in daemon.stderr()
    daemon.process = None
    sidecar.stop()


def test_mistakes_in_the_configuration(make_role, tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("\n", encoding="ascii")
    for config, word in (({"dapr__url": ""}, "dapr.url"),
                         ({"dapr__app_token_file": str(empty)}, "dapr.app_token_file"),
                         ({"dapr__token_file": "/no/such/file"}, "dapr.token_file"),
                         ({"dapr__app_token_file": "", "dapr__address": "0.0.0.0"}, "dapr.app_token_file"),
                         ({"dapr__address": "localhost"}, "dapr.address")):
        daemon = make_role("dapr-test-waiting", start=False, **config)
        with pytest.raises(AssertionError, match=f"ended with 78.*{word}"):
            daemon.start(wait=False)
            daemon.wait_exit()
            raise AssertionError(f"ended with {daemon.process.returncode}: {daemon.stderr()}")
        daemon.process = None
