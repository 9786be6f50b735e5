# SPDX-License-Identifier: Apache-2.0
"""The embedded sidecar as a process, apps that it calls (threads of http.server), and a client of its API."""
import collections
import http.client
import http.server
import json
import os
import threading
import time
import urllib.parse

import process
from api_client import metrics

Answer = collections.namedtuple("Answer", "status headers body")


class Call(collections.namedtuple("Call", "method path headers body at")):
    @property
    def json(self):
        return json.loads(self.body)


class App:
    """A process of an app, as the sidecar sees it. on(path, function) sets what is answered: a status, or (status, body)."""

    def __init__(self, subscriptions=(), port=0):
        self.subscriptions = list(subscriptions)
        self.answers = {}
        self.calls = []
        self.lock = threading.Lock()
        self.health = 200
        self.server = None
        self.start(port)

    def start(self, port=0):
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding"):
                    raise AssertionError("chunked")
                app.handle(self, body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = handle_any

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass

        self.sockets = []
        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        original = self.server.process_request

        def process_request(request, client_address):
            self.sockets.append(request)
            original(request, client_address)

        self.server.process_request = process_request
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def on(self, path, answer):
        self.answers[path] = answer

    def handle(self, handler, body):
        path = handler.path.split("?")[0]
        if path == "/healthz":
            self.reply(handler, self.health, b"")
            return
        if path == "/dapr/subscribe":
            self.reply(handler, 200, json.dumps(self.subscriptions).encode())
            return
        call = Call(handler.command, handler.path, {k.lower(): v for k, v in handler.headers.items()}, body,
                    time.time())
        answer = self.answers.get(path, 200)
        if callable(answer):
            answer = answer(call)
        with self.lock:
            self.calls.append(call)
        if answer is None:
            handler.close_connection = True
            return
        status, content, *headers = answer if isinstance(answer, tuple) else (answer, b"")
        self.reply(handler, status, content, *headers)

    @staticmethod
    def reply(handler, status, content, headers=None):
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    def got(self, path=None):
        with self.lock:
            return [c for c in self.calls if path is None or c.path.split("?")[0] == path]

    def wait(self, path, n=1, seconds=60):
        return process.wait_until(f"{n} calls of {path}", lambda: (found := self.got(path)) and len(found) >= n and found,
                                  seconds)

    def die(self):
        """As kill -9: connections break, the port is closed. start(port) brings another process up."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.sockets:
            try:
                connection.shutdown(2)
                connection.close()
            except OSError:
                pass


def event(number, key="k", **more):
    return {"specversion": "1.0", "id": f"{key}-{number}", "type": "test.event", "source": "test", "subject": key,
            "time": "2026-01-01T00:00:00Z", "traceid": "00-1-1-01", "traceparent": "00-1-1-01",
            "datacontenttype": "application/json", "data": {"number": str(number), **more}}


class Api:
    """What an app does: calls the sidecar at its port."""

    def __init__(self, port, token=None, version="v1.0"):
        self.port, self.token, self.version = port, token, version

    def call(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = dict(headers or {})
            if self.token is not None:
                headers.setdefault("dapr-api-token", self.token)
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, f"/{self.version}/{path}", body, headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def publish(self, topic, body, key=None, content_type="application/cloudevents+json", pubsub="kafka-pubsub", **metadata):
        if key is not None:
            metadata["partitionKey"] = key
        query = urllib.parse.urlencode({f"metadata.{k}": v for k, v in metadata.items()})
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.call("POST", f"publish/{pubsub}/{topic}" + (f"?{query}" if query else ""), body,
                         {"Content-Type": content_type})


class Sidecar(process.Daemon):
    role = "sidecar"

    def __init__(self, directory, database, apps, **config):
        """apps: pairs of app id and App; one id may come several times."""
        self.apps = apps
        entries = ", ".join(f"{name}=0:{app.address}" for name, app in apps)
        settings = {"database.url": database.url.replace("postgres@", "todod_sidecar@"), "sidecar.apps": entries,
                    "sidecar.probe_interval": "200ms", **{k.replace("__", "."): v for k, v in config.items()}}
        super().__init__(directory, settings)

    def api(self, app_id, number=0, **kwargs):
        ports = [e["port"] for e in self.log("http.listening") if e["listener"] == "sidecar" and e.get("app_id") == app_id]
        return Api(ports[number], **kwargs)

    def wait_healthy(self, *app_ids):
        for app_id in app_ids or {name for name, _ in self.apps}:
            process.wait_until(f"{app_id} is healthy", lambda: self.api(app_id).call("GET", "healthz").status == 204)
        return self

    def metrics(self):
        return metrics(self)


def make_writable(directory):
    os.makedirs(directory, exist_ok=True)
    return directory
