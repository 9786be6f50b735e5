# SPDX-License-Identifier: Apache-2.0
"""A client on a bare socket, and the echo server it talks to. Nothing here repairs what it sends or receives."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S = 15


def connect(address):
    s = socket.create_connection(address, timeout=TIMEOUT_S)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Reader:
    """Reads answers off one connection, strictly."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def more(self):
        got = self.sock.recv(65536)
        self.data += got
        return bool(got)

    def until(self, mark):
        while mark not in self.data:
            if not self.more():
                raise EOFError(f"closed after {self.data[:200]!r}")
        part, self.data = self.data.split(mark, 1)
        return part

    def exactly(self, n):
        while len(self.data) < n:
            if not self.more():
                raise EOFError(f"closed {n - len(self.data)} bytes early")
        part, self.data = self.data[:n], self.data[n:]
        return part

    def chunks(self):
        while n := int(self.until(b"\r\n"), 16):
            yield self.exactly(n)
            assert self.exactly(2) == b"\r\n"
        assert self.exactly(2) == b"\r\n"

    def answer(self, to_head=False):
        """The next final answer."""
        lines = self.until(b"\r\n\r\n").decode("ascii").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        status = int(status)
        if status == 100:
            return self.answer(to_head)
        if to_head or status in (204, 304):
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, b"".join(self.chunks()))
        return Answer(status, headers, self.exactly(int(headers["content-length"])))

    def is_closed(self):
        """True at the end of the stream; fails when more bytes come, times out when nothing does."""
        try:
            got = self.sock.recv(1)
        except ConnectionResetError:
            return True
        assert not self.data and not got, f"unexpected bytes {self.data + got!r}"
        return True


def exchange(address, request, to_head=False):
    with connect(address) as s:
        s.sendall(request)
        return Reader(s).answer(to_head)


def echo_binary():
    build = os.environ.get("TODOD_TEST_BUILD") or ROOT / "build" / os.environ.get("PROFILE", "asan")
    return pathlib.Path(build) / "test/tools/http_echo"


@contextlib.contextmanager
def echo_server(*options, before=()):
    """(address, process) of an echo server with these options; it must end cleanly, which shows leaks under ASan."""
    p = subprocess.Popen([*before, str(echo_binary()), *map(str, options)], stdout=subprocess.PIPE)
    try:
        yield ("127.0.0.1", int(p.stdout.readline())), p
        p.send_signal(signal.SIGTERM)
        assert p.wait(TIMEOUT_S) == 0
    finally:
        if p.poll() is None:
            p.kill()
        p.wait()
        p.stdout.close()
