# SPDX-License-Identifier: Apache-2.0
"""A sidecar that takes what is published in bulk, keeps state and jobs in memory, and can refuse, hang, forbid and go away."""
import http.client
import http.server
import json
import re
import socket
import threading
import time
import urllib.parse

STATE = re.compile(r"/v1\.0/state/statestore(?:/(.*))?")
JOB = re.compile(r"/v1\.0(?:-alpha1)?/jobs/([^/]+)")
BULK = re.compile(r"/v1\.0(?:-alpha1)?/publish/bulk/([^/]+)/([^/?]+)")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, owner):
        self.owner = owner
        self.connections = set()
        super().__init__(address, Handler)

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self):
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, *args):
        pass

    def answer(self, status, value=None):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/v1.0/healthz"):
            self.answer(204 if self.server.owner.is_ready else 500)
        elif self.path.startswith("/v1.0/metadata"):
            self.answer(200, {"id": "test", "runtimeVersion": "1.18.3"})
        elif self.path.startswith("/v1.0/secrets/secrets/"):
            secret = self.server.owner.secrets.get(self.path.rpartition("/")[2])
            self.answer(*((200, secret) if secret else (204, None)))
        elif self.path.startswith("/v1.0/invoke/"):
            self.invoke()
        elif (m := STATE.fullmatch(self.path.partition("?")[0])) and m[1]:
            self.read_state(urllib.parse.unquote(m[1]))
        else:
            self.answer(404)

    def read_state(self, key):
        found = self.server.owner.state.get(key)
        if found is None:
            self.answer(204)
            return
        body = json.dumps(found[0]).encode()
        self.send_response(200)
        self.send_header("ETag", str(found[1]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self):
        m = JOB.fullmatch(self.path)
        if m:
            self.server.owner.jobs.pop(m[1], None)
        self.answer(204 if m else 404)

    def invoke(self):
        """GET only, as daprd does it: with its token, and the caller's id."""
        _, _, _, app, _, path = self.path.split("/", 5)
        port = self.server.owner.apps.get(app)
        if port is None:
            self.answer(500, {"errorCode": "ERR_DIRECT_INVOKE", "message": "no such app"})
            return
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        connection.request("GET", "/" + path, headers={**headers, "dapr-caller-app-id": "chat-api"})
        response = connection.getresponse()
        body = response.read()
        self.send_response(response.status)
        for name in ("Content-Type", "Retry-After"):
            if response.headers[name]:
                self.send_header(name, response.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        if STATE.fullmatch(path):
            self.answer(self.server.owner.write_state(json.loads(body)))
            return
        if m := JOB.fullmatch(path):
            self.server.owner.jobs[m[1]] = json.loads(body)
            self.answer(204)
            return
        m = BULK.fullmatch(path)
        if m is None:
            self.answer(404)
            return
        status, value = self.server.owner.publish(m[1], m[2], json.loads(body), self.headers)
        self.answer(status, value)


class FakeSidecar:
    def __init__(self, start=True):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.is_ready = True
        self.server = None
        self.lock = threading.Lock()
        self.batches = []  # (topic, [event])
        self.entries = []  # (topic, key, event), in the order they were taken
        self.tokens = set()
        self.failing_keys = set()
        self.forbidden = set()  # topics
        self.poison = set()  # keys: a batch with one of them is refused as a whole
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.delay = 0
        self.deliver = None  # called with (topic, events) that were taken, before the publisher is told
        self.state = {}  # key -> (value, number of writes, which is its ETag)
        self.jobs = {}  # name -> what it was made of
        self.secrets = {}  # name -> {key: value}
        self.apps = {}  # id -> port of its Dapr listener
        if start:
            self.start()

    def start(self):
        self.server = Server(("127.0.0.1", self.port), self)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """Gone, also for connections that are open."""
        if self.server is None:
            return
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.server.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.server = None

    def write_state(self, items):
        """A status: first writes and ETags are conditions; a time to live is for ever."""
        with self.lock:
            for item in items:
                found = self.state.get(item["key"])
                is_first = item.get("options", {}).get("concurrency") == "first-write"
                if (found and is_first and "etag" not in item) or ("etag" in item and (found is None or item["etag"] != str(found[1]))):
                    return 409
                self.state[item["key"]] = (item["value"], found[1] + 1 if found else 1)
            return 204

    def publish(self, pubsub, topic, entries, headers):
        assert pubsub == "kafka-pubsub"
        self.may_answer.wait(60)
        time.sleep(self.delay)
        with self.lock:
            self.tokens.add(headers.get("dapr-api-token"))
            keys = [e["metadata"]["partitionKey"] for e in entries]
            ids = [e["entryId"] for e in entries]
            assert len(set(keys)) == len(keys) and len(set(ids)) == len(ids), "one event of a key in a batch"
            if topic in self.forbidden:
                return 403, {"errorCode": "ERR_PUBSUB_FORBIDDEN", "message": "no"}
            if self.poison & set(keys):
                return 400, {"errorCode": "ERR_PUBSUB_EVENTS_SER", "message": "no"}
            good = [e for e in entries if e["metadata"]["partitionKey"] not in self.failing_keys]
            self.batches.append((topic, [e["event"] for e in good]))
            self.entries += [(topic, e["metadata"]["partitionKey"], e["event"]) for e in good]
            failed = [e["entryId"] for e in entries if e not in good]
        if self.deliver:
            self.deliver(topic, [e["event"] for e in good])
        if failed:
            return 500, {"failedEntries": [{"entryId": i, "error": "no"} for i in failed], "errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE"}
        return 204, None

    def events(self, user, topic="task-events"):
        """What was taken, each event where it came first."""
        with self.lock:
            mine = {e["id"]: e for t, key, e in self.entries if t == topic and key == user}
        return list(mine.values())
