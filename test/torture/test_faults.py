# SPDX-License-Identifier: Apache-2.0
"""
What is not dead, but does not do its work: a full disk, a peer that hangs, a consumer that is slow, a key that is not the right
one, a clock that is wrong. In the end each event is in the trail, once and in order. Killing is run.py's.
"""
import contextlib
import json
import os
import signal
import uuid

import psycopg2
import pytest

from api_client import Api
from process import wait_until

SECONDS = 60


def embedded_only(deployment):
    if deployment.stack != "embedded":
        pytest.skip("what this is about is the embedded sidecar's")


@pytest.fixture
def make_api(deployment, request):
    made = []

    def make():
        user = f"{request.node.name}-{uuid.uuid4().hex[:6]}"
        made.append(Api(deployment.of("chat-api"), deployment.token(user), user, None))
        return made[-1]

    yield make
    for api in made:
        api.close()


def titles(api):
    """In the trail, by way of chat-api; None while it cannot be read."""
    answer = api.get(api.at("audit?limit=100"))
    return [e["payload"]["task"]["title"] for e in answer.json] if answer.status == 200 else None


def has_no_letter(deployment):
    done = deployment.command("dlq", "list")
    return done.returncode == 0 and not done.stdout


def is_whole(deployment, api, wanted):
    wait_until(f"{wanted} in the trail", lambda: titles(api) == wanted, SECONDS)
    done = deployment.command("audit", "verify", "--user", api.user)
    assert done.returncode == 0, done
    return True


@contextlib.contextmanager
def full_disk(deployment, table):
    """As far as a writer of this table can tell."""
    deployment.database.rows(f"""CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION public.full_disk()""")
    try:
        yield
    finally:
        deployment.database.rows("DROP FUNCTION public.full_disk CASCADE")


def test_a_full_disk_under_the_tasks(deployment, make_api):
    """503 and nothing written; the same request with the same key works when there is room."""
    api = make_api()
    headers = {"Idempotency-Key": "k"}
    with full_disk(deployment, "todod.tasks"):
        answer = api.request("POST", api.tasks, {"title": "one"}, headers)
        assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
    assert api.list() == []
    api.create("one", headers=headers)
    assert is_whole(deployment, api, ["one"])


def test_a_full_disk_under_the_sidecar(deployment, make_api):
    """Writes are answered as ever; their events wait in the outbox, and an alarm can see them there."""
    embedded_only(deployment)
    api = make_api()
    with full_disk(deployment, "sidecar.records"):
        for title in ("one", "two", "three"):
            api.create(title)
        wait_until("it is told", lambda: deployment.of("chat-api").log("outbox.not_published"), SECONDS)
        assert deployment.database.value("SELECT count(*) FROM todod.outbox WHERE user_id = %s AND topic = 'task-events'",
                                         api.user) == 3
    assert is_whole(deployment, api, ["one", "two", "three"])


def test_a_full_disk_under_the_trail(deployment, make_api):
    """Nothing is acknowledged to the broker that is not stored."""
    api = make_api()
    with full_disk(deployment, "todod.audit"):
        for title in ("one", "two"):
            api.create(title)
        wait_until("it is told", lambda: [e for e in deployment.of("auditor").log("event.consumed") if e["result"] == "retry"], SECONDS)
    assert is_whole(deployment, api, ["one", "two"])


@contextlib.contextmanager
def hanging(process):
    """It is there, takes connections, and answers nothing: as behind a cable that was pulled."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_a_sidecar_that_hangs(deployment, make_api):
    """chat-api answers writes all the same."""
    api = make_api()
    with hanging(deployment.sidecar_of("chat-api")):
        for title in ("one", "two", "three"):
            api.create(title)
    assert is_whole(deployment, api, ["one", "two", "three"])


def test_an_auditor_that_hangs(deployment, make_api):
    """History is 503 within the time of a call; what was delivered to it meanwhile is there, once."""
    api = make_api()
    with hanging(deployment.of("auditor")):
        for title in ("one", "two"):
            api.create(title)
        assert api.get(api.at("audit")).status == 503
    assert is_whole(deployment, api, ["one", "two"])


def test_a_database_that_hangs(deployment, make_api):
    """All its sessions: a write is answered with 503 or not at all, and its key tells later what became of it."""
    api = make_api()
    api.create("one")
    pids = [row[0] for row in deployment.database.rows("SELECT pid FROM pg_stat_activity WHERE usename = 'todod_api'")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert api.request("POST", api.tasks, {"title": "two"}, {"Idempotency-Key": "k"}).status == 503
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_until("an answer", lambda: api.request("POST", api.tasks, {"title": "two"}, {"Idempotency-Key": "k"}).status == 201, SECONDS)
    assert sorted(t["title"] for t in api.list()) == ["one", "two"]
    assert is_whole(deployment, api, ["one", "two"])


def test_a_slow_consumer_holds_up_only_its_partition(deployment, make_api):
    """The rows of one user cannot be added, as somebody's transaction holds his next place: others' events pass."""
    slow, others = make_api(), [make_api() for _ in range(6)]
    slow.create("one")
    assert is_whole(deployment, slow, ["one"])
    with contextlib.closing(psycopg2.connect(deployment.database.url)) as connection, connection.cursor() as cursor:
        cursor.execute("""INSERT INTO todod.audit SELECT user_id, n + 1, 'held', topic, type, task_id, sequence, at, identity,
            key_version, payload, h, stored_at FROM todod.audit WHERE user_id = %s AND n = 1""", (slow.user,))
        slow.create("two")
        for api in others:
            api.create("one")
        # Those that share its partition wait with it: one of 12, so not all of them.
        wait_until("others pass", lambda: sum(titles(api) == ["one"] for api in others) >= 2, SECONDS)
        assert titles(slow) == ["one"]
        connection.rollback()
    assert is_whole(deployment, slow, ["one", "two"])
    for api in others:
        assert is_whole(deployment, api, ["one"])


def set_kek(deployment, kek):
    """What the secret store has; its sidecar and auditor read it at their start."""
    with open(deployment.secrets_file, encoding="utf-8") as f:
        secrets = json.load(f)
    secrets["audit"]["kek"] = kek
    with open(deployment.secrets_file, "w", encoding="utf-8") as f:
        json.dump(secrets, f)
    for process in (deployment.of("auditor"), deployment.sidecar_of("auditor")):
        process.stop()
    deployment.sidecar_of("auditor").start(wait=False)
    deployment.of("auditor").start(wait=False)


def test_a_key_that_is_not_the_right_one(deployment, make_api):
    """Nothing is sealed under what cannot be opened later, and nothing is lost: it waits for the right key."""
    api = make_api()
    api.create("one")
    assert is_whole(deployment, api, ["one"])
    with open(deployment.kek_file, encoding="utf-8") as f:
        right = f.read()
    set_kek(deployment, "ab" * 32)
    try:
        deployment.wait_ready()
        api.create("two")
        wait_until("it is told", lambda: [e for e in deployment.of("auditor").log("event.consumed") if e["result"] == "retry" and
                                          "key-encryption key" in e["reason"]], SECONDS)
        assert titles(api) is None
    finally:
        set_kek(deployment, right)
        deployment.wait_ready()
    # Beside daprd it may have run out of tries, and is a dead letter that is replayed after a minute.
    wait_until("both are in the trail", lambda: titles(api) == ["one", "two"], SECONDS + 120)
    wait_until("no dead letter is open", lambda: has_no_letter(deployment), SECONDS)
    assert is_whole(deployment, api, ["one", "two"])


def exported(deployment, api):
    done = deployment.command("audit", "export", "--user", api.user)
    return [json.loads(line)["data"]["payload"]["task"]["title"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_clock_that_is_wrong(deployment, make_api, seconds):
    """An auditor ten minutes ahead of all others, or behind: order and chain do not go by its clock. Tokens do: to one that is behind
    they come from the future, so history is 503 until its clock is right."""
    api, auditor = make_api(), deployment.of("auditor")
    build = os.path.dirname(auditor.binary)
    shim = os.path.join(build, "test", "tools", "fail_clock.so")
    assert os.path.exists(shim), f"not built: make PROFILE={os.path.basename(build)} tests"
    api.create("one")
    assert is_whole(deployment, api, ["one"])
    # The address sanitizer wants to be first; a preloaded library without one is before it.
    auditor.env = {"LD_PRELOAD": shim, "FAIL_CLOCK_SECONDS": str(seconds),
                   "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=1:exitcode=99"}
    try:
        deployment.restart("auditor")
        for title in ("two", "three"):
            api.create(title)
        wait_until("all are in the trail", lambda: exported(deployment, api) == ["one", "two", "three"], SECONDS)
        skew = deployment.database.value("SELECT extract(epoch FROM stored_at - now()) FROM todod.audit WHERE user_id = %s "
                                         "ORDER BY n DESC LIMIT 1", api.user)
        assert seconds - 60 < skew < seconds + 60, "the clock was wrong by something else"
        wait_until("an answer", lambda: api.get(api.at("audit")).status == (200 if seconds > 0 else 503), SECONDS)
    finally:
        auditor.env = None
        deployment.restart("auditor")
    api.create("four")
    assert is_whole(deployment, api, ["one", "two", "three", "four"])
