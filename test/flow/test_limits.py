# SPDX-License-Identifier: Apache-2.0
"""What one client may take, and what is left for the others then."""
import contextlib
import socket

import http_wire
import process
from api_client import ops

STREAMS_OF_USER = 8


def slow_request(api, stack):
    """A request for the whole list by somebody who takes in next to nothing."""
    s = stack.enter_context(socket.socket())
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(http_wire.TIMEOUT_S * 2)
    s.connect(("127.0.0.1", api.daemon.port))
    s.sendall(f"GET {api.tasks} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n\r\n".encode())
    return s


def test_slow_readers_of_whole_lists(daemon, connect_api, api, database):
    """AR16: 8 of a user at a time; the ninth is 429 at once, and everybody else is served as ever."""
    database.fill_tasks(api.user, 3000)
    database.rows("UPDATE todod.tasks SET title = repeat('t', 200), description = repeat('d', 1000) WHERE user_id = %s",
                  api.user)
    other = connect_api(daemon)
    with contextlib.ExitStack() as stack:
        heads = [http_wire.Reader(s).until(b"\r\n\r\n").decode("ascii").split("\r\n")
                 for s in [slow_request(api, stack) for _ in range(20)]]
        assert sorted(h[0].split()[1] for h in heads) == ["200"] * STREAMS_OF_USER + ["429"] * (20 - STREAMS_OF_USER)
        for head in heads:
            names = {line.split(":")[0].lower() for line in head[1:]}
            assert ("retry-after" in names) == (" 429 " in head[0]), head
        refused = api.get(api.tasks)
        assert refused.status == 429 and int(refused.headers["retry-after"]) >= 1
        assert len(api.list("?limit=200")) == 200, "pages are no streams"
        assert other.create("meanwhile")
        assert len(other.list()) == 1

    def read_all():
        answer = api.get(api.tasks)
        assert answer.status in (200, 429), answer
        return answer if answer.status == 200 else None
    assert len(process.wait_until("a place among the streams", read_all, every=0.1).json) == 3000


def test_idle_clients_leave_descriptors_for_others(database, make_daemon, connect_api, tmp_path):
    """DE11: with more of them than descriptors, health checks, the database and a new client get theirs."""
    limited = tmp_path / "todod"
    limited.write_text(f"#!/bin/sh\nulimit -n 200\nexec {process.BINARY} \"$@\"\n", encoding="utf-8")
    limited.chmod(0o755)
    daemon = make_daemon(database, binary=str(limited))
    few, = daemon.log("http.few_descriptors")
    assert few["level"] == "warn" and few["descriptors"] == 200 and 16 <= few["max_connections"] < 200
    with contextlib.ExitStack() as stack:
        for i in range(300):
            stack.enter_context(http_wire.connect(("127.0.0.1", daemon.port)))
            if i % 20 == 19:
                assert ops(daemon, "/livez")[0] == 200, i
        assert ops(daemon, "/readyz")[0] == 200
        api = connect_api(daemon)
        task = api.create("among many")
        assert api.list() == [task]
    daemon.stop()
