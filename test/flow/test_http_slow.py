# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow, idle, rude or many, against the echo tool with short deadlines."""

import contextlib
import resource
import json
import socket
import struct
import time

import pytest
from http_cases import chunked, head, post
from http_wire import Reader, connect, echo_server, exchange

STATS = head(b"Connection: close", start=b"GET /stats HTTP/1.1")


def stats(address):
    return json.loads(exchange(address, STATS).body)


def wait_for_stats(address, condition):
    for _ in range(500):
        got = stats(address)
        if condition(got):
            return got
        time.sleep(0.01)
    raise AssertionError(f"never true of {got}")


def dribble(sock, bytes_to_send, pause_s):
    """Sends byte by byte until the server has had enough; what it answered."""
    sock.settimeout(pause_s)
    got = b""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for byte in bytes_to_send:
            sock.send(bytes([byte]))
            try:
                got = sock.recv(65536)
                break
            except TimeoutError:
                continue
    sock.settimeout(10)
    return got


@pytest.fixture(scope="module")
def quick():
    with echo_server("--head-ms", 300, "--body-ms", 300, "--idle-ms", 300, "--write-ms", 500) as (address, _):
        yield address


@pytest.fixture(scope="module")
def patient():
    with echo_server() as (address, _):
        yield address


def test_a_dribbled_head_meets_its_deadline(quick):
    with connect(quick) as s:
        got = dribble(s, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10000, 0.02)
        assert got.startswith(b"HTTP/1.1 408 ")


def test_a_dribbled_body_meets_its_deadline(quick):
    with connect(quick) as s:
        s.sendall(post(b"Content-Length: 1000"))
        assert dribble(s, b"x" * 1000, 0.02).startswith(b"HTTP/1.1 408 ")


def test_a_dribbled_chunked_body_meets_its_deadline(patient):
    with echo_server("--body-ms", 1) as (address, _), connect(address) as s:
        # 64 KiB at 4 KiB/s are 16 s more: too long to wait for; so the bound is asked of a body of known length.
        s.sendall(post(b"Content-Length: 400"))
        assert dribble(s, b"x" * 400, 0.02).startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_says_nothing_is_closed(quick):
    with connect(quick) as s:
        assert Reader(s).is_closed()


def test_an_idle_keep_alive_connection_is_closed(quick):
    with connect(quick) as s:
        s.sendall(head())
        reader = Reader(s)
        assert reader.answer().status == 200
        assert reader.is_closed()


def test_a_client_that_takes_nothing_is_cut(quick):
    before = stats(quick)["aborts"]
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(quick)
        s.sendall(head(start=b"GET /stream?10000 HTTP/1.1"))
        wait_for_stats(quick, lambda got: got["aborts"] == before + 1)


def small_window(stack, address, request):
    s = stack.enter_context(socket.socket())
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(15)
    s.connect(address)
    s.sendall(request)
    return s


def test_a_client_that_takes_an_answer_in_drips_is_cut():
    # At least 4 KiB/s once the write deadline has passed; this one takes about 3, some in every period.
    with echo_server("--write-ms", 2000) as (address, _), contextlib.ExitStack() as stack:
        before = stats(address)["done"]
        s = small_window(stack, address, head(start=b"GET /stream?10000 HTTP/1.1"))
        for n_stats in range(1, 121):
            time.sleep(0.1)
            s.recv(300)
            if stats(address)["done"] - before > n_stats:
                return
        raise AssertionError("still there after six times the deadline")


def test_readers_that_wait_make_room_for_a_new_connection():
    with echo_server("--max-connections", 3, "--write-ms", 60000) as (address, _), contextlib.ExitStack() as stack:
        for _ in range(3):
            small_window(stack, address, head(start=b"GET /stream?10000 HTTP/1.1"))
        for _ in range(100):
            with contextlib.suppress(ConnectionResetError):
                if exchange(address, head()).status == 200:
                    return
            time.sleep(0.02)
        raise AssertionError("503 as long as nobody reads")


def test_an_evicted_http_1_0_answer_is_not_taken_for_complete():
    with echo_server("--max-connections", 1, "--write-ms", 60000) as (address, _), contextlib.ExitStack() as stack:
        s = small_window(stack, address, b"GET /stream?10000 HTTP/1.0\r\n\r\n")
        for _ in range(100):
            if exchange(address, head()).status == 200:
                break
            time.sleep(0.02)
        with pytest.raises(ConnectionResetError):
            while s.recv(65536):
                pass


def test_a_slow_reader_that_goes_on_gets_everything(quick):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.settimeout(15)
        s.connect(quick)
        s.sendall(head(b"Connection: close", start=b"GET /stream?100 HTTP/1.1"))
        reader = Reader(s)
        reader.until(b"\r\n\r\n")
        n = 0
        for i, chunk in enumerate(reader.chunks()):
            assert chunk == bytes([ord("a") + i % 26]) * len(chunk)
            n += len(chunk)
            time.sleep(0.01)
        assert n == 100 * 16384


def test_sixteen_pipelined_requests_are_answered_in_order(patient):
    with connect(patient) as s:
        s.sendall(b"".join(head(start=b"GET /%d HTTP/1.1" % i) for i in range(16)))
        reader = Reader(s)
        for i in range(16):
            assert json.loads(reader.answer().body)["target"] == f"/{i}"


def test_a_slow_answer_holds_back_the_ones_behind_it(patient):
    with connect(patient) as s:
        s.sendall(head(start=b"GET /slow?50 HTTP/1.1") + head(start=b"GET /stream?3 HTTP/1.1") + head())
        reader = Reader(s)
        assert reader.answer().body == b'{"slow":true}'
        assert len(reader.answer().body) == 3 * 16384
        assert json.loads(reader.answer().body)["target"] == "/"


def test_a_flood_of_pipelined_requests_is_answered(patient):
    one = head(start=b"GET /x HTTP/1.1")
    with connect(patient) as s:
        reader = Reader(s)
        for _ in range(20):
            s.sendall(one * 200)
            for _ in range(200):
                assert reader.answer().status == 200


def test_pipelined_behind_a_body(patient):
    with connect(patient) as s:
        s.sendall(chunked(b"3\r\nabc\r\n0\r\n\r\n") + post(b"Content-Length: 4", body=b"abcd") + head())
        reader = Reader(s)
        assert [json.loads(reader.answer().body)["body_bytes"] for _ in range(3)] == [3, 4, 0]


def test_bodies_arrive_whole(patient):
    for n in (1, 4095, 4096, 4097, 16384, 65535, 65536):
        got = json.loads(exchange(patient, post(b"Content-Length: %d" % n, body=b"\xff" * n)).body)
        assert (got["body_bytes"], got["body_sum"]) == (n, 255 * n)
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (b"a" * (n // 2), b"b" * (n - n // 2)) if p)
        got = json.loads(exchange(patient, chunked(body + b"0\r\n\r\n")).body)
        assert (got["body_bytes"], got["body_sum"]) == (n, 97 * (n // 2) + 98 * (n - n // 2))


def test_continue_is_sent_when_the_body_is_wanted(patient):
    with connect(patient) as s:
        s.sendall(post(b"Expect: 100-continue", b"Content-Length: 3"))
        reader = Reader(s)
        assert reader.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        s.sendall(b"abc")
        assert json.loads(reader.answer().body)["body_bytes"] == 3


@pytest.mark.parametrize("start,length,status", [(b"POST / HTTP/1.1", 70000, 413), (b"POST /refuse HTTP/1.1", 3, 403)])
def test_continue_is_not_sent_when_it_is_not(patient, start, length, status):
    with connect(patient) as s:
        s.sendall(head(b"Expect: 100-continue", b"Content-Length: %d" % length, start=start))
        reader = Reader(s)
        assert reader.until(b"\r\n").startswith(b"HTTP/1.1 %d " % status)


def test_a_refusal_reaches_a_client_that_is_still_sending(patient):
    with connect(patient) as s:
        s.sendall(post(b"Content-Length: 600000"))
        s.sendall(b"x" * 600000)
        reader = Reader(s)
        assert reader.answer().status == 413
        assert reader.is_closed()


def test_a_client_that_shut_down_its_side_gets_its_answers(patient):
    with connect(patient) as s:
        s.sendall(head(start=b"GET /slow?50 HTTP/1.1") + head(start=b"GET /big?300000 HTTP/1.1"))
        s.shutdown(socket.SHUT_WR)
        reader = Reader(s)
        assert reader.answer().body == b'{"slow":true}'
        assert len(reader.answer().body) == 300000
        assert reader.is_closed()


def test_a_client_that_shut_down_its_side_in_mid_body_is_gone(patient):
    for behind in (post(b"Content-Length: 10", body=b"abc"), chunked(b"3\r\nabc\r\n")):
        with connect(patient) as s:
            s.settimeout(4)  # the body's deadline would be 10 s
            s.sendall(head(start=b"GET /slow?50 HTTP/1.1") + behind)
            s.shutdown(socket.SHUT_WR)
            reader = Reader(s)
            assert reader.answer().body == b'{"slow":true}'
            assert reader.is_closed()


def test_a_client_that_left_is_noticed(patient):
    before = stats(patient)["aborts"]
    with connect(patient) as s:
        s.sendall(head(start=b"GET /slow?25000 HTTP/1.1"))
    wait_for_stats(patient, lambda got: got["aborts"] == before + 1)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("start", [b"GET /slow?25000 HTTP/1.1", b"GET /stream?100000 HTTP/1.1"])
def test_a_reset_ends_a_request_at_once(patient, start):
    before = stats(patient)["aborts"]
    s = connect(patient)
    s.sendall(head(start=start))
    time.sleep(0.05)
    reset(s)
    wait_for_stats(patient, lambda got: got["aborts"] == before + 1)


def test_a_reset_in_the_middle_of_a_long_answer(patient):
    for _ in range(20):
        s = connect(patient)
        s.sendall(head(start=b"GET /big?8000000 HTTP/1.1"))
        s.recv(1000)
        reset(s)
    wait_for_stats(patient, lambda got: got["connections"] == 1)


def test_a_head_answer_tells_the_length_and_sends_nothing(patient):
    with connect(patient) as s:
        s.sendall(head(start=b"HEAD /big?1000 HTTP/1.1") + head(start=b"HEAD /stream?3 HTTP/1.1") + head())
        reader = Reader(s)
        assert reader.answer(to_head=True).headers["content-length"] == "1000"
        assert reader.answer(to_head=True).headers["transfer-encoding"] == "chunked"
        assert reader.answer().status == 200


def test_http_1_0_streams_until_close(patient):
    with connect(patient) as s:
        s.sendall(b"GET /stream?3 HTTP/1.0\r\n\r\n")
        reader = Reader(s)
        assert b"chunked" not in reader.until(b"\r\n\r\n")
        assert len(reader.exactly(3 * 16384)) == 3 * 16384
        assert reader.is_closed()


@pytest.fixture
def many_descriptors():
    """As many clients as this process may hold, up to 10,000."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(10000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_many_idle_and_slow_clients_leave_room_for_a_good_one(many_descriptors):
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(echo_server("--max-connections", 500))
        for i in range(many_descriptors):
            s = stack.enter_context(connect(address))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall([b"", b"GET / HTT", post(b"Content-Length: 10"), head()][i % 4])
            if i % 100 == 0:
                assert exchange(address, head()).status == 200
        assert exchange(address, head()).status == 200
        assert stats(address)["connections"] <= 500


def test_the_connection_idle_longest_goes_first():
    with echo_server("--max-connections", 3) as (address, _), contextlib.ExitStack() as stack:
        conns = [stack.enter_context(connect(address)) for _ in range(3)]
        readers = [Reader(s) for s in conns]
        for s, reader in zip(conns, readers):
            s.sendall(head())
            assert reader.answer().status == 200
        conns[0].sendall(head())  # no longer the oldest
        assert readers[0].answer().status == 200
        assert exchange(address, head()).status == 200
        assert readers[1].is_closed()
        for i in (0, 2):
            conns[i].sendall(head())
            assert readers[i].answer().status == 200


def test_when_everybody_is_served_new_ones_get_503():
    with echo_server("--max-connections", 2) as (address, _), contextlib.ExitStack() as stack:
        conns = [stack.enter_context(connect(address)) for _ in range(2)]
        for s in conns:
            s.sendall(head(start=b"GET /slow?300 HTTP/1.1"))
        time.sleep(0.05)
        with connect(address) as s:
            reader = Reader(s)
            assert reader.answer().status == 503
            assert reader.is_closed()
        for s in conns:
            assert Reader(s).answer().status == 200


def test_out_of_descriptors_it_goes_on():
    limit = ["prlimit", "--nofile=40:40"]
    with echo_server(before=limit) as (address, _), contextlib.ExitStack() as stack:
        for _ in range(60):  # idle ones: the oldest give way
            stack.enter_context(connect(address))
        assert exchange(address, head()).status == 200
        for _ in range(60):  # busy ones: nobody can give way
            s = stack.enter_context(connect(address))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(head(start=b"GET /slow?700 HTTP/1.1"))
        time.sleep(0.2)
        with connect(address) as s:
            assert Reader(s).answer().status == 503
        time.sleep(1)
        assert exchange(address, head()).status == 200
