# SPDX-License-Identifier: Apache-2.0
"""--role=all: every role and the embedded sidecar in one process, which nobody can tell from processes of their own."""
import datetime
import glob
import http.client
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ed25519

import process
from api_client import metrics, ops
from conftest import pem_of, write_private
from database import Cluster, Database, url_of
from mail_host import MailHost
from process import ROOT, wait_until
from run_all import is_free

OK, USAGE, UNAVAILABLE, CONFIG = 0, 64, 69, 78
NAMES = ("sidecar", "chat-api", "recurrer", "notifier", "auditor")  # in the order of their start
APPS = NAMES[1:]
CANARY = "canary-of-a-password"


def describe():
    done = process.run("--role=all", "--describe")
    assert done.returncode == OK and done.stderr == ""
    return json.loads(done.stdout)


DESCRIBED = {role["name"]: role for role in describe()["roles"]}
PORTS = {name: role["ports"] for name, role in DESCRIBED.items()}


def free_base():
    """Where chat-api's port may be, with all that stand as far from it as they do by default."""
    offsets = [port - 8000 for ports in PORTS.values() for port in ports.values()]
    offsets += [ports["public"] - 8000 + 300 for ports in PORTS.values()]
    for _ in range(100):
        base = random.randrange(10240, 32000)
        if all(is_free(base + offset) for offset in offsets):
            return base
    raise AssertionError("no free ports")


def let_all_log_in(database):
    for name in sorted({entry["role"] for role in DESCRIBED.values() for entry in role["database_roles"]}):
        database.let_log_in(name)
    return database


def config_of(output):
    """{role: {key: (value, place)}} of --check-config."""
    found = {}
    for line in output.splitlines():
        if line.startswith("# "):
            role = found.setdefault(line[2:], {})
        else:
            key, value, place = re.fullmatch(r"(\S+) = (.*)  # (.*)", line).groups()
            role[key] = (value, place)
    return found


class All(process.Daemon):
    """A process of all roles. port is chat-api's."""
    argument = "all"
    prefix = ()
    config_path = None  # instead of the file

    def __init__(self, directory, database, **config):
        self.base = free_base()
        super().__init__(directory, {})
        self.database = database
        self.config = {"all.port": self.base, "database.url": database.url, **{k.replace("__", "."): v for k, v in config.items()}}

    def popen(self, argv, **kwargs):  # pylint: disable=method-hidden
        argv = [f"--config={self.config_path}" if self.config_path and a.startswith("--config=") else a for a in argv]
        return subprocess.Popen([*self.prefix, *argv], **kwargs)

    def check_line(self, line):
        """Each role writes under its own name, and nothing is written by nobody in particular."""
        role = json.loads(line)["role"]
        return process.check_log_line(line, role if role in NAMES else "one of the roles")

    def port_of(self, role, kind="public"):
        return self.base + PORTS[role][kind] - 8000

    def wait_ready(self):
        self.port = self.base
        self.ops_port = self.port_of("chat-api", "ops")
        wait_until("all are ready", self.is_ready)
        # What is delivered before the sidecar has found the apps waits for its next look.
        wait_until("the apps", lambda: {e["app_id"] for e in self.log("sidecar.app_up")} == set(APPS))

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}: {self.stderr()}{self.stdout()[-2000:]}")
        return self.answer("/readyz") == 200

    def answer(self, path):
        """The status of the operations listener; None: there is none, or none any more."""
        try:
            return ops(self, path)[0]
        except (ConnectionError, http.client.HTTPException):
            return None

    def lines(self, msg, **fields):
        return [e for e in self.log(msg) if fields.items() <= e.items()]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory, key_file):
    """Where the keys are: what a person makes once."""
    directory = tmp_path_factory.mktemp("secrets")
    return {"auth.key_file": key_file, "audit.kek_file": write_private(directory / "kek", b"5f" * 32 + b"\n"),
            "audit.checkpoint_key_file": write_private(directory / "checkpoint.pem", pem_of(ed25519.Ed25519PrivateKey.generate()))}


@pytest.fixture
def make_all(secrets, tmp_path_factory):
    """A function that starts a process of all roles."""
    made = []

    def make(database, start=True, wait=True, **config):
        daemon = All(str(tmp_path_factory.mktemp("all")), database, **{**secrets, **config})
        made.append(daemon)
        return daemon.start(wait) if start else daemon

    yield make
    for daemon in made:
        daemon.stop()


@pytest.fixture
def own_database(request, make_database):
    return let_all_log_in(make_database("all_" + re.sub(r"\W+", "_", request.node.name)[:40]))


def audited(database, user):
    """(task id, type) of a user's trail, in its order."""
    return database.rows("SELECT task_id, type FROM todod.audit WHERE user_id = %s ORDER BY n", user)


def verify(daemon):
    done = process.run("audit", "verify", f"--config={daemon.directory}/todod.conf", "--audit.kek_file=" + daemon.config["audit.kek_file"])
    assert done.returncode == OK, done
    assert json.loads(done.stdout)["faults"] == 0, done


def call(port, path, headers=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


# ---- one event through all of it ----

def role_of(series):
    return re.search(r'role="([^"]*)"', series).group(1)


def test_from_a_write_to_its_history(make_all, own_database, connect_api):
    """All of them in one process: a task, its row in the trail, its history; one correlation id on the whole way, each line
    under the role that wrote it; commands read the same file."""
    daemon = make_all(own_database)
    api = connect_api(daemon)
    task = api.create("t", headers={"X-Request-Id": "the-request"})
    wait_until("the audit row", lambda: audited(own_database, api.user) == [(task["id"], "task.created")])
    history = api.get(f"{api.tasks}/{task['id']}/history", headers={"X-Request-Id": "the-question"})
    assert history.status == 200 and [e["event_type"] for e in history.json] == ["task.created"]
    verify(daemon)

    consumers = {"recurrer", "notifier", "auditor"}
    wait_until("all lines", lambda: {e["role"] for e in daemon.lines("event.consumed", correlation_id="the-request")} == consumers)
    lines = {(e["role"], e["msg"]) for e in daemon.log() if e.get("correlation_id") == "the-request"}
    assert lines == {("chat-api", "http.request"), ("chat-api", "event.published"), *((role, "event.consumed") for role in consumers)}
    asked = {(e["role"], e["msg"]) for e in daemon.log() if e.get("correlation_id") == "the-question"}
    assert asked == {("chat-api", "http.request"), ("auditor", "http.request")}
    assert {e["role"] for e in daemon.log("role.ready")} == set(NAMES)
    assert [e["role"] for e in daemon.log("role.ready")][0] == "sidecar"


def test_operations_are_asked_at_one_port(make_all, own_database, connect_api):
    """Metrics and fibers of all, each with its role; a family stands once; a service port answers for its own role."""
    daemon = make_all(own_database)
    api = connect_api(daemon)
    task = api.create("t")
    wait_until("the audit row", lambda: audited(own_database, api.user) == [(task["id"], "task.created")])
    text = ops(daemon, "/metrics")[1]
    heads = re.findall(r"^# TYPE (\S+) ", text, re.M)
    assert len(heads) == len(set(heads)) > 50
    seen = metrics(daemon)
    assert {role_of(series) for series in seen} == set(NAMES)
    assert seen['todod_http_requests_total{role="chat-api",listener="public",route="createTask",status="2xx"}'] == 1
    for family, roles in (("todod_outbox_published_total", {"chat-api"}), ("todod_sidecar_published_total", {"sidecar"}),
                          ("todod_reminders_scheduled_total", {"notifier"})):
        assert {role_of(series) for series in seen if series.startswith(family)} == roles
    status, fibers = ops(daemon, "/debug/fibers")
    assert status == 200 and re.findall("^# (.*)$", fibers, re.M) == list(NAMES)
    assert {name for name in NAMES if "outbox.relay\t" in re.search(f"^# {name}\n([^#]*)", fibers, re.M).group(1)} == {"chat-api"}
    for role in NAMES:
        assert call(daemon.port_of(role), "/health") == 200
        assert role == "chat-api" or is_free(daemon.port_of(role) + 100)


def test_what_recurs_and_what_is_due(make_all, own_database, connect_api):
    """A daily task that is done gets its next one, and a reminder fires: recurrer and notifier work on what the sidecar beside them delivers."""
    daemon = make_all(own_database)
    api = connect_api(daemon)
    task = api.create("Water the plants", due_date="2031-03-28T08:00:00", recurrence="daily", reminders=[])
    api.complete(task, {"completed": True}, {"X-Request-Id": "the-request"})
    made = wait_until("the next one", lambda: [t for t in api.list() if t["parent_task_id"] == task["id"]])
    assert [(t["due_date"], t["occurrence"]) for t in made] == [("2031-03-29T08:00:00Z", 2)]
    wait_until("its row in the trail", lambda: (made[0]["id"], "task.recurred") in audited(own_database, api.user))
    assert {"recurrer", "auditor"} <= {e["role"] for e in daemon.log() if e.get("correlation_id") == "the-request"}

    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    due = api.create("Call", reminders=[{"remind_at": soon.isoformat(), "channels": ["log", "in_app"]}])
    fired = wait_until("the line", lambda: [e for e in daemon.log("reminder.fired") if e["reminder_id"] == due["reminders"][0]["id"]])
    assert [e["role"] for e in fired] == ["notifier"]
    wait_until("it is stored as sent", lambda: api.read(due)["reminders"][0]["status"] == "sent")
    assert time.time() >= soon.timestamp()
    assert len(daemon.lines("reminder.fired", reminder_id=due["reminders"][0]["id"])) == 1
    verify(daemon)


def test_a_mail_and_its_link(make_all, own_database, connect_api, tmp_path):
    """notifier signs a link and chat-api reads it, with the key from one file."""
    mail = MailHost()
    daemon = make_all(own_database, smtp__url=f"smtp://127.0.0.1:{mail.port}", smtp__tls="false", smtp__from="todod@sink.example.org",
                      email__link_key_file=write_private(tmp_path / "link-key", b"5a" * 32))
    api = connect_api(daemon)
    api.prefer(email="me@example.org", channels=["email"])
    link = re.search(r"/api/email/\w+\?t=[\w.-]+", mail.wait("me@example.org")[-1].text)[0]
    assert api.request("GET", link, token=None).json["email_confirmed"] is True
    daemon.stop()
    mail.stop()


def test_only_the_roles_are_let_in(make_all, own_database):
    """Tokens are drawn at the start and shown nowhere: the sidecar's API and the callbacks refuse everybody else."""
    daemon = make_all(own_database)
    for role in APPS:
        assert call(daemon.port_of(role) + 300, "/v1.0/metadata") == 401
        assert call(daemon.port_of(role) + 300, "/v1.0/metadata", {"dapr-api-token": "guess"}) == 401
        assert call(daemon.port_of(role, "dapr"), "/dapr/subscribe") in (401, 403)
    assert call(daemon.port_of("auditor", "dapr"), "/cron-checkpoint", method="POST") in (401, 403)
    assert not re.search(r"\b[0-9a-f]{64}\b", daemon.stdout() + daemon.stderr())


def test_with_a_directory_of_files(make_all, secrets, own_database, connect_api, tmp_path):
    """The files of processes of their own run as one too, and nothing in them is changed."""
    base = free_base()
    (tmp_path / "tokens").mkdir()
    kek, pem = (open(secrets[key], encoding="ascii").read() for key in ("audit.kek_file", "audit.checkpoint_key_file"))
    write_private(tmp_path / "secrets.json", json.dumps({"audit": {"kek": kek.strip(), "checkpoint-key": pem}}).encode())
    files = {"sidecar": {"database.url": url_of(own_database.cluster_url, own_database.name, "todod_sidecar"),
                         "http.port": 0, "ops.port": base + 109, "sidecar.token_dir": tmp_path / "tokens",
                         "sidecar.secrets_file": tmp_path / "secrets.json",
                         "sidecar.apps": ", ".join(f"{role}={base + i + 300}:127.0.0.1:{base + i + 200}" for i, role in enumerate(APPS))}}
    for offset, role in enumerate(APPS):
        for kind in ("api", "app"):
            write_private(tmp_path / "tokens" / f"{role}.{kind}-token", f"{role}-{kind}".encode())
        files[role] = {"http.port": base + offset, "ops.port": base + offset + 100, "dapr.port": base + offset + 200,
                       "dapr.url": f"http://127.0.0.1:{base + offset + 300}", "auth.key_file": secrets["auth.key_file"],
                       "dapr.token_file": tmp_path / "tokens" / f"{role}.api-token",
                       "dapr.app_token_file": tmp_path / "tokens" / f"{role}.app-token"}
        for entry in DESCRIBED[role]["database_roles"]:
            files[role][entry["key"]] = url_of(own_database.cluster_url, own_database.name, entry["role"])
    for role, keys in files.items():
        (tmp_path / f"{role}.conf").write_text("".join(f"{k} = {v}\n" for k, v in keys.items()), encoding="utf-8")

    daemon = make_all(own_database, start=False)
    daemon.base, daemon.config_path = base, str(tmp_path)
    api = connect_api(daemon.start())
    task = api.create("t")
    wait_until("the audit row", lambda: audited(own_database, api.user) == [(task["id"], "task.created")])
    assert call(base + 300, "/v1.0/metadata", {"dapr-api-token": "chat-api-api"}) == 200


# ---- its end ----

def test_sigterm(make_all, own_database, connect_api):
    """Written up to the last moment: the sidecar ends last, everybody with 0, and after the next start each event has its row."""
    daemon = make_all(own_database)
    api = connect_api(daemon)
    tasks = [api.create(f"t{i}")["id"] for i in range(60)]
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == OK
    daemon.process = None
    draining = [e["role"] for e in daemon.log("role.draining")]
    assert sorted(draining) == sorted(NAMES) and draining[-1] == "sidecar"
    stopped = daemon.log("role.stopped")
    assert {e["role"] for e in stopped} == set(NAMES) and stopped[-1]["role"] == "sidecar"
    assert {e["exit_code"] for e in stopped} == {OK}
    assert daemon.log()[-1] == stopped[-1]

    daemon.start()
    wait_until("all rows", lambda: len(audited(own_database, api.user)) == len(tasks))
    assert audited(own_database, api.user) == [(task, "task.created") for task in tasks]


def test_a_second_signal_shortens_it(make_all, own_database, connect_api):
    """Somebody hangs on; the grace is a minute; a second SIGTERM ends it for every role, and cleanly."""
    daemon = make_all(own_database, http__drain_timeout="10m")
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    api = connect_api(daemon)
    connection.putrequest("POST", api.tasks)
    for name, value in (("Authorization", f"Bearer {api.token}"), ("Content-Type", "application/json"), ("Content-Length", "100")):
        connection.putheader(name, value)
    connection.endheaders(b'{"title"')
    wait_until("the request is under way", lambda: metrics(daemon)['todod_http_connections{role="chat-api",listener="public"}'] >= 1)
    daemon.signal(signal.SIGTERM)
    wait_until("it drains", lambda: daemon.lines("role.draining", role="chat-api"))
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == OK
    daemon.process = None
    connection.close()


def test_kill_9_loses_nothing(make_all, own_database, connect_api):
    """Killed again and again under writes: whatever was acknowledged is in the trail, once, and the trail holds; who completed a
    daily task has its next one, once; each reminder was sent."""
    daemon = make_all(own_database)
    api = connect_api(daemon)
    created, stop = [], threading.Event()

    def write():
        mine = connect_api(daemon, user=api.user, token=api.token)
        while not stop.is_set():
            try:
                created.append(mine.create("t")["id"])
            except (OSError, http.client.HTTPException):
                mine.close()
                time.sleep(0.01)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    daily, due = [], []
    for _ in range(4):
        seen = len(created)
        wait_until("some more tasks", lambda: len(created) >= seen + 30)
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
        due.append(api.create("due", reminders=[{"remind_at": soon.isoformat(), "channels": ["log"]}]))
        daily.append(api.create("daily", due_date="2031-03-28", recurrence="daily", reminders=[]))
        assert api.complete(daily[-1], {"completed": True}).status == 200
        daemon.kill()
        api.close()
        daemon.start()
    stop.set()
    for writer in writers:
        writer.join()
    created += [task["id"] for task in daily + due]
    wait_until("the next ones", lambda: own_database.value("SELECT count(*) FROM todod.tasks WHERE parent_task_id IS NOT NULL") == len(daily))
    wait_until("all reminders are sent", lambda: {api.read(task)["reminders"][0]["status"] for task in due} == {"sent"}, seconds=100)
    wait_until("an empty outbox", lambda: own_database.value("SELECT count(*) FROM todod.outbox") == 0)
    made = "SELECT id FROM todod.tasks WHERE user_id = %s"
    wait_until("all rows", lambda: {row[0] for row in own_database.rows(made, api.user)} == {task for task, _ in audited(own_database, api.user)})
    rows = audited(own_database, api.user)
    assert set(created) <= {task for task, _ in rows}
    born = [task for task, what in rows if what in ("task.created", "task.recurred")]
    assert len(born) == len(set(born)) == own_database.value("SELECT count(*) FROM todod.tasks WHERE user_id = %s", api.user)
    assert sorted(task for task, what in rows if what == "task.completed") == sorted(task["id"] for task in daily)
    parents = own_database.rows("SELECT parent_task_id FROM todod.tasks WHERE parent_task_id IS NOT NULL")
    assert sorted(row[0] for row in parents) == sorted(task["id"] for task in daily)
    verify(daemon)


# ---- what it cannot do without ----

@pytest.fixture
def own_cluster():
    cluster = Cluster("all").start("max_connections=100")
    yield cluster
    cluster.remove()


def test_the_database_goes_and_comes_back(make_all, own_cluster, make_database, connect_api):
    """Away: alive and not ready, and it says who misses what. Back: ready without a restart, and what is written goes on to the trail."""
    database = let_all_log_in(make_database("away", url=own_cluster.url))
    daemon = make_all(database)
    api = connect_api(daemon)
    api.create("before")
    wait_until("the audit row", lambda: len(audited(database, api.user)) == 1)
    database.close()
    own_cluster.stop()
    wait_until("it is not ready", lambda: daemon.answer("/readyz") == 503)
    assert daemon.answer("/livez") == 200
    assert re.search(r"(sidecar|chat-api|recurrer|auditor): the database is unreachable", ops(daemon, "/readyz")[1])
    own_cluster.restart()
    wait_until("it is ready", lambda: daemon.answer("/readyz") == 200)
    api.create("after")
    wait_until("the other row", lambda: len(audited(database, api.user)) == 2)
    daemon.stop()
    database.close()


def test_a_start_without_a_database(make_all, own_cluster, connect_api):
    """SIGTERM while it waits ends it with 0; given up, it is 69 and says who waited; alive and not ready meanwhile."""
    nowhere = Database(own_cluster.url, "nowhere")
    daemon = make_all(nowhere, wait=False)
    daemon.ops_port = daemon.port_of("chat-api", "ops")
    wait_until("it is alive", lambda: daemon.answer("/livez") == 200)
    assert daemon.answer("/readyz") == 503
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == OK
    daemon.process = None

    given_up = make_all(nowhere, start=False, database__start_timeout="300ms")
    with pytest.raises(AssertionError):
        given_up.start()
    assert given_up.wait_exit() == UNAVAILABLE
    given_up.process = None
    assert re.search(r"^todod: sidecar: .*database", given_up.stderr(), re.M)
    assert len(re.findall("^todod: ", given_up.stderr(), re.M)) == 1
    assert {e["exit_code"] for e in given_up.log("role.stopped")} == {UNAVAILABLE}


def test_one_role_that_fails_ends_all(make_all, secrets, own_database, tmp_path):
    """A key that is none: the auditor cannot start. Its words, its exit code, and all others end cleanly."""
    daemon = make_all(own_database, start=False, **{"audit.kek_file": write_private(tmp_path / "kek", b"too short")})
    with pytest.raises(AssertionError):
        daemon.start()
    assert daemon.wait_exit() == CONFIG
    daemon.process = None
    assert re.search(r"^todod: auditor: .*audit/kek", daemon.stderr(), re.M)
    assert {e["role"] for e in daemon.log("role.stopped")} == set(NAMES)
    assert [e["role"] for e in daemon.log("start.failed")] == ["auditor"]


def test_two_processes_of_one_database(make_all, own_database, connect_api):
    """69: there is one embedded sidecar for a database. The first goes on."""
    first = make_all(own_database)
    second = make_all(own_database, start=False)
    with pytest.raises(AssertionError):
        second.start()
    assert second.wait_exit() == UNAVAILABLE
    second.process = None
    assert re.search(rf"^todod: sidecar: another embedded sidecar, process {first.process.pid},", second.stderr(), re.M)
    same_ports = make_all(own_database, start=False)
    same_ports.config["all.port"] = first.base
    with pytest.raises(AssertionError):
        same_ports.start()
    assert same_ports.wait_exit() == UNAVAILABLE
    same_ports.process = None
    assert re.search(rf"port {first.port_of('chat-api', 'ops')}: Address already in use", same_ports.stderr())
    api = connect_api(first)
    api.create("t")
    wait_until("the audit row", lambda: len(audited(own_database, api.user)) == 1)


def test_few_descriptors(make_all, own_database, connect_api):
    """1,024 of them are fewer than all roles would like: clients get fewer connections, and everything works."""
    daemon = make_all(own_database, start=False)
    daemon.prefix = ("prlimit", "--nofile=1024:1024")
    api = connect_api(daemon.start())
    assert daemon.lines("http.few_descriptors", role="chat-api", descriptors=1024)
    api.create("t")
    wait_until("the audit row", lambda: len(audited(own_database, api.user)) == 1)


# ---- its configuration ----

@pytest.fixture
def good(secrets):
    """Enough to be configured; nothing listens, and no database is asked."""
    return {"TODOD_DATABASE_URL": f"postgresql://owner:{CANARY}@db.example/todod",
            **{"TODOD_" + key.upper().replace(".", "_"): value for key, value in secrets.items()}}


def check(*args, env):
    return process.run("--role=all", "--check-config", *args, env=env)


def test_what_is_derived(good):
    """From a database URL and keys: each role in its own narrow database roles, on its own ports, bound to the sidecar; and no
    secret is shown."""
    done = check("--all.port=20000", env=good)
    assert done.returncode == OK and done.stderr == ""
    assert CANARY not in done.stdout and not re.search(r"[0-9a-f]{64}", done.stdout)
    config = config_of(done.stdout)
    assert set(config) == set(DESCRIBED)
    for name, role in DESCRIBED.items():
        mine = config[name]
        for kind, key in (("public", "http.port"), ("ops", "ops.port"), ("dapr", "dapr.port")):
            if kind in role["ports"]:
                assert mine[key] == (str(role["ports"][kind] + 12000), "--role=all")
        assert ("database.url" in [e["key"] for e in role["database_roles"]]) == ("database" in role["needs"])
        for entry in role["database_roles"]:
            if (name, entry["key"]) == ("recurrer", "database.relay_url"):
                assert mine[entry["key"]] == ("[empty]", "default"), "chat-api's is beside it"
                continue
            assert mine[entry["key"]] == ("[set]", f"environment, as {entry['role']}")
        if "dapr" in role["needs"]:
            port = role["ports"]["public"] + 12300
            assert mine["dapr.url"][0] == f"http://127.0.0.1:{port}"
            assert f"{name}={port}:127.0.0.1:{role['ports']['dapr'] + 12000}" in config["sidecar"]["sidecar.apps"][0].split(", ")
            assert mine["dapr.token"][0] == mine["dapr.app_token"][0] == "[set]"


def test_crons_tick_as_components_say(good):
    """The schedules of --role=all are those of dapr-components."""
    crons = dict(entry.split("=", 1) for entry in config_of(check(env=good).stdout)["sidecar"]["sidecar.crons"][0].split("; "))
    assert set(crons) == {f"{name}/{cron}" for name, role in DESCRIBED.items() for cron in role["crons"]}
    schedules = {}
    for path in glob.glob(os.path.join(ROOT, "dapr-components", "local", "cron-*.yaml")):
        with open(path, encoding="utf-8") as f:
            document = yaml.safe_load(f)
        schedules[document["metadata"]["name"]] = next(m["value"] for m in document["spec"]["metadata"] if m["name"] == "schedule")
    assert crons == {entry: schedules[entry.split("/")[1]] for entry in crons}


def test_what_wins(good, tmp_path):
    """Defaults, then a role's own file, then what is given for all: environment, then flags."""
    (tmp_path / "auditor.conf").write_text("database.url = postgresql://me@/x\ndatabase.depth = 3\nhttp.port = 9\n", encoding="utf-8")
    env = {k: v for k, v in good.items() if k != "TODOD_DATABASE_URL"}
    for role in ("chat-api", "recurrer", "sidecar"):
        (tmp_path / f"{role}.conf").write_text("database.url = postgresql://me@/x\n", encoding="utf-8")
    config = config_of(check(f"--config={tmp_path}", env=env).stdout)
    assert config["auditor"]["database.url"] == ("[set]", f"{tmp_path}/auditor.conf:1")
    assert config["auditor"]["audit.checker_url"] == ("[empty]", "default"), "not said for all"
    assert config["auditor"]["database.depth"] == ("3", f"{tmp_path}/auditor.conf:2")
    assert config["auditor"]["http.port"] == ("9", f"{tmp_path}/auditor.conf:3")
    assert config["chat-api"]["database.depth"] == ("16", "default")
    config = config_of(check(f"--config={tmp_path}", env={**good, "TODOD_DATABASE_DEPTH": "5"}).stdout)
    assert config["auditor"]["database.url"] == ("[set]", "environment, as todod_audit_writer")
    assert config["auditor"]["database.depth"] == ("5", "environment")
    config = config_of(check(f"--config={tmp_path}", "--database.depth=6", env={**good, "TODOD_DATABASE_DEPTH": "5"}).stdout)
    assert {config[name]["database.depth"] for name in config} == {("6", "command line")}


def test_mistakes_name_their_place(good, tmp_path):
    """78: a file that is no role's, a line in a role's file, the environment, a flag; all at once."""
    for name, text in (("audiotr", ""), ("chat-api", "\nhttp.port = 70000\n"), ("sidecar", "sidecar.aps = x\nlog.level = loud\n")):
        (tmp_path / f"{name}.conf").write_text(text, encoding="utf-8")
    done = check(f"--config={tmp_path}", "--database.depth=0", "--http.port=8100",
                 env={**good, "TODOD_AUTH_MODE": "magic", "TODOD_DAPR_URRL": "x"})
    assert done.returncode == CONFIG and done.stdout == ""
    for words in (f"{tmp_path}/audiotr.conf: there is no role", f"{tmp_path}/chat-api.conf:2: http.port", f"{tmp_path}/sidecar.conf:1: ",
                  f"{tmp_path}/sidecar.conf:2: log.level", "command line: --database.depth", "environment: TODOD_AUTH_MODE",
                  "did you mean TODOD_DAPR_URL?", "command line: http.port: the roles of a process cannot share a port"):
        assert done.stderr.count(words) == 1, done.stderr
    assert process.run("--role=all", f"--config={tmp_path}", env=good).returncode == CONFIG


def test_what_is_missing(good, tmp_path):
    """78: who misses what, once, and how to make it."""
    done = check(env={})
    assert done.returncode == CONFIG
    for words in ("database.url: must be set", "auth.key_file: must be set", "audit.kek_file: must be set", "openssl rand -hex 32",
                  "audit.checkpoint_key_file: must be set", "openssl genpkey"):
        assert words in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == len({line.split(": ", 1)[1] for line in done.stderr.splitlines()}), done.stderr
    done = check("--smtp.url=smtp://127.0.0.1:25", "--smtp.user=me", env=good)
    assert done.returncode == CONFIG and done.stderr.count("email.link_key_file") == done.stderr.count("smtp.password_file") == 1
    assert "notifier: smtp.password_file: must be set when smtp.user is" in done.stderr
    done = check(env={**good, "TODOD_AUDIT_KEK_FILE": str(tmp_path / "nowhere")})
    assert done.returncode == CONFIG and f"auditor: audit.kek_file: cannot read {tmp_path}/nowhere" in done.stderr
    done = check(env={**good, "TODOD_DATABASE_URL": f"postgresql://u:{CANARY}@x@h/db"})
    assert done.returncode == CONFIG and "environment: database.url: " in done.stderr and CANARY not in done.stderr
    done = check("--dapr.port=0", env=good)
    assert done.returncode == CONFIG and "dapr.port: must not be 0" in done.stderr
    done = check(f"--config={tmp_path}/nowhere", env=good)
    assert done.returncode == CONFIG and f"{tmp_path}/nowhere" in done.stderr


def test_help_and_refusals():
    """--help has the keys of every role; --openapi is of one role."""
    done = process.run("--role=all", "--help")
    assert done.returncode == OK
    for key in ("--all.port", "--sidecar.apps", "--http.port", "TODOD_AUDIT_CHECKER_URL", "--role=all"):
        assert key in done.stdout
    assert "--role=all" in process.run("--help").stdout
    done = process.run("--role=all", "--openapi")
    assert done.returncode == USAGE and "chat-api" in done.stderr
    assert "all" in process.run("--role=nobody").stderr


def test_commands_take_the_same_file(secrets, tmp_path, signing_key):
    """A file for all of them, with keys that only a role knows."""
    path = tmp_path / "todod.conf"
    path.write_text("all.port = 9000\nsidecar.retention = 3d\n" + "".join(f"{k} = {v}\n" for k, v in secrets.items()), encoding="utf-8")
    done = process.run("token", "--user", "somebody", f"--config={path}")
    assert done.returncode == OK and done.stdout.count(".") == 2, done
    assert jwt.decode(done.stdout.strip(), signing_key.public_key(), algorithms=["EdDSA"])["sub"] == "somebody"
