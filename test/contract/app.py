# SPDX-License-Identifier: Apache-2.0
"""An app beside a sidecar: serves its callbacks from threads, records them, and answers what a test told it to."""
import collections
import http.server
import json
import socket
import threading
import time

# port: of the connection that it came by, at its other end.
Request = collections.namedtuple("Request", "method path headers body number port")
KEEP_ALIVE_SECONDS = 120


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address, app):
        super().__init__(address, Handler)
        self.app = app
        self.connections = set()

    def cut(self):
        """As when a process dies: its connections end with it."""
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        """A sidecar that is killed breaks its connections; that is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = KEEP_ALIVE_SECONDS
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self):
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_):
        pass

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_any(self):
        body = self.read_body()
        made = self.server.app.answer(self.command, self.path, self.headers, body, self.client_address[1])
        if made is None:
            self.close_connection = True
            return
        status, headers, answer = made
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any


class App:
    """
    Subscriptions are told before start(). on(path, function) gives a path an answer: function(request) returns
    a status, (status, headers, body), or None: the connection ends without an answer. A path that has no function answers 200 and nothing.
    """

    def __init__(self, app_id):
        self.app_id = app_id
        self.subscriptions = []
        self.functions = {}
        self.requests = []
        self.lock = threading.Lock()
        self.server = None
        self.port = 0

    def subscribe(self, topic, dead_letter=None, raw=False, pubsub="kafka-pubsub"):
        """The path its events come to."""
        path = f"/events/{topic}"
        entry = {"pubsubname": pubsub, "topic": topic, "route": path}
        if dead_letter:
            entry["deadLetterTopic"] = dead_letter
        if raw:
            entry["metadata"] = {"rawPayload": "true"}
        self.subscriptions.append(entry)
        return path

    def on(self, path, function):
        self.functions[path] = function

    def start(self):
        self.server = Server(("127.0.0.1", self.port), self)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        """As if it had been killed: nobody listens, and what is being answered is not."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server.cut()
            self.server = None

    def answer(self, method, target, headers, body, port):
        path = target.split("?")[0]
        if path == "/healthz":
            return 200, {}, b""
        if path == "/dapr/config":
            return 404, {}, b""
        if path == "/dapr/subscribe":
            self.record(method, target, headers, body, port)
            return 200, {"Content-Type": "application/json"}, json.dumps(self.subscriptions).encode()
        request = self.record(method, target, headers, body, port)
        answer = self.functions.get(path, lambda _: 200)(request)
        if isinstance(answer, int):
            answer = (answer, {}, b"")
        return answer

    def record(self, method, target, headers, body, port):
        with self.lock:
            request = Request(method, target, headers, body, len(self.requests), port)
            self.requests.append(request)
            return request

    def to(self, path):
        """What came to a path, in order."""
        with self.lock:
            return [r for r in self.requests if r.path.split("?")[0] == path]

    def events(self, path):
        return [json.loads(r.body) for r in self.to(path)]

    def wait(self, path, count, seconds=60, where=lambda r: True):
        """The requests to a path that fulfil a condition, when there are that many."""
        found = []

        def enough():
            found[:] = [r for r in self.to(path) if where(r)]
            return len(found) >= count

        wait_until(lambda: f"{count} requests to {path}; there are {len(found)}", enough, seconds)
        return found


def wait_until(what, condition, seconds=60, every=0.02):
    """Polls with a generous bound; what a test asserts is that it happens, not how fast."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)
