# SPDX-License-Identifier: Apache-2.0
"""One app calls another through the embedded sidecar."""
import http.client
import json
import socket
import threading

import pytest

import process
from process import wait_until
from sidecar_host import App


@pytest.fixture
def callee():
    return App()


@pytest.fixture
def sidecar(make_sidecar, callee):
    return make_sidecar([("ws-gateway", App()), ("chat-api", callee), ("auditor", App())],
                        sidecar__scopes="auditor/invoke=ws-gateway").wait_healthy()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_passes_through(sidecar, callee, method):
    callee.on("/api/al%20ice/tasks", lambda call: (
        201, call.body[::-1], {"ETag": '"7"', "Location": "/x", "X-Many": "1", "Content-Type": "text/x", "Keep-Alive": "timeout=5",
                               "Connection": "X-Hop", "X-Hop": "gone"}))
    body = None if method in ("GET", "DELETE") else b"body \x00\xff"
    answer = sidecar.api("ws-gateway").call(
        method, "invoke/chat-api/method/api/al%20ice/tasks?a=b%20c&d", body,
        {"Authorization": "Bearer x", "X-Request-Id": "r1", "Connection": "X-Secret", "X-Secret": "hop", "dapr-api-token": "mine",
         "dapr-caller-app-id": "forged", "Content-Type": "text/y"})
    assert answer.status == 201 and answer.body == (body or b"")[::-1]
    assert answer.headers["etag"] == '"7"' and answer.headers["location"] == "/x" and answer.headers["content-type"] == "text/x"
    assert "x-hop" not in answer.headers and "keep-alive" not in answer.headers
    call, = callee.got()
    assert call.method == method and call.path == "/api/al%20ice/tasks?a=b%20c&d" and call.body == (body or b"")
    assert call.headers["authorization"] == "Bearer x" and call.headers["x-request-id"] == "r1"
    assert call.headers["dapr-caller-app-id"] == "ws-gateway" and call.headers["dapr-callee-app-id"] == "chat-api"
    assert "x-secret" not in call.headers and "dapr-api-token" not in call.headers


def test_statuses_and_sizes(sidecar, callee):
    api = sidecar.api("ws-gateway")
    for status in (200, 204, 304, 400, 404, 429, 500, 503):
        callee.on("/s", (status, b"" if status in (204, 304) else b"text"))
        assert api.call("GET", "invoke/chat-api/method/s").status == status
    assert api.call("HEAD", "invoke/chat-api/method/h").status == 200
    big = bytes(range(256)) * 16384
    callee.on("/big", lambda call: (200, call.body * 3))
    answer = api.call("POST", "invoke/chat-api/method/big", big)
    assert answer.status == 200 and answer.body == big * 3
    answer = api.call("POST", "invoke/chat-api/method/big", headers={"Content-Length": str(len(big) + 1)})
    assert answer.status == 500 and json.loads(answer.body)["errorCode"] == "ERR_BODY_TOO_LARGE"


def test_refusals(sidecar, callee):
    for app_id, target, path, status in [("ws-gateway", "nobody", "x", 500), ("auditor", "chat-api", "x", 403),
                                         ("ws-gateway", "chat-api", "a/../b", 400), ("ws-gateway", "chat-api", "a/%2E%2e/b", 400), ("ws-gateway", "chat-api", "a/..%2fb", 400)]:
        answer = sidecar.api(app_id).call("GET", f"invoke/{target}/method/{path}")
        assert answer.status == status and json.loads(answer.body)["errorCode"] == "ERR_DIRECT_INVOKE"
    assert sidecar.api("auditor").call("GET", "invoke/ws-gateway/method/x").status == 200
    callee.on("/broken", lambda call: None)
    answer = sidecar.api("ws-gateway").call("POST", "invoke/chat-api/method/broken", b"once")
    assert answer.status == 500 and json.loads(answer.body)["errorCode"] == "ERR_DIRECT_INVOKE"
    assert len(callee.got("/broken")) == 1  # not even where a kept connection broke
    callee.die()
    wait_until("it is down", lambda: sidecar.api("chat-api").call("GET", "healthz").status == 500)
    answer = sidecar.api("ws-gateway").call("GET", "invoke/chat-api/method/x")
    assert answer.status == 500 and json.loads(answer.body)["errorCode"] == "ERR_DIRECT_INVOKE"


class Streamer:
    """Answers its health, and streams on any other path until it is told to end."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.step = threading.Semaphore(0)
        self.gone = threading.Event()
        self.pieces = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                got = connection.recv(65536)
                if not got:
                    return
                data += got
            head, data = data.split(b"\r\n\r\n", 1)
            if b"/stream" not in head.split(b"\r\n")[0]:
                status = b"404 X" if b"/dapr/subscribe" in head else b"200 OK"
                connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
                continue
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for piece in self.pieces:
                    self.step.acquire()
                    connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if piece is not None else b"zzz\r\n")
                connection.sendall(b"0\r\n\r\n")
            except OSError:
                self.gone.set()
                return


@pytest.fixture
def streamer():
    return Streamer()


def open_stream(sidecar):
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.api("ws-gateway").port, timeout=60)
    connection.request("GET", "/v1.0/invoke/chat-api/method/stream")
    response = connection.getresponse()
    assert response.status == 200 and response.headers["Content-Type"] == "text/event-stream"
    return connection, response


def test_answers_are_streamed(make_sidecar, streamer):
    """Each piece arrives before the next one is made."""
    sidecar = make_sidecar([("ws-gateway", App()), ("chat-api", streamer)]).wait_healthy()
    streamer.pieces = [b"data: %d\n\n" % n for n in range(5)]
    _, response = open_stream(sidecar)
    for piece in streamer.pieces:
        streamer.step.release()
        assert response.read(len(piece)) == piece
    assert response.read() == b""


def test_streams_that_end_early(make_sidecar, streamer):
    sidecar = make_sidecar([("ws-gateway", App()), ("chat-api", streamer)]).wait_healthy()
    streamer.pieces = [b"first", None]
    streamer.step.release()
    _, response = open_stream(sidecar)
    assert response.read(5) == b"first"
    streamer.step.release()
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    # The caller goes away: so does the callee's connection.
    streamer.pieces = [b"x" * 1000] * 10000
    connection, response = open_stream(sidecar)
    streamer.step.release(1)
    assert response.read(1000)
    response.close()
    connection.close()
    streamer.step.release(10000)
    assert streamer.gone.wait(60)


def test_a_slow_reader_holds_the_callee_back(make_sidecar, streamer):
    """256 MiB to a reader that waits: what is kept is bounded."""
    # The sanitizer would keep what was freed.
    options = process.SANITIZERS["ASAN_OPTIONS"] + ":quarantine_size_mb=1"
    sidecar = make_sidecar([("ws-gateway", App()), ("chat-api", streamer)], start=False)
    sidecar.env = {"ASAN_OPTIONS": options}
    sidecar.start()
    sidecar.wait_healthy()
    streamer.pieces = [b"x" * 1024 * 1024] * 256
    streamer.step.release(256)
    _, response = open_stream(sidecar)
    wait_until("it is held back", lambda: streamer.step._value < 256)

    def resident():
        with open(f"/proc/{sidecar.process.pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("VmRSS")).split()[1])
    total, peak = 0, 0
    while chunk := response.read(1024 * 1024):
        total += len(chunk)
        peak = max(peak, resident())
    assert total == 256 * 1024 * 1024
    assert peak < 200 * 1024
