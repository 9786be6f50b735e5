# SPDX-License-Identifier: Apache-2.0
"""Cron bindings, secrets, invocation, tokens, health, metadata."""
import json
import time
import uuid

from app import wait_until
from client import Client, new_event


def test_cron(cron, tick_path, app_token, note):
    """A cron binding is POSTed to the path of its name, at each interval, without a body"""
    app, _ = cron
    requests = app.wait(tick_path, 3, 30)
    assert {r.method for r in requests} == {"POST"}
    assert {r.body for r in requests} == {b""}
    assert requests[0].headers["dapr-api-token"] == app_token
    assert "dapr-caller-app-id" not in requests[0].headers
    assert not [r for r in app.requests if r.method == "OPTIONS"]
    note("headers: " + ", ".join(sorted(k for k in requests[0].headers if k.lower() in ("readtimeutc", "timezone"))))


def test_cron_failing(cron, tick_path, note):
    """A tick that fails is only followed by the next one"""
    app, _ = cron
    failed = []
    app.on(tick_path, lambda r: failed.append(time.monotonic()) or 503)
    wait_until("ticks failed", lambda: len(failed) >= 4)
    app.on(tick_path, lambda r: 200)
    gaps = [b - a for a, b in zip(failed, failed[1:])]
    note("gaps of " + ", ".join(f"{g:.1f}" for g in gaps) + " s")
    assert min(gaps) > 0.5


def test_cron_on_every_instance(cron, run_app, tick_path):
    """A cron ticks on every instance of its app

    DP7.
    """
    other, _ = run_app("contract-cron", name="contract-cron-2")
    before = len(cron[0].to(tick_path))
    other.wait(tick_path, 2)
    cron[0].wait(tick_path, before + 2)


def test_secret(side):
    """A secret is a map of keys and values"""
    answer = side.secret("contract")
    assert answer.status == 200
    assert answer.json["one"] == "first" and answer.json["two"] == "second"


def test_secret_empty(side, note):
    """An empty value is an empty string or not there, never an error"""
    answer = side.secret("contract")
    assert answer.status == 200 and not answer.json.get("empty")
    note("empty string" if "empty" in answer.json else "left out")


def test_secret_missing(side, note):
    """A secret that is not there, or a store that is not, is an error"""
    answer = side.secret("no-such-secret")
    assert answer.status in (404, 500), answer
    note(f"secret: {answer.status} {answer.code}")
    answer = side.secret("contract", "no-such-store")
    assert answer.status in (401, 404, 500), answer
    note(f"store: {answer.status} {answer.code}")


def test_secret_denied(side):
    """A secret that the configuration denies is 403"""
    answer = side.secret("forbidden")
    assert answer.status == 403 and answer.code == "ERR_PERMISSION_DENIED", answer


def test_invoke(app, side, publisher, app_token, note):
    """Invocation passes method, path, query, headers and bodies, and tells the callee who called"""
    path = f"/api/{uuid.uuid4()}/tasks"
    app.on(path, lambda r: (201, {"Content-Type": "application/json", "ETag": '"7"', "X-Request-Id": "r-1"},
                            b'{"got":' + json.dumps(r.body.decode()).encode() + b"}"))
    answer = publisher.invoke("contract-app", path + "?a=1&b=%2F%20x", "PUT", b'{"title":"\xc3\xa9"}',
                              {"Authorization": "Bearer abc", "X-Request-Id": "r-1", "If-Match": '"6"',
                               "Content-Type": "application/json"})
    assert answer.status == 201 and answer.json == {"got": '{"title":"\u00e9"}'}, answer
    assert answer.headers["ETag"] == '"7"' and answer.headers["X-Request-Id"] == "r-1"
    assert answer.headers["Content-Type"] == "application/json"
    request = app.to(path)[0]
    assert request.method == "PUT" and request.path.split("?")[1] == "a=1&b=%2F%20x"
    assert request.headers["Authorization"] == "Bearer abc" and request.headers["If-Match"] == '"6"'
    assert request.headers["dapr-caller-app-id"] == "contract-publisher"
    assert request.headers["dapr-api-token"] == app_token
    note("callee also sees: " + ", ".join(sorted(
        k.lower() for k in request.headers
        if k.lower().startswith(("dapr-", "x-forwarded", "forwarded")) and k.lower() != "dapr-api-token")))


def test_invoke_statuses(app, publisher):
    """The callee's status passes, whatever it is, and is not tried again"""
    for status in (200, 204, 304, 400, 401, 404, 409, 412, 422, 429, 500, 503):
        path = f"/api/status/{status}"
        app.on(path, lambda r, s=status: (s, {"Retry-After": "3"}, b"" if s in (204, 304) else b'{"error":"x"}'))
        answer = publisher.invoke("contract-app", path, "POST", {})
        assert answer.status == status, answer
        assert answer.headers["Retry-After"] == "3"
        assert len(app.to(path)) == 1


def test_invoke_caller_cannot_lie(app, publisher, note):
    """The callee sees who called it, whatever the caller says; perhaps beside what the caller says"""
    path = f"/api/{uuid.uuid4()}"
    publisher.invoke("contract-app", path, headers={"dapr-caller-app-id": "chat-api"})
    callers = app.wait(path, 1)[0].headers.get_all("dapr-caller-app-id")
    assert "contract-publisher" in callers
    note("dapr-caller-app-id: " + ", ".join(callers))


def test_invoke_callback(app, publisher):
    """A peer can reach callback routes by invocation: only dapr-caller-app-id tells"""
    event = new_event()
    answer = publisher.invoke("contract-app", "/events/t-event", "POST", event)
    assert answer.status == 200
    request = app.wait("/events/t-event", 1, where=lambda r: event["id"].encode() in r.body)[0]
    assert request.headers["dapr-caller-app-id"] == "contract-publisher"


def test_invoke_unknown(publisher, note):
    """Invoking an app that is not there is an error of the sidecar"""
    started = time.monotonic()
    answer = publisher.invoke("no-such-app", "/x")
    assert answer.status == 500 and answer.code == "ERR_DIRECT_INVOKE", answer
    note(f"{answer.status} {answer.code} after {time.monotonic() - started:.1f} s")


def test_invoke_app_away(run_app, publisher, note):
    """Invoking an app whose port nobody serves is an error of the sidecar"""
    app, _ = run_app("contract-gone")
    assert publisher.invoke("contract-gone", "/x").status == 200
    app.stop()
    started = time.monotonic()
    answer = publisher.invoke("contract-gone", "/x", "POST", {})
    assert answer.status >= 500, answer
    note(f"{answer.status} {answer.code} after {time.monotonic() - started:.1f} s")


def test_invoke_big(app, publisher):
    """Bodies of 3 MB pass both ways"""
    path = f"/api/{uuid.uuid4()}"
    app.on(path, lambda r: (200, {}, r.body[::-1]))
    body = bytes(range(256)) * 12_000
    answer = publisher.invoke("contract-app", path, "POST", body, {"Content-Type": "application/octet-stream"})
    assert answer.status == 200 and answer.body == body[::-1]


def test_invoke_chunked(app, publisher, note):
    """A chunked request body passes"""
    path = f"/api/{uuid.uuid4()}"
    app.on(path, lambda r: (200, {}, str(len(r.body)).encode()))
    import http.client
    connection = http.client.HTTPConnection(publisher.client.address, timeout=30)
    connection.request("POST", f"/v1.0/invoke/contract-app/method{path}", iter([b"a" * 1000] * 50),
                       {"dapr-api-token": publisher.client.token, "Content-Type": "text/plain"}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b"50000"
    connection.close()
    request = app.to(path)[0]
    note("reaches the callee " + ("chunked" if request.headers.get("Transfer-Encoding") else "with a length"))


def test_invoke_long_token(app, publisher):
    """A header of 6 KiB passes"""
    path = f"/api/{uuid.uuid4()}"
    token = "Bearer " + "t" * 6 * 1024
    assert publisher.invoke("contract-app", path, headers={"Authorization": token}).status == 200
    assert app.to(path)[0].headers["Authorization"] == token


def test_token(side):
    """Without the API's token, or with another, every call is 401, but for health"""
    for token in (None, "wrong"):
        other = Client(f"http://{side.client.address}", token)
        for method, path in (("GET", "/v1.0/metadata"), ("POST", "/v1.0/publish/kafka-pubsub/t-event"),
                             ("GET", "/v1.0/state/statestore/x"), ("GET", "/v1.0/secrets/secrets/contract"),
                             ("GET", "/v1.0-alpha1/jobs/x"), ("GET", "/v1.0/invoke/contract-app/method/x")):
            assert other.call(method, path, headers={"dapr-api-token": token}).status == 401, (method, path)
        for path in ("/v1.0/healthz", "/v1.0/healthz/outbound"):
            assert other.call("GET", path, headers={"dapr-api-token": token}).status == 204


def test_token_reaches_no_callee(app, publisher, app_token):
    """The caller's API token is not passed on to a callee"""
    path = f"/api/{uuid.uuid4()}"
    publisher.invoke("contract-app", path)
    assert app.wait(path, 1)[0].headers.get_all("dapr-api-token") == [app_token]


def test_metadata(side):
    """The metadata tell id, version, components and whether the scheduler is connected"""
    metadata = side.metadata()
    assert metadata["id"] == "contract-app"
    assert {"kafka-pubsub", "statestore", "secrets"} <= {c["name"] for c in metadata["components"]}
    assert metadata["runtimeVersion"]
    assert metadata["scheduler"]["connected_addresses"]


def test_unknown_path(side, note):
    """A path that is not served is an error"""
    answer = side.call("GET", "/v1.0/no-such-thing")
    assert answer.status == 404, answer
    note(f"{answer.status} {answer.code}")


def test_health_before_the_app(run_app, note):
    """healthz/outbound is 204 before the app listens; healthz only after"""
    app, side = run_app("contract-early", start=False)
    app.stop()
    side.process.start()
    assert side.call("GET", "/v1.0/healthz/outbound").status == 204
    answer = side.call("GET", "/v1.0/healthz")
    assert answer.status == 500, answer
    note(f"healthz: {answer.status} {answer.code}")
    app.start()
    side.wait_connected()


def test_keep_alive(app, publisher):
    """The sidecar keeps its connection to the app open between calls"""
    path = f"/api/{uuid.uuid4()}"
    for _ in range(3):
        assert publisher.invoke("contract-app", path).status == 200
    assert len({r.port for r in app.to(path)}) == 1
