# SPDX-License-Identifier: Apache-2.0
"""Every request of http_cases.py on the wire, in one write and byte by byte.

Against the server at TODOD_HTTP_TARGET (host:port), or else against the echo tool.
"""

import concurrent.futures
import os

import pytest
from http_cases import CASES, OK, SYNTAX, head
from http_wire import Reader, connect, echo_server

FOLLOW_UP = head(b"Connection: close")


@pytest.fixture(scope="module")
def target():
    named = os.environ.get("TODOD_HTTP_TARGET")
    if named:
        host, port = named.rsplit(":", 1)
        yield (host, int(port)), False
    else:
        with echo_server() as (address, _):
            yield address, True


def send(sock, request, bytewise):
    try:
        if bytewise:
            for i in range(len(request)):
                sock.send(request[i : i + 1])
        else:
            sock.sendall(request)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before the end; the answer is there to be read


def run_case(address, request, bytewise):
    """(status, closed, follow-up status)"""
    with connect(address) as s:
        send(s, request, bytewise)
        reader = Reader(s)
        answer = reader.answer(to_head=b"HEAD " in request[:7] and b"\r\n\r\n" in request)
        if answer.headers.get("connection") == "close":
            return answer.status, reader.is_closed(), None
        s.sendall(FOLLOW_UP)
        return answer.status, False, reader.answer().status


@pytest.fixture(scope="module")
def results(target):
    address, _ = target
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        futures = {
            (name, bytewise): pool.submit(run_case, address, request, bytewise)
            for name, request, _, _ in CASES
            for bytewise in (False, True)
        }
        concurrent.futures.wait(futures.values(), timeout=55)
    return futures


@pytest.mark.parametrize("way", ["at-once", "bytewise"])
@pytest.mark.parametrize("name,status,must_close", [(c[0], c[2], c[3]) for c in CASES], ids=[c[0] for c in CASES])
def test_case(target, results, name, status, must_close, way):
    got, closed, follow_up = results[name, way == "bytewise"].result(timeout=0)
    if status != OK:
        assert got == status
    elif target[1]:
        assert got == 200
    else:
        assert got not in SYNTAX and got < 500
    if must_close:
        assert closed
    if target[1] and not must_close:
        assert not closed
        assert follow_up == 200


def test_ids_are_unique():
    assert len({c[0] for c in CASES}) == len(CASES) >= 200
