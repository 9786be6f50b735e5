#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`make bench`: todod beside pgbench and a Node server, on one PostgreSQL, in one run.

Every figure of the first table is the median of three alternating rounds at 32 keep-alive connections. Before each
round the tables are brought back to 100,000 tasks. Then searches, filters and sorts over 1,000 and 10,000 tasks are
timed one by one, a tag on 5,000 tasks is renamed, and domain/recurrence is asked. The tables are printed, and written
to build/bench.md for docs/performance.md. In the environment:

  BENCH_SECONDS=10   how long one measurement takes
  BENCH_ROUNDS=3     how many there are
  BENCH_COMMIT=on    PostgreSQL's synchronous_commit, for all three alike: off takes the disk out of the comparison
  BENCH_OPTIONS=     flags for todod, as --database.connections=16

It fails when a request failed, or a search or filter over 1,000 tasks took longer than anybody may have to wait; not when
a goal was missed: a shared machine decides too much of that.
"""
import datetime
import json
import os
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

import lists
import recurrence

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "tools"))
import proc  # noqa: E402

HERE = os.path.join(ROOT, "test", "bench")
RUN = os.path.join(ROOT, ".run", "bench")
PG_DIRECTORY = os.path.join(RUN, "pg")
TODOD = os.path.join(ROOT, "build", "release", "todod")
RECURRENCE_DRIVER = os.path.join(ROOT, "build", "release", "test", "tools", "recurrence_driver")
SECONDS = int(os.environ.get("BENCH_SECONDS", "10"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
COMMIT = os.environ.get("BENCH_COMMIT", "on")
OPTIONS = shlex.split(os.environ.get("BENCH_OPTIONS", ""))
CONNECTIONS = 32
USERS = [f"bench-{n}" for n in range(200)]
SLOW_USERS = [f"slow-{n}" for n in range(4)]
IDLE_CONNECTIONS = 1000
KINDS = {"create": "create", "list": "list of 50", "update": "update"}
PEER_KINDS = ("create", "list")
LIST_USERS = {1000: "filter-1000", 10000: "filter-10000"}
RENAME_USER, RENAME_TASKS = "rename-5000", 5000


class Failed(Exception):
    """A measurement that did not work; what it says is all there is to know."""


def say(text):
    print(f"bench: {text}", flush=True)


def output_of(*argv, env=None):
    result = subprocess.run(argv, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            check=False)
    if result.returncode:
        raise Failed(f"{' '.join(argv)[:200]}: status {result.returncode}\n{result.stderr.strip()[-2000:]}")
    return result.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- load ----

def wrk(port, kind, tokens, seconds, connections=CONNECTIONS, limit=50):
    """tokens: a file with a user and a token a line."""
    env = dict(os.environ, BENCH_KIND=kind, BENCH_TOKENS=tokens, BENCH_LIMIT=str(limit))
    text = output_of("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", os.path.join(HERE, "load.lua"),
                     f"http://127.0.0.1:{port}", env=env)
    result = json.loads(text.strip().splitlines()[-1])
    if result["errors"] or not result["requests"]:
        raise Failed(f"{kind} on port {port}: {result['errors']} of {result['requests']} requests failed")
    return result


def pgbench(server_version_num, url, kind, seconds):
    """(transactions, transactions a second)"""
    text = output_of(f"/usr/lib/postgresql/{server_version_num[:2]}/bin/pgbench", "-n", "-M", "prepared", "-f",
                     os.path.join(HERE, kind + ".pgbench"), "-c", str(CONNECTIONS), "-j", "1", url, "-T", str(seconds))
    failed = re.search(r"number of failed transactions: (\d+)", text)
    if failed and int(failed[1]):
        raise Failed(f"pgbench {kind}: {failed[0]}")
    return int(re.search(r"transactions actually processed: (\d+)", text)[1]), float(re.search(r"tps = ([\d.]+)", text)[1])


# ---- PostgreSQL ----

class Database:
    script = os.path.join(ROOT, "scripts", "pg.sh")

    def start(self):
        subprocess.run([self.script, "start", PG_DIRECTORY, "shared_buffers=512MB", "max_wal_size=4GB",
                        "max_connections=100"], check=True)

    def remove(self):
        subprocess.run([self.script, "remove", PG_DIRECTORY], check=False)

    def url(self, role="postgres", name="todod"):
        return output_of(self.script, "url", PG_DIRECTORY, name, role).strip()

    def sql(self, text, name="todod"):
        return output_of(self.script, "psql", PG_DIRECTORY, name, "-q", "-At", "-v", "ON_ERROR_STOP=1", "-c", text)

    def file(self, name):
        with open(os.path.join(HERE, name), encoding="utf-8") as f:
            subprocess.run([self.script, "psql", PG_DIRECTORY, "todod", "-q", "-v", "ON_ERROR_STOP=1"], stdin=f,
                           stdout=subprocess.DEVNULL, check=True)

    def cpu_seconds(self):
        """Of the whole server: sessions that are there, and those that ended."""
        return proc.tree_cpu_seconds(int(self.sql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")))


# ---- what is measured ----

class Server:
    """A process that answers HTTP; its log goes to a file, as it would in production."""

    def __init__(self, name, argv, port, ready_path, ready_port=None):
        self.name, self.argv, self.port = name, argv, port
        self.ready_path, self.ready_port = ready_path, ready_port or port
        self.process = None
        self.log = os.path.join(RUN, name + ".log")

    def start(self, seconds=20):
        """How long it took until it was ready, in ms."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("TODOD_")}
        with open(self.log, "wb") as log:
            started = time.monotonic()
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                                            cwd=ROOT)
        while time.monotonic() - started < seconds:
            if self.process.poll() is not None:
                break
            if self.is_ready():
                return (time.monotonic() - started) * 1e3
            time.sleep(0.0005)
        self.stop()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise Failed(f"{self.name} did not get ready: {log.read()[-2000:]}")

    def is_ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.ready_port), timeout=1) as s:
                s.sendall(f"GET {self.ready_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                # Any answer but 5xx: without a token the peer says 401.
                return re.match(rb"HTTP/1.1 [234]", s.recv(64)) is not None
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu_seconds(self):
        return proc.cpu_seconds(self.process.pid)

    def private_kib(self):
        return proc.memory_kib(self.process.pid)


class Sampler(threading.Thread):
    """The most private memory a server had while this ran."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.most, self.ended = server, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.05):
            self.most = max(self.most, self.server.private_kib())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class Bench:
    def __init__(self):
        self.database = Database()
        self.ours = self.peer = None
        self.tokens = os.path.join(RUN, "tokens")
        self.key = os.path.join(RUN, "key.pem")
        self.config = os.path.join(RUN, "todod.conf")
        self.rates = {}      # (who, kind) -> requests a second of each round
        self.cpu = {}        # (who, kind) -> CPU us a request of each round
        self.latency = {}    # (who, kind) -> p99 ms of each round
        self.database_cpu = {}  # (who, kind) -> PostgreSQL's CPU us a request of each round
        self.list_figures = {}  # tasks -> what -> (p50 ms, p99 ms)
        self.bytes = {}      # kind -> bytes of one of our answers
        self.most_private = 0
        self.notes = []
        self.notes += busy_notes()

    # ---- setting up ----

    def prepare(self):
        os.makedirs(RUN, exist_ok=True)
        self.database.start()
        self.database.sql("CREATE DATABASE todod", "postgres")
        self.database.sql(f"ALTER DATABASE todod SET synchronous_commit = {COMMIT}")
        output_of("openssl", "genpkey", "-algorithm", "ED25519", "-out", self.key)
        output_of("openssl", "pkey", "-in", self.key, "-pubout", "-out", self.key + ".pub")
        port, ops_port = free_port(), free_port()
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"database.url = {self.database.url('todod_api')}\n"
                    f"database.migrate_url = {self.database.url()}\n"
                    f"http.port = {port}\nops.port = {ops_port}\ndapr.port = 0\nauth.mode = builtin\nauth.key_file = {self.key}\n")
        output_of(TODOD, "migrate", f"--config={self.config}")
        self.database.sql("ALTER ROLE todod_api LOGIN")
        self.database.file("fill.sql")
        self.database.file("filters.sql")
        with open(self.tokens, "w", encoding="utf-8") as f:
            f.writelines(f"{user} {self.mint(user)}\n" for user in USERS)
        self.ours = Server("todod", [TODOD, "--role=chat-api", f"--config={self.config}", *OPTIONS],
                           port, "/readyz", ops_port)
        self.ours.start()
        self.start_peer()

    def mint(self, user):
        return output_of(TODOD, "token", "--user", user, "--ttl", "36000", f"--config={self.config}").strip()

    def start_peer(self):
        """Without npm, a network, or Node 20 there is no peer, and the table says so."""
        directory = os.path.join(HERE, "peer")
        port = free_port()
        peer = Server("peer", ["node", os.path.join(directory, "server.mjs"), str(port),
                               self.database.url("todod_api"), self.key + ".pub"], port, "/api/bench-0/tasks")
        try:
            if not os.path.isdir(os.path.join(directory, "node_modules", "fastify")):
                say("npm ci in test/bench/peer")
                output_of("npm", "ci", "--prefix", directory, "--no-audit", "--no-fund", "--ignore-scripts")
            peer.start()
            self.peer = peer
        except (Failed, OSError) as e:
            self.notes.append(f"No Node peer: {e}")
            say(self.notes[-1])

    def finish(self):
        for server in (self.ours, self.peer):
            if server:
                server.stop()
        self.database.remove()

    # ---- one measurement ----

    def wrk(self, port, kind, seconds=SECONDS, connections=CONNECTIONS, limit=50):
        return wrk(port, kind, self.tokens, seconds, connections, limit)

    def measure_server(self, server, kind):
        self.wrk(server.port, kind, 1)
        before, database_before = server.cpu_seconds(), self.database.cpu_seconds()
        with Sampler(server) as sampler:
            result = self.wrk(server.port, kind)
        used, database_used = server.cpu_seconds() - before, self.database.cpu_seconds() - database_before
        n = result["requests"]
        if server is self.ours:
            self.most_private = max(self.most_private, sampler.most)
            self.bytes[kind] = result["bytes"] / n
        self.record(server.name, kind, n / result["seconds"], database_used * 1e6 / n)
        self.cpu.setdefault((server.name, kind), []).append(used * 1e6 / n)
        self.latency.setdefault((server.name, kind), []).append(result["p99_ms"])
        say(f"{' ' * 8}{used * 1e6 / n:.1f} us CPU, p99 {result['p99_ms']:.1f} ms")

    def measure_pgbench(self, kind):
        server, url = self.database.sql("SHOW server_version_num"), self.database.url()
        pgbench(server, url, kind, 1)
        before = self.database.cpu_seconds()
        n, rate = pgbench(server, url, kind, SECONDS)
        self.record("pgbench", kind, rate, (self.database.cpu_seconds() - before) * 1e6 / n)

    def record(self, who, kind, rate, database_us):
        self.rates.setdefault((who, kind), []).append(rate)
        self.database_cpu.setdefault((who, kind), []).append(database_us)
        say(f"{kind} {who}: {rate:.0f}/s, {database_us:.0f} us CPU of PostgreSQL")

    def rounds(self):
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            for kind in KINDS:
                self.database.file("reset.sql")
                self.measure_server(self.ours, kind)
                self.database.file("reset.sql")
                self.measure_pgbench(kind)
                if self.peer and kind in PEER_KINDS:
                    self.database.file("reset.sql")
                    self.measure_server(self.peer, kind)
        self.database.file("reset.sql")

    # ---- many tasks of one user ----

    def measure_lists(self):
        for tasks, user in LIST_USERS.items():
            say(f"lists of {tasks} tasks")
            client = lists.Client(self.ours.port, self.mint(user))
            try:
                self.list_figures[tasks] = lists.measure(client, user)
            except (OSError, ValueError) as e:
                raise Failed(f"lists of {tasks} tasks: {e}") from e
            finally:
                client.close()

    def worst_list(self, tasks, is_search):
        return max(p99 for what, (_, p99) in self.list_figures[tasks].items() if lists.is_search(what) == is_search)

    def too_slow(self):
        """What nobody may have to wait for, and did."""
        for what, (_, p99) in self.list_figures[1000].items():
            floor = lists.SEARCH_FLOOR_MS if lists.is_search(what) else lists.FILTER_FLOOR_MS
            if p99 > floor:
                yield f"{what}: p99 {p99:.0f} ms over 1,000 tasks, at most {floor} ms"

    def rename_seconds(self):
        client = lists.Client(self.ours.port, self.mint(RENAME_USER))
        try:
            took, _, body = client.request("PATCH", f"/api/{RENAME_USER}/tags/tag%200", b'{"name":"renamed"}')
        except (OSError, ValueError) as e:
            raise Failed(f"rename: {e}") from e
        finally:
            client.close()
        moved = self.database.sql(f"SELECT count(*) FROM todod.task_tags WHERE user_id = '{RENAME_USER}' AND key = 'renamed'")
        if int(moved) != RENAME_TASKS:
            raise Failed(f"rename: {moved.strip()} tasks have the new name; {body[:200]}")
        return took / 1e3

    # ---- single figures ----

    def stripped_bytes(self):
        stripped = os.path.join(RUN, "todod.stripped")
        output_of("strip", "-o", stripped, TODOD)
        return os.path.getsize(stripped)

    def start_ms(self):
        times = []
        for _ in range(7):
            self.ours.stop()
            times.append(self.ours.start())
        return statistics.median(times)

    def idle_connection_bytes(self):
        """Each has had one answer and stays open; measured in a young process, which has no freed memory to give them."""
        user, token = self.first_token()
        before = self.ours.private_kib()
        open_sockets = []
        try:
            for _ in range(IDLE_CONNECTIONS):
                s = socket.create_connection(("127.0.0.1", self.ours.port), timeout=10)
                open_sockets.append(s)
                s.sendall(get_request(f"/api/{user}/tasks?limit=1", token))
                if not s.recv(65536).startswith(b"HTTP/1.1 200"):
                    raise Failed("an idle connection was not answered with 200")
            time.sleep(0.5)
            return (self.ours.private_kib() - before) * 1024 / IDLE_CONNECTIONS
        finally:
            for s in open_sockets:
                s.close()

    def first_token(self):
        with open(self.tokens, encoding="utf-8") as f:
            return f.readline().split()

    def syscalls(self, kind):
        """By strace, while wrk runs; None where tracing is not allowed."""
        table = os.path.join(RUN, "strace")
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", table, "-p", str(self.ours.process.pid)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            if tracer.poll() is not None:
                self.notes.append("System calls were not counted: strace may not attach here.")
                return None
            requests = self.wrk(self.ours.port, kind, 3)["requests"]
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)
        with open(table, encoding="ascii") as f:
            rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$",
                              f.read(), re.M)
        calls = {name: int(count) / requests for count, name in rows if name != "total"}
        most = ", ".join(f"{name} {n:.2f}" for name, n in sorted(calls.items(), key=lambda c: -c[1])[:6])
        return sum(calls.values()), most

    def large_answer(self):
        """(bytes, p50 ms) of an answer of about 20 kB over one connection."""
        limit = max(1, min(200, round(50 * 20000 / self.bytes["list"])))
        result = self.wrk(self.ours.port, "list", 3, 1, limit)
        return result["bytes"] / result["requests"], result["p50_ms"]

    def slow_readers(self):
        """Private memory (KiB, before and at most) while four clients take 10,000 tasks each, slowly at first."""
        self.database.file("slow_readers.sql")
        before = self.ours.private_kib()
        with Sampler(self.ours) as sampler:
            readers = [threading.Thread(target=self.read_slowly, args=(user,)) for user in SLOW_USERS]
            self.slow_results = []
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
        if self.slow_results != [10000] * len(SLOW_USERS):
            raise Failed(f"slow readers got {self.slow_results} tasks")
        return before, sampler.most

    def read_slowly(self, user):
        try:
            self.slow_results.append(len(json.loads(self.download(user))))
        except (OSError, ValueError) as e:
            self.slow_results.append(str(e))

    def download(self, user):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            s.settimeout(30)
            s.connect(("127.0.0.1", self.ours.port))
            s.sendall(get_request(f"/api/{user}/tasks", self.mint(user), "Connection: close\r\n"))
            chunks, slow_until = [], time.monotonic() + 8
            while chunk := s.recv(4096):
                chunks.append(chunk)
                if time.monotonic() < slow_until:
                    time.sleep(0.02)
        head, _, body = b"".join(chunks).partition(b"\r\n\r\n")
        return join_chunks(body) if b"chunked" in head.lower() else body

    # ---- the report ----

    def rate(self, who, kind):
        values = self.rates.get((who, kind))
        return statistics.median(values) if values else None

    def ratio(self, kind, other):
        theirs = self.rate(other, kind)
        return self.rate("todod", kind) / theirs if theirs else None

    def cpu_us(self, who, kind):
        values = self.cpu.get((who, kind))
        return statistics.median(values) if values else None

    def rate_rows(self):
        for kind, label in KINDS.items():
            for who in ("todod", "pgbench", "peer"):
                rates = self.rates.get((who, kind))
                if rates:
                    cpu, p99 = self.cpu_us(who, kind), self.latency.get((who, kind))
                    yield (label, {"peer": "Node peer"}.get(who, who), f"{statistics.median(rates):,.0f}",
                           " ".join(f"{r:,.0f}" for r in rates), f"{cpu:.1f}" if cpu is not None else "",
                           f"{statistics.median(self.database_cpu[who, kind]):.0f}",
                           f"{statistics.median(p99):.1f}" if p99 else "")

    def list_rows(self):
        for what in self.list_figures[1000]:
            yield (what, *(f"{ms:.2f}" for tasks in LIST_USERS for ms in self.list_figures[tasks][what]))

    def goal_rows(self, idle, start, stripped, calls):
        yield goal("create / pgbench create", self.ratio("create", "pgbench"), 1.2, True, "{:.2f}")
        yield goal("list of 50 / pgbench list", self.ratio("list", "pgbench"), 0.75, True, "{:.2f}")
        yield goal("create / Node peer", self.ratio("create", "peer"), 2, True, "{:.2f}")
        yield goal("list of 50 / Node peer", self.ratio("list", "peer"), 4, True, "{:.2f}")
        yield goal("CPU of todod per create", self.cpu_us("todod", "create"), 28, False, "{:.1f} us")
        yield goal("CPU of todod per list of 50", self.cpu_us("todod", "list"), 50, False, "{:.1f} us")
        yield goal("private memory with 32 connections", self.most_private / 1024, 6, False, "{:.1f} MiB")
        yield goal("private memory per idle connection", idle / 1024, 6, False, "{:.1f} KiB")
        yield goal("exec to ready", start, 50, False, "{:.0f} ms")
        yield goal("stripped binary", stripped / 1e6, 1.5, False, "{:.2f} MB")
        for tasks, aim in lists.AIMS_MS.items():
            yield goal(f"slowest search over {tasks:,} tasks, p99", self.worst_list(tasks, True), aim, False, "{:.1f} ms")
            yield goal(f"slowest filter or sort over {tasks:,} tasks, p99", self.worst_list(tasks, False), aim, False,
                       "{:.1f} ms")
        yield goal("next occurrence, slowest typical call", calls["typical rules"][2], 50, False, "{:.1f} us")
        yield goal("next occurrence, slowest call of any rule", max(c[2] for c in calls.values()), 1000, False, "{:.0f} us")

    def report(self):
        start, idle = self.start_ms(), self.idle_connection_bytes()
        calls = recurrence.measure(RECURRENCE_DRIVER)
        goals = list(self.goal_rows(idle, start, self.stripped_bytes(), calls))
        return "\n\n".join([
            f"{machine(self.database.sql('SHOW server_version').strip(), COMMIT)}; todod's flags: {' '.join(OPTIONS) or 'none'}.\n"
            f"{ROUNDS} alternating rounds of {SECONDS} s, medians; {CONNECTIONS} keep-alive connections; 100,000 tasks "
            f"of {len(USERS)} users; load generators, server and PostgreSQL share the machine.",
            table(("measurement", "who", "per second", "rounds", "CPU us each", "PostgreSQL's CPU us", "p99 ms"),
                  self.rate_rows()),
            table(("goal", "measured", "wanted", "reached"), goals),
            table(("page of 50, one connection", "1,000 tasks: p50 ms", "p99 ms", "10,000 tasks: p50 ms", "p99 ms"),
                  self.list_rows()),
            table(("further", "measured"), self.further_rows(calls)),
            *self.notes,
        ]) + "\n"

    def further_rows(self, calls):
        yield "update / pgbench update", f"{self.ratio('update', 'pgbench'):.2f}"
        took = self.rename_seconds()
        yield (f"renaming a tag on {RENAME_TASKS:,} tasks",
               f"{took:.2f} s: {RENAME_TASKS / took:,.0f} tasks a second, each with its version and two events")
        calls_a_second = 1e6 / calls["typical rules"][1]
        yield "next occurrences of typical rules, one core", f"{calls_a_second:,.0f} a second"
        for what, (_, mean, worst) in calls.items():
            yield f"next occurrence, {what}", f"{mean:.1f} us on average, {worst:.1f} us at most"
        for kind in KINDS:
            counted = self.syscalls(kind)
            if counted:
                yield f"system calls per {kind}", f"{counted[0]:.1f} ({counted[1]})"
        size, p50 = self.large_answer()
        yield f"p50 of an answer of {size / 1000:.1f} kB, one connection", f"{p50:.2f} ms"
        before, most = self.slow_readers()
        yield ("private memory, 4 slow readers of 10,000 tasks each",
               f"{most / 1024:.1f} MiB at most, {before / 1024:.1f} before")


def get_request(path, token, more=""):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n".encode()


def join_chunks(body):
    parts, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[end + 2:end + 2 + size])
        at = end + 4 + size


def goal(name, value, wanted, at_least, form):
    sign = ">=" if at_least else "<="
    if value is None:
        return name, "not measured", f"{sign} {form.format(wanted)}", ""
    reached = value >= wanted if at_least else value <= wanted
    return name, form.format(value), f"{sign} {form.format(wanted)}", "yes" if reached else "no"


def table(head, rows):
    rows = [head, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def busy_notes():
    """That others use the machine, if they do, in the second before this began. Its load would count what waits, too."""
    used = proc.machine_seconds()
    time.sleep(1)
    share = (proc.machine_seconds() - used) / os.cpu_count()
    if share < 0.05:
        return []
    say(note := f"The machine was {share:.0%} busy before this began, so the figures are not worth keeping.")
    return [note]


def machine(server, commit_setting):
    """What it ran on, as a sentence without an end."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"^model name\s*:\s*(.+)$", f.read(), re.M)
    with open("/proc/meminfo", encoding="ascii") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read())[1]) / 1024 / 1024
    with open("/etc/os-release", encoding="utf-8") as f:
        system = re.search(r'^PRETTY_NAME="(.+)"', f.read(), re.M)[1]
    commit = output_of("git", "rev-parse", "--short", "HEAD").strip()
    return (f"{datetime.date.today()}, commit {commit}; {os.cpu_count()} x {model[1] if model else 'unknown CPU'}, "
            f"{memory:.0f} GiB, {system}, Linux {os.uname().release}, PostgreSQL {server}, fsync on, "
            f"synchronous_commit {commit_setting}")


def main():
    for program in ("wrk", "strace", "strip"):
        if not shutil.which(program):
            sys.exit(f"bench: {program} is missing; run scripts/deps.sh bench")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = Bench()
    bench.database.remove()
    shutil.rmtree(RUN, ignore_errors=True)
    try:
        bench.prepare()
        bench.rounds()
        bench.measure_lists()
        text = bench.report()
    except Failed as e:
        sys.exit(f"bench: {e}")
    finally:
        bench.finish()
    with open(os.path.join(ROOT, "build", "bench.md"), "w", encoding="utf-8") as f:
        f.write(text)
    print("\n" + text)
    too_slow = list(bench.too_slow())
    for problem in too_slow:
        say(problem)
    return 1 if too_slow else 0


if __name__ == "__main__":
    sys.exit(main())
