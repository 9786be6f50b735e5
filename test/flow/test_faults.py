# SPDX-License-Identifier: Apache-2.0
"""
What fails around the service, and the service itself killed at any moment: it says 503, comes back without a
restart, and what it acknowledged is there, once and whole.
"""
import http.client
import random
import signal
import socket
import threading
import time

import pytest

from api_client import ops
from database import Cluster, counted
from process import wait_until
from test_tasks import locked, waiting_for_locks

# Between the database being back and the service being back; the aim is 2 s, the bound is for a loaded machine.
BACK_SECONDS = 20


@pytest.fixture(scope="module")
def own_cluster():
    cluster = Cluster("faults").start()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="module")
def own_database(own_cluster, make_database):
    return make_database("faults", url=own_cluster.url)


@pytest.fixture(scope="module")
def own_daemon(own_database, make_daemon):
    daemon = make_daemon(own_database, database__statement_timeout="1s", database__connect_timeout="2s",
                         http__drain_timeout="5s")
    yield daemon
    daemon.stop()


@pytest.fixture
def api(own_daemon, connect_api):
    wait_until("the service", lambda: ops(own_daemon, "/readyz")[0] == 200)
    return connect_api(own_daemon)


def is_down(api, task):
    """Every route says 503 with Retry-After (the client checks it), the loop is alive, the service is not ready."""
    answers = [api.get(api.tasks), api.get(api.path(task)), api.get(api.tasks + "?limit=5"),
               api.request("POST", api.tasks, {"title": "lost"}, {"Idempotency-Key": "lost"}), api.complete(task),
               api.delete(task)]
    assert {a.status for a in answers} == {503}, answers
    assert {a.json["code"] for a in answers} == {"unavailable"}
    assert ops(api.daemon, "/livez")[0] == 200
    assert ops(api.daemon, "/readyz")[0] == 503
    assert api.get("/health").status == 503
    return True


def test_database_stopped_and_started(api, own_cluster, own_database):
    """DE11: /livez 200 and /readyz 503 while the database is away; SE11: 503 with Retry-After; back without a restart."""
    task = api.create("before")
    before = own_database.counts(api.user)
    own_cluster.stop()
    try:
        wait_until("not ready", lambda: ops(api.daemon, "/readyz")[0] == 503)
        assert is_down(api, task)
    finally:
        own_cluster.restart()
    wait_until("ready again", lambda: ops(api.daemon, "/readyz")[0] == 200, BACK_SECONDS)
    assert own_database.counts(api.user) == before
    assert api.read(task) == task
    assert api.create("after", headers={"Idempotency-Key": "lost"})
    assert own_database.counts(api.user)["tasks"] == 2
    names = [e["msg"] for e in api.daemon.log()]
    assert "database.down" in names and names.count("database.up") >= 2


def test_database_restarted_between_two_requests(api, own_cluster):
    """Sessions that are dead when they are used next are not the client's trouble for long."""
    task = api.create("before")
    own_cluster.stop()
    own_cluster.restart()
    wait_until("an answer", lambda: api.get(api.path(task)).status == 200, BACK_SECONDS)
    assert api.read(task) == task


def test_sessions_killed(api, own_database):
    """An operator ends all sessions of the service: at most a 503, then new ones."""
    task = api.create("before")
    for _ in range(3):
        own_database.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'todod_api'")
        wait_until("an answer", lambda: api.get(api.path(task)).status == 200, BACK_SECONDS)
    assert api.complete(task).json["version"] == 2


def test_database_at_its_connection_limit(api, own_database):
    """DE11: no session to be had: 503, and back once there is one."""
    task = api.create("before")
    own_database.rows("ALTER ROLE todod_api CONNECTION LIMIT 0")
    try:
        own_database.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'todod_api'")
        wait_until("not ready", lambda: ops(api.daemon, "/readyz")[0] == 503)
        assert is_down(api, task)
    finally:
        own_database.rows("ALTER ROLE todod_api CONNECTION LIMIT -1")
    wait_until("ready again", lambda: ops(api.daemon, "/readyz")[0] == 200, BACK_SECONDS)
    assert api.read(task) == task


def test_statement_timeout(api, own_database):
    """A write that waits too long for a lock: 503, nothing written, and its key can be used again."""
    task = api.create("t")
    before = own_database.counts(api.user)
    lock = locked(own_database, task)
    try:
        answer = api.complete(task, headers={"Idempotency-Key": "k"})
        assert answer.status == 503
        assert api.read(task) == task, "reads go on"
        assert ops(api.daemon, "/readyz")[0] == 200, "one slow statement is no outage"
    finally:
        lock.close()
    assert own_database.counts(api.user) == before
    assert api.complete(task, headers={"Idempotency-Key": "k"}).json["version"] == 2


@pytest.fixture(scope="module")
def patient_daemon(database, make_daemon):
    """Lets a statement hang for longer than any test here takes."""
    daemon = make_daemon(database, database__statement_timeout="120s")
    yield daemon
    daemon.stop()


def test_a_held_query_holds_nobody_else(patient_daemon, connect_api, database):
    """AR16: for five seconds, while statements hang on locks, /livez and the requests of others are answered; then these go through."""
    daemon = patient_daemon
    blocked, other = connect_api(daemon), connect_api(daemon)
    task = blocked.create("held")
    lock = locked(database, task)
    done = []
    holder = threading.Thread(target=lambda: done.append(blocked.complete(task)))
    holder.start()
    try:
        wait_until("the writer waits", lambda: waiting_for_locks(database) >= 1)
        until = time.monotonic() + 5
        rounds = 0
        while time.monotonic() < until or rounds < 50:
            assert ops(daemon, "/livez")[0] == 200
            mine = other.create("free")
            assert other.read(mine) == mine
            assert other.complete(mine).status == 200
            assert other.get(other.tasks + "?limit=5").status == 200
            rounds += 1
        assert not done, "still held after all that"
        status, text = ops(daemon, "/debug/fibers")
        assert status == 200 and "completeTask" in text and "db.query" in text
    finally:
        lock.close()
        holder.join()
    assert done[0].status == 200 and done[0].json["version"] == 2


def test_a_held_query_holds_no_crowd(patient_daemon, connect_api, database):
    """AR16: the same with more clients at once than there are database sessions: nobody queues behind the held one."""
    blocked = connect_api(patient_daemon)
    task = blocked.create("held")
    crowd = [connect_api(patient_daemon) for _ in range(16)]
    finished, errors, done = [], [], []

    def live(api):
        try:
            for i in range(10):
                mine = api.create(str(i))
                assert api.complete(mine).status == 200
            finished.append(api)
        except BaseException as e:  # pylint: disable=broad-except
            errors.append(e)

    lock = locked(database, task)
    holder = threading.Thread(target=lambda: done.append(blocked.complete(task)))
    holder.start()
    threads = [threading.Thread(target=live, args=(a,)) for a in crowd]
    try:
        wait_until("the writer waits", lambda: waiting_for_locks(database) >= 1)
        time.sleep(0.1)  # by now its session counts as one that hangs
        for t in threads:
            t.start()
        wait_until("the crowd is served", lambda: len(finished) == 16 or errors or done)
        served = len(finished)
    finally:
        lock.close()
        for t in [holder, *threads]:
            t.join()
    assert not errors, errors[0]
    assert served == 16, f"only {served} of 16 clients were served while one query was held"
    assert done[0].status == 200


# ---- killed at any moment ----

class Ledger:
    """Clients that create with keys, note what was acknowledged, and repeat what was not."""

    def __init__(self, apis):
        self.apis = apis
        self.acknowledged = [{} for _ in apis]
        self.unsure = [[] for _ in apis]
        self.stop = threading.Event()
        self.threads = []
        self.errors = []

    def create(self, n, key):
        """The task, or None when nobody knows."""
        try:
            answer = self.apis[n].request("POST", self.apis[n].tasks, {"title": key}, {"Idempotency-Key": key})
        except (OSError, http.client.HTTPException):
            self.apis[n].close()
            return None
        if answer.status == 503:
            return None
        assert answer.status == 201, answer
        return answer.json

    def run(self, n, name):
        i = 0
        try:
            while not self.stop.is_set():
                key = f"{name}-{n}-{i}"
                task = self.create(n, key)
                while task is None and not self.stop.wait(0.02):
                    task = self.create(n, key)
                if task is not None:
                    self.acknowledged[n][key] = task
                else:
                    self.unsure[n].append(key)
                i += 1
        except BaseException as e:  # pylint: disable=broad-except
            self.errors.append(e)

    def start(self, name):
        self.stop.clear()
        self.threads = [threading.Thread(target=self.run, args=(n, name)) for n in range(len(self.apis))]
        for t in self.threads:
            t.start()

    def finish(self):
        self.stop.set()
        for t in self.threads:
            t.join()
        assert not self.errors, self.errors[0]

    def total(self):
        return sum(map(len, self.acknowledged))

    def settle(self):
        """Repeats what is not known, until it is."""
        for n, keys in enumerate(self.unsure):
            for key in keys:
                self.acknowledged[n][key] = wait_until(key, lambda n=n, key=key: self.create(n, key))
            keys.clear()

    def check_whole(self, database):
        """Task, event, kept answer and count: all of a write or nothing of it."""
        for api in self.apis:
            counts = database.counts(api.user)
            n = counts["tasks"]
            assert counts == counted(tasks=n, outbox=2 * n, idempotency_keys=n), (api.user, counts)
            rows = database.rows("SELECT tasks FROM todod.user_counters WHERE user_id = %s", api.user)
            assert (rows[0][0] if rows else 0) == counts["tasks"]

    def check_kept(self, database):
        """Everything acknowledged is there once, as it was answered, with its one event on each of two topics."""
        for n, api in enumerate(self.apis):
            stored = {}
            for row_id, title, version in database.rows("SELECT id, title, version FROM todod.tasks WHERE user_id = %s",
                                                        api.user):
                assert title not in stored, f"{title} twice"
                stored[title] = (row_id, version)
            events = database.rows("SELECT (event::json->>'subject')::bigint, topic FROM todod.outbox WHERE user_id = %s",
                                   api.user)
            assert len(events) == len(set(events)) == 2 * len(stored)
            assert {e[0] for e in events} == {s[0] for s in stored.values()}
            for key, task in self.acknowledged[n].items():
                assert stored.get(key) == (task["id"], 1), key


def kill_daemon(daemon, cluster):
    del cluster
    daemon.kill()
    daemon.check_output()
    daemon.start()


def kill_database(daemon, cluster):
    del daemon
    cluster.kill()
    cluster.restart()


@pytest.mark.parametrize("kill, rounds", [(kill_daemon, 6), (kill_database, 4)])
def test_killed_at_random_moments(own_daemon, own_cluster, own_database, connect_api, kill, rounds):
    """Keyed creates by several clients; kill -9 in the middle; every acknowledged task is there once, none is half there."""
    wait_until("the service", lambda: ops(own_daemon, "/readyz")[0] == 200)
    ledger = Ledger([connect_api(own_daemon) for _ in range(5)])
    rng = random.Random(kill.__name__)
    for i in range(rounds):
        before = ledger.total()
        ledger.start(f"round{i}")
        try:
            wait_until("some work", lambda before=before: ledger.total() >= before + 20 or ledger.errors)
            time.sleep(rng.uniform(0, 0.05))
            kill(own_daemon, own_cluster)
        finally:
            ledger.finish()
        wait_until("the service again", lambda: ops(own_daemon, "/readyz")[0] == 200, BACK_SECONDS)
        ledger.check_whole(own_database)
        ledger.check_kept(own_database)
        ledger.settle()
        ledger.check_kept(own_database)
        ledger.check_whole(own_database)
    assert ledger.total() >= 20 * rounds


# ---- told to stop ----

def refuses_connections(port):
    """A connection that was still queued when the listener closed is reset: that one was too early to tell."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return False
    except ConnectionResetError:
        return False
    except ConnectionRefusedError:
        return True


def test_sigterm_drains(database, make_daemon, connect_api):
    """DE11: part: a stop lets the requests under way finish, takes no new ones, and ends with 0."""
    daemon = make_daemon(database)
    api, idle = connect_api(daemon), connect_api(daemon)
    task = api.create("t")
    idle.list()
    lock = locked(database, task)
    answers = []
    writer = threading.Thread(target=lambda: answers.append(api.complete(task)))
    writer.start()
    try:
        wait_until("the writer waits", lambda: waiting_for_locks(database) >= 1)
        daemon.signal(signal.SIGTERM)
        wait_until("no new connections", lambda: refuses_connections(daemon.port))
        assert ops(daemon, "/livez")[0] == 200
        assert ops(daemon, "/readyz")[0] == 503
        assert daemon.is_alive() and not answers
    finally:
        lock.close()
        writer.join()
    assert answers[0].status == 200 and answers[0].json["version"] == 2
    assert answers[0].headers["connection"] == "close"
    assert daemon.wait_exit() == 0
    assert refuses_connections(daemon.port) and refuses_connections(daemon.ops_port)
    with pytest.raises((http.client.HTTPException, OSError)):
        idle.list()
    assert [e["msg"] for e in daemon.log()][-1] == "role.stopped"
    daemon.process = None


def test_sigterm_does_not_wait_for_ever(database, make_daemon, connect_api):
    """After the grace what is left is cancelled; nothing of it is half written."""
    daemon = make_daemon(database, http__drain_timeout="200ms")
    api = connect_api(daemon)
    task = api.create("t")
    before = database.counts(api.user)
    lock = locked(database, task)
    outcome = []

    def write():
        try:
            outcome.append(api.complete(task, headers={"Idempotency-Key": "k"}).status)
        except (OSError, http.client.HTTPException):
            outcome.append("cut")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until("the writer waits", lambda: waiting_for_locks(database) >= 1)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit() == 0
        writer.join()
    finally:
        lock.close()
    assert outcome[0] in (503, "cut")
    daemon.process = None
    wait_until("the session is gone", lambda: waiting_for_locks(database) == 0)
    after = database.counts(api.user)
    # The statement may have been under way in the database; then all of it happened.
    assert after == before or after == {**before, "outbox": 4, "idempotency_keys": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_while_starting(own_database, make_daemon, number):
    """A stop while it still waits for its database ends it at once, with 0."""
    daemon = make_daemon(own_database, start=False, database__start_timeout="60s")
    daemon.config["database.url"] = "postgresql://todod_api@/nothing?host=/nonexistent"
    daemon.start(wait=False)
    assert ops(daemon, "/livez")[0] == 200
    assert ops(daemon, "/readyz")[0] == 503
    daemon.signal(number)
    assert daemon.wait_exit() == 0
    daemon.process = None


def test_it_waits_for_its_database(own_cluster, own_database, make_daemon):
    """Started before its database, ready when that is there."""
    own_database.close()
    own_cluster.stop()
    try:
        daemon = make_daemon(own_database, wait=False)
        wait_until("it tells why it waits", lambda: ops(daemon, "/readyz")[0] == 503)
    finally:
        own_cluster.restart()
    daemon.wait_ready()
    wait_until("ready", lambda: ops(daemon, "/readyz")[0] == 200, BACK_SECONDS)
    daemon.stop()


def test_a_failure_of_ours_tells_no_internals(make_database, make_daemon, connect_api):
    """SE6: a database whose rights are wrong makes a 500 with nothing in it; the log has the reason."""
    database = make_database("broken")
    daemon = make_daemon(database)
    api = connect_api(daemon)
    task = api.create("t")
    api.openapi = None
    database.rows("REVOKE SELECT ON todod.tasks FROM todod_api")
    answer = api.get(api.path(task))
    assert answer.status == 500 and answer.json["code"] == "internal"
    assert ops(daemon, "/livez")[0] == 200
    for word in (b"SQLSTATE", b"42501", b"permission", b"tasks\"", b"relation"):
        assert word not in answer.body.replace(api.tasks.encode(), b""), answer
    failed = wait_until("the log line", lambda: daemon.log("http.failed"))
    assert "42501" in failed[-1]["text"] and failed[-1]["level"] == "error"
    daemon.stop()
