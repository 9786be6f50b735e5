# SPDX-License-Identifier: Apache-2.0
"""
How long searches, filters and sorts take for users with many tasks: one connection that asks one thing after the other, so
that what is measured is the work and not the queue.
"""
import datetime
import socket
import statistics
import time

REQUESTS = 200
# What a user may have at most to wait for at 1,000 tasks: missing it fails the run.
SEARCH_FLOOR_MS, FILTER_FLOOR_MS = 1000, 2000
# p99 that is aimed for.
AIMS_MS = {1000: 5, 10000: 30}


def queries():
    """(what it is called, the query); each asks for a page of 50."""
    day = (datetime.date.today() + datetime.timedelta(days=7)).isoformat()
    yield "newest", ""
    yield "search: a word", "search=coffee"
    yield "search: two words", "search=coffee+table"
    yield "search: a prefix", "search=c"
    yield "search: nothing", "search=nowhere"
    yield "status", "status=pending"
    yield "priority", "priority=high,urgent"
    yield "tag: one in 19", "tag=tag+7"
    yield "tag: on all tasks", "tag=tag+0"
    yield "two tags, any", "tag=tag+7,tag+8&tag_mode=any"
    yield "due before", f"due_before={day}"
    yield "due after", f"due_after={day}"
    yield "overdue", "overdue=true"
    yield "updated since", f"updated_since={datetime.date.today().isoformat()}"
    yield "all at once", (f"search=c&status=pending&priority=low,high&tag=tag+0&due_before={day}&overdue=false"
                          "&sort=due_date")
    for sort in ("updated", "due_date", "priority", "title", "completed"):
        yield f"sort: {sort}", f"sort={sort}"
    yield "sort: title, from the middle", "sort=title&cursor="


def is_search(what):
    return what.startswith("search")


class Client:
    """HTTP over one socket, with as little of its own as possible."""

    def __init__(self, port, token):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.token = token

    def close(self):
        self.socket.close()

    def request(self, method, path, body=b""):
        """(ms, head, body); ValueError for an answer that is no success."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        started = time.perf_counter()
        self.socket.sendall(head.encode() + b"\r\n" + body)
        answer = self.receive()
        took = (time.perf_counter() - started) * 1e3
        if not answer[0].startswith(b"HTTP/1.1 20"):
            raise ValueError(f"{method} {path}: {answer[0][:200]} {answer[1][:200]}")
        return took, *answer

    def receive(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive_some()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:])
        parts, n = [body], len(body)
        while n < length:
            parts.append(self.receive_some())
            n += len(parts[-1])
        return head, b"".join(parts)

    def receive_some(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise OSError("the connection was closed")
        return data


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def middle(client, path):
    """The cursor behind the second page: a place that the order gives, not an index of pages."""
    for _ in range(2):
        head = client.request("GET", path)[1]
        link = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"link:"))
        path = link[link.index(b"<") + 1:link.index(b">")].decode()
    return path


def measure(client, user):
    """{what: (p50 ms, p99 ms)}"""
    figures = {}
    for name, query in queries():
        path = f"/api/{user}/tasks?limit=50&{query}".rstrip("&")
        if path.endswith("cursor="):
            path = middle(client, path.removesuffix("&cursor="))
        # A statement gets its final plan with its sixth execution on a connection.
        for _ in range(30):
            client.request("GET", path)
        times = [client.request("GET", path)[0] for _ in range(REQUESTS)]
        figures[name] = statistics.median(times), percentile(times, 0.99)
    return figures
