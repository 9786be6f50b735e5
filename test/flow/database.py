# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL for flow tests: private clusters by scripts/pg.sh, and databases in them."""
import os
import signal
import subprocess
import time

import psycopg2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PG = os.path.join(ROOT, "scripts", "pg.sh")
CLUSTERS = os.path.join(ROOT, ".run", "test")


# What requests write to, but for the counters: a row of those is not undone by undoing what it counts.
COUNTED = ("tasks", "outbox", "idempotency_keys", "tags", "task_tags", "reminders", "preferences", "deleted_tasks")


def counted(**tables):
    """What Database.counts() gives when these tables have so many rows and the others none."""
    assert set(tables) <= set(COUNTED), tables
    return {table: tables.get(table, 0) for table in COUNTED}


def run_pg(*args):
    # stdout may not be a pipe: the server would inherit it and hold it open.
    subprocess.run([PG, *args], check=True, stdout=subprocess.DEVNULL)


def pg_value(*args):
    return subprocess.run([PG, *args], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


class Cluster:
    """A server of its own, for tests that stop or kill it. Its data goes with remove()."""

    def __init__(self, name):
        sweep(name)
        self.directory = os.path.join(CLUSTERS, f"{name}-{os.getpid()}")
        self.settings = []

    def start(self, *settings):
        self.settings = list(settings)
        run_pg("start", self.directory, *settings)
        self.url = pg_value("url", self.directory)
        return self

    def restart(self):
        run_pg("start", self.directory, *self.settings)

    def stop(self):
        run_pg("stop", self.directory)

    def postmaster(self):
        with connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_read_file('postmaster.pid')")
            return int(cursor.fetchone()[0].split()[0])

    def kill(self):
        """As if the machine lost power, but for the disk cache: no process gets to say goodbye."""
        pid = self.postmaster()
        os.kill(pid, signal.SIGSTOP)  # or a session that it makes meanwhile outlives it, and may wait for ever for a lock of one that is dead
        children = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], text=True,
                                  stdout=subprocess.PIPE).stdout.split()
        for victim in [pid, *map(int, children)]:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # A new postmaster starts only when the old one has no entry in the process table any more.
        while os.path.exists(f"/proc/{pid}") or any(is_running(child) for child in children):
            time.sleep(0.01)

    def remove(self):
        run_pg("remove", self.directory)


def is_running(pid):
    """Not ended, be it reaped or not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def sweep(name):
    """Removes clusters of that name whose test run was killed."""
    for entry in os.listdir(CLUSTERS) if os.path.isdir(CLUSTERS) else []:
        prefix, _, pid = entry.rpartition("-")
        if prefix == name and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            run_pg("remove", os.path.join(CLUSTERS, entry))


def url_of(cluster_url, database, role="postgres"):
    """The same cluster, another database, another role."""
    return f"postgresql://{role}@/{database}" + cluster_url[cluster_url.index("?"):]


def connect(url):
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


class Database:
    """A migrated database, looked at and changed by its superuser, whom row security does not concern."""

    def __init__(self, cluster_url, name):
        self.cluster_url = cluster_url
        self.name = name
        self.url = url_of(cluster_url, name)
        self.api_url = url_of(cluster_url, name, "todod_api")
        self.connection = None

    def create(self):
        admin = connect(self.cluster_url)
        with admin.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{self.name}"')
        admin.close()
        return self

    def drop(self):
        self.close()
        admin = connect(self.cluster_url)
        with admin.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        admin.close()

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def rows(self, sql, *params):
        for attempt in (1, 2):
            if self.connection is None or self.connection.closed:
                self.connection = connect(self.url)
            try:
                with self.connection.cursor() as cursor:
                    cursor.execute(sql, params or None)
                    return cursor.fetchall() if cursor.description else []
            except psycopg2.OperationalError:
                self.close()
                if attempt == 2:
                    raise

    def stream(self, sql):
        """Rows of a result that is not held in memory as a whole."""
        connection = psycopg2.connect(self.url)
        try:
            with connection.cursor("stream") as cursor:
                cursor.execute(sql)
                yield from cursor
        finally:
            connection.close()

    def value(self, sql, *params):
        return self.rows(sql, *params)[0][0]

    def let_api_log_in(self):
        self.let_log_in("todod_api")

    def let_log_in(self, role):
        """What an operator does once after `todod migrate`. Other databases of the cluster may be doing it too."""
        self.rows("SELECT pg_advisory_lock(7)")
        try:
            self.rows(f"ALTER ROLE {role} LOGIN")
        finally:
            self.rows("SELECT pg_advisory_unlock(7)")

    def counts(self, user=None):
        """Rows of every table a request can write to; two equal counts with writes refused in between are the proof."""
        where = "" if user is None else " WHERE user_id = %s"
        params = () if user is None else (user,) * len(COUNTED)
        sql = ", ".join(f"(SELECT count(*) FROM todod.{table}{where})" for table in COUNTED)
        return dict(zip(COUNTED, self.rows(f"SELECT {sql}", *params)[0]))

    def fill_tasks(self, user, n):
        """n tasks, a millisecond apart, the first one oldest; ids from the sequence, as the daemon takes them."""
        block = self.value("SELECT nextval('todod.task_id_blocks')")
        self.value("SELECT setval('todod.task_id_blocks', %s)", (block + n) // 64 * 64 + 65)
        self.rows("""INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at)
            SELECT %s, %s + i, 'task ' || i, t.t, t.t
            FROM generate_series(1, %s) i, LATERAL (SELECT now() - make_interval(secs => (%s - i) * 0.001)) t(t)""",
                  user, block, n, n)
        self.rows("""INSERT INTO todod.user_counters (user_id, tasks) VALUES (%s, %s)
            ON CONFLICT (user_id) DO UPDATE SET tasks = todod.user_counters.tasks + excluded.tasks""", user, n)
        return block
