# SPDX-License-Identifier: Apache-2.0
"""
Flow tests: the real binary on a real PostgreSQL. One cluster, one database and one daemon serve almost all of
them; what keeps tests apart is that each has users of its own. Tests that stop, kill or reconfigure have
their own. At its end each daemon must exit with 0 and leave no report of a sanitizer.
"""
import itertools
import os
import re
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import HealthCheck, settings

import process
from api_client import Api, OpenApi, sign
from database import Cluster, Database
from event_schemas import check_event, validate_outbox
from issuer import Issuer
from sidecar_host import Sidecar
from stack import Stack

# Examples are the same in each run; how long one takes is the daemon's business; fixtures may serve several.
settings.register_profile("flow", derandomize=True, database=None, deadline=None, print_blob=False,
                          suppress_health_check=list(HealthCheck))
settings.load_profile("flow")

counter = itertools.count(1)
CHANGES = {"task.created": "created", "task.updated": "updated", "task.completed": "completed", "task.reopened": "reopened",
           "task.deleted": "deleted"}


def write_private(path, data):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(data)
    return str(path)


def pem_of(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


@pytest.fixture(scope="session")
def cluster_url():
    given = os.environ.get("TODOD_TEST_DATABASE_URL")
    if given:
        yield given
        return
    cluster = Cluster("flow").start("max_connections=200")
    yield cluster.url
    cluster.remove()


@pytest.fixture(scope="session")
def make_database(cluster_url):
    """A function that makes a migrated database, which goes with the session, when every event in it fits its schema."""
    made = []

    def make(name, migrate=True, url=None):
        database = Database(url or cluster_url, f"flow_{os.getpid()}_{name}").create()
        made.append(database)
        if migrate:
            done = process.run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": database.url})
            assert done.returncode == 0, done
            database.let_api_log_in()
        return database

    yield make
    failures = []
    for database in made:
        if database.cluster_url != cluster_url:
            database.close()
            continue
        try:
            if database.value("SELECT to_regclass('todod.outbox') IS NOT NULL"):
                validate_outbox(database)
        except AssertionError as e:
            failures.append(str(e))
        database.drop()
    assert not failures, "\n".join(failures)


@pytest.fixture(scope="session")
def signing_key():
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def key_file(signing_key, tmp_path_factory):
    return write_private(tmp_path_factory.mktemp("keys") / "key.pem", pem_of(signing_key))


@pytest.fixture(scope="session")
def make_daemon(key_file, tmp_path_factory):
    """A function that starts a daemon on a database; all that still run are stopped and judged with the session."""
    made = []

    def make(database, start=True, wait=True, binary=process.BINARY, env=None, **config):
        settings = {"database.url": database.api_url, "auth.mode": "builtin", "auth.key_file": key_file}
        settings.update({key.replace("__", "."): value for key, value in config.items()})
        daemon = process.Daemon(str(tmp_path_factory.mktemp("daemon")),
                                {k: v for k, v in settings.items() if v is not None}, binary, env)
        made.append(daemon)
        if start:
            daemon.start(wait)
        return daemon

    yield make
    failures = []
    for daemon in made:
        try:
            daemon.stop()
        except AssertionError as e:
            failures.append(str(e))
    assert not failures, "\n".join(failures)


@pytest.fixture(scope="session")
def database(make_database):
    return make_database("shared")


@pytest.fixture(scope="session")
def shared_daemon(database, make_daemon):
    return make_daemon(database)


@pytest.fixture(scope="session")
def issuer():
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="session")
def jwks_daemon(database, make_daemon, issuer):
    """Trusts an issuer. Started early by test_auth.py, so that test_jwks.py need not wait for its intervals."""
    daemon = make_daemon(database, auth__mode="jwks", auth__jwks_url=issuer.url, auth__key_file=None)
    daemon.started_at = time.monotonic()
    return daemon


@pytest.fixture
def daemon(shared_daemon):
    """The daemon of almost all tests. A test that ends it has failed, and the next one gets a new one."""
    if not shared_daemon.is_alive():
        shared_daemon.start()
    yield shared_daemon
    if not shared_daemon.is_alive():
        code = shared_daemon.process.returncode
        errors = shared_daemon.stderr()
        shared_daemon.process = None
        pytest.fail(f"the daemon ended with {code}:\n{errors}")


def fetch_openapi(daemon):
    """From the daemon, with nothing to check it by yet."""
    answer = Api(daemon, None, "x", None).get("/openapi.json", token=None)
    assert answer.status == 200
    return OpenApi(answer.json)


@pytest.fixture(scope="session")
def openapi(shared_daemon):
    if not shared_daemon.is_alive():
        shared_daemon.start()
    return fetch_openapi(shared_daemon)


@pytest.fixture
def new_user(request):
    """A function that names users nobody else has."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:40]
    return lambda: f"{name}-{next(counter)}"


@pytest.fixture
def connect_api(openapi, signing_key, new_user):
    """A function: a client of a daemon for a user (a new one unless given)."""
    made = []

    def make(daemon, user=None, token=None):
        user = user or new_user()
        api = Api(daemon, token or sign(signing_key, user), user, openapi)
        made.append(api)
        return api

    yield make
    for api in made:
        api.close()


@pytest.fixture
def api(daemon, connect_api):
    """A new user's client of the shared daemon."""
    return connect_api(daemon)


@pytest.fixture
def outbox(database):
    """A function: all events of a user, oldest first, each checked as a whole."""
    def read(user):
        rows = database.rows("""SELECT event, event_id::text, topic, part, user_id, sequence FROM todod.outbox
            WHERE user_id = %s ORDER BY id""", user)
        assert len({row[3] for row in rows}) <= 1, "one user, one partition"
        return [check_event(*row) for row in rows]
    return read


@pytest.fixture
def events(outbox):
    """A function: a user's task events, oldest first. Beside each there is one update, which says the same."""
    def read(user):
        all_events = outbox(user)
        mine = [e for e in all_events if e["type"] in CHANGES]
        updates = [e for e in all_events if e["type"] == "task.state_changed"]
        assert len(mine) == len(updates)
        for event, update in zip(mine, updates):
            assert update["data"]["payload"] == {**event["data"]["payload"], "change": CHANGES[event["type"]]}
            assert update["id"] != event["id"]
            for key in ("task_id", "timestamp", "sequence", "correlation_id"):
                assert update["data"][key] == event["data"][key]
        return mine
    return read

@pytest.fixture
def make_sidecar(request, make_database, tmp_path_factory):
    """A function that starts an embedded sidecar for apps, on a database of the test's own unless given."""
    made = []

    def make(apps, database=None, start=True, **config):
        if database is None:
            database = make_database(f"sidecar_{next(counter)}")
            database.let_log_in("todod_sidecar")
        sidecar = Sidecar(str(tmp_path_factory.mktemp("sidecar")), database, apps, **config)
        sidecar.database = database
        made.append(sidecar)
        if start:
            sidecar.start()
        return sidecar

    yield make
    for sidecar in made:
        sidecar.stop()


@pytest.fixture(scope="session")
def make_stack(make_database, make_daemon, tmp_path_factory):
    """A function that starts chat-api, recurrers and a sidecar on a database of that name. The caller stops them."""
    def make(name, url=None, **config):
        return Stack(make_database(name, url=url), make_daemon, tmp_path_factory.mktemp("sidecar"), **config)
    return make
