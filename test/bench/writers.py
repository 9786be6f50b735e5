# SPDX-License-Identifier: Apache-2.0
"""
Writers of tasks that cost little beside what they measure: a few connections in one thread, several requests in one send.
What a connection sends next a source tells; each user belongs to one connection, so what is written for him has an order.
"""
import collections
import json
import selectors
import socket
import time

CONNECTIONS = 32
DEPTH = 8  # requests of one send
NAP_SECONDS = 0.002


class WriteFailed(Exception):
    """An answer that was no success, or none."""


def request(method, path, token, body):
    text = json.dumps(body).encode()
    return (f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n").encode() + text


class Creates:
    """Tasks without end, of each user in turn."""

    def __init__(self, users):
        self.requests = collections.deque(
            request("POST", f"/api/{user}/tasks", token, {"title": f"Write the report for {user}", "description": "word " * 20,
                                                          "priority": "high"}) for user, token in users)

    def next(self):
        self.requests.rotate(-1)
        return self.requests[-1]

    def answered(self, body):
        pass


class Lives:
    """So many tasks of each user, each created and then changed: tasks * writes events for every user."""

    def __init__(self, users, tasks, writes):
        self.left = collections.deque(
            (user, token, request("POST", f"/api/{user}/tasks", token, {"title": f"Task {n}"}))
            for user, token in users for n in range(tasks))
        self.writes = writes
        self.asked = collections.deque()

    def next(self):
        """None: nothing more, or nothing until what was asked is answered."""
        if not self.left:
            return None
        user, token, text = self.left.popleft()
        self.asked.append((user, token, text))
        return text

    def answered(self, body):
        user, token, text = self.asked.popleft()
        if text.startswith(b"POST"):
            path = f"/api/{user}/tasks/{json.loads(body)['id']}"
            self.left.extend((user, token, request("PUT", path, token, {"title": f"Change {n}"}))
                             for n in range(1, self.writes))


class Requests:
    """What is written for each user, {user: [request]}, once; answers: the bodies."""

    def __init__(self, by_user, users):
        self.left = collections.deque(text for user, _ in users for text in by_user.pop(user, ()))
        self.answers = []

    def next(self):
        return self.left.popleft() if self.left else None

    def answered(self, body):
        self.answers.append(body)


class Connection:
    def __init__(self, port, source):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.source = source
        self.data = b""
        self.waiting = 0
        self.sent_at = 0

    def send(self, most):
        """How many it sent; 0: it has none."""
        texts = []
        while len(texts) < most and (text := self.source.next()) is not None:
            texts.append(text)
        if texts:
            self.socket.sendall(b"".join(texts))
            self.sent_at = time.perf_counter()
            self.waiting = len(texts)
        return len(texts)

    def receive(self):
        """Answers that are complete by now."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise WriteFailed("the connection was closed")
        self.data += data
        n, at = 0, 0
        while (end := self.data.find(b"\r\n\r\n", at)) >= 0:
            head = self.data[at:end].lower()
            if not head.startswith(b"http/1.1 20"):
                raise WriteFailed(self.data[at:at + 500])
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(self.data) < end + 4 + length:
                break
            at = end + 4 + length
            self.source.answered(self.data[end + 4:at])
            n += 1
        self.data = self.data[at:]
        self.waiting -= n
        return n


class Writers:
    """users: [(user, token)]. make_source: of the users of one connection."""

    def __init__(self, port, users, make_source):
        self.selector = selectors.DefaultSelector()
        self.connections = [Connection(port, make_source(users[n::CONNECTIONS])) for n in range(CONNECTIONS)]
        for c in self.connections:
            self.selector.register(c.socket, selectors.EVENT_READ, c)
        self.idle = collections.deque(self.connections)
        self.sent = self.acknowledged = 0
        self.times_ms = []  # of sends with one request

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for c in self.connections:
            c.socket.close()

    def run(self, seconds, allowance, depth=DEPTH):
        """
        Sends as many as allowance(how many this run has sent) says, then waits for what is not answered. seconds None: until
        the sources end.
        """
        until = time.perf_counter() + (seconds if seconds is not None else float("inf"))
        before = self.sent
        while time.perf_counter() < until and self.has_work(seconds):
            self.feed(allowance(self.sent - before), depth)
            self.collect()
        while any(c.waiting for c in self.connections):
            self.collect()
        return self

    def has_work(self, seconds):
        return seconds is not None or len(self.idle) < len(self.connections) or any(c.source.left for c in self.connections)

    def feed(self, allowed, depth):
        for _ in range(len(self.idle)):
            if allowed <= 0:
                return
            c = self.idle.popleft()
            n = c.send(min(allowed, depth))
            self.sent += n
            allowed -= n
            if n == 0:
                self.idle.append(c)

    def collect(self):
        for key, _ in self.selector.select(NAP_SECONDS):
            c = key.data
            is_single = c.waiting == 1
            self.acknowledged += c.receive()
            if c.waiting == 0:
                if is_single:
                    self.times_ms.append((time.perf_counter() - c.sent_at) * 1e3)
                self.idle.append(c)


def paced(rate):
    """An allowance for so many a second, whatever happened before."""
    started = time.perf_counter()
    return lambda sent: int((time.perf_counter() - started) * rate) - sent
