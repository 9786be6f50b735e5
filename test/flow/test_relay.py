# SPDX-License-Identifier: Apache-2.0
"""From a committed change to the broker: nothing acknowledged is lost or out of order, whoever dies or is away meanwhile."""
import http.client
import json
import threading
import time

import pytest

from api_client import Api, ops, sign
from database import url_of
from event_schemas import validate_all
from fake_sidecar import FakeSidecar
from process import wait_until


@pytest.fixture(scope="module")
def relay_database(make_database):
    database = make_database("relay")
    database.let_log_in("todod_relay")
    return database


@pytest.fixture
def sidecar():
    made = FakeSidecar()
    yield made
    made.may_answer.set()
    made.stop()
    validate_all((topic, json.dumps(event)) for topic, _, event in made.entries)


@pytest.fixture
def start(relay_database, make_daemon, sidecar):
    """A function: a daemon with a relay beside this test's sidecar. Each test begins with an empty outbox."""
    made = []
    relay_database.rows("DELETE FROM todod.outbox")
    relay_database.rows("DELETE FROM todod.outbox_relays")

    def make(**config):
        daemon = make_daemon(relay_database, dapr__url=sidecar.url,
                             database__relay_url=url_of(relay_database.cluster_url, relay_database.name, "todod_relay"), **config)
        made.append(daemon)
        return daemon

    yield make
    sidecar.may_answer.set()
    for daemon in made:
        daemon.stop()


def waiting(database):
    return database.value("SELECT count(*) FROM todod.outbox")


def drained(database):
    wait_until("an empty outbox", lambda: waiting(database) == 0)


def sequences(events):
    """By task, in the order of arrival."""
    found = {}
    for event in events:
        found.setdefault(event["data"]["task_id"], []).append(event["data"]["sequence"])
    return found


def metric(daemon, name):
    return sum(float(line.split()[-1]) for line in ops(daemon, "/metrics")[1].splitlines() if line.startswith(name))


def test_every_event_is_published_and_taken_away(start, sidecar, relay_database, connect_api):
    daemon = start()
    api = connect_api(daemon)
    task = api.create("t", headers={"X-Request-Id": "the-request"})
    api.complete(task)
    api.delete(task)
    drained(relay_database)
    events = sidecar.events(api.user)
    assert [e["type"] for e in events] == ["task.created", "task.completed", "task.deleted"]
    assert [e["type"] for e in sidecar.events(api.user, "task-updates")] == ["task.state_changed"] * 3
    assert all(key == e["partitionkey"] for _, key, e in sidecar.entries)
    lines = {e["event_id"]: e for e in daemon.log("event.published")}
    for event in events:
        assert lines[event["id"]]["type"] == event["type"] and lines[event["id"]]["topic"] == "task-events"
    assert lines[events[0]["id"]]["correlation_id"] == "the-request"
    assert lines[events[0]["id"]]["trace_id"] == events[0]["traceparent"].split("-")[1]
    assert metric(daemon, "todod_outbox_published_total") == len(sidecar.entries)
    assert metric(daemon, "todod_outbox_partitions") == 16
    assert metric(daemon, "todod_outbox_publish_delay_seconds_count") == len(sidecar.entries)
    assert waiting(relay_database) == 0


def test_renaming_a_tag_is_published(start, sidecar, relay_database, connect_api):
    api = connect_api(start())
    for _ in range(3):
        api.create("t", tags=["old"])
    assert api.request("PATCH", f"/api/{api.quoted}/tags/old", {"name": "new"}).status == 200
    drained(relay_database)
    assert [e["type"] for e in sidecar.events(api.user)] == ["task.created"] * 3 + ["task.updated"] * 3


def test_tokens(start, sidecar, relay_database, connect_api, tmp_path):
    path = tmp_path / "token"
    path.write_text("a-token\n", encoding="ascii")
    api = connect_api(start(dapr__token_file=str(path)))
    api.create("t")
    drained(relay_database)
    assert sidecar.tokens == {"a-token"}


def test_a_start_is_no_failure(start, sidecar, relay_database, connect_api):
    """The relay looks before its connection is up, and nobody need read of it."""
    daemon = start()
    connect_api(daemon).create("t")
    drained(relay_database)
    assert daemon.log("outbox.stalled") == daemon.log("outbox.resumed") == []


def test_sidecar_away(start, sidecar, relay_database, connect_api):
    """Ready without it, one warning and no more, everything in order when it is there."""
    sidecar.stop()
    daemon = start()
    api = connect_api(daemon)
    task = api.create("t")
    for _ in range(6):
        assert api.complete(task).status == 200
        time.sleep(0.2)
    assert ops(daemon, "/readyz")[0] == 200
    assert waiting(relay_database) == 14
    wait_until("the size as a metric", lambda: metric(daemon, "todod_outbox_events") == 14)
    assert metric(daemon, "todod_outbox_oldest_seconds") > 0
    assert len(daemon.log("outbox.stalled")) == 1
    sidecar.start()
    drained(relay_database)
    assert sequences(sidecar.events(api.user)) == {str(task["id"]): list(range(1, 8))}
    assert len(daemon.log("outbox.stalled")) == len(daemon.log("outbox.resumed")) == 1
    sidecar.stop()
    api.complete(task)
    wait_until("told again", lambda: len(daemon.log("outbox.stalled")) == 2)
    sidecar.start()
    drained(relay_database)
    assert len(sidecar.events(api.user)) == 8


def test_a_sidecar_that_hangs_holds_up_no_write(start, sidecar, relay_database, connect_api):
    daemon = start(dapr__timeout="1s")
    api = connect_api(daemon)
    sidecar.may_answer.clear()
    task = api.create("t")
    for _ in range(5):
        assert api.complete(task).status == 200
    wait_until("the sidecar took too long", lambda: metric(daemon, "todod_outbox_failed_total") > 0)
    assert len(daemon.log("outbox.stalled")) == 0
    sidecar.may_answer.set()
    drained(relay_database)
    assert sequences(sidecar.events(api.user)) == {str(task["id"]): list(range(1, 7))}


def test_a_key_that_fails_waits_and_the_others_go_on(start, sidecar, relay_database, connect_api):
    """OB3: and the line that says so names an event and its request."""
    daemon = start()
    bad, good = connect_api(daemon), connect_api(daemon)
    sidecar.failing_keys = {bad.user}
    for api in (bad, good):
        task = api.create("t", headers={"X-Request-Id": "of-the-bad" if api is bad else "of-the-good"})
        for _ in range(3):
            api.complete(task)
    wait_until("the other's events", lambda: len(sidecar.events(good.user)) == 4)
    assert sidecar.events(bad.user) == []
    wait_until("only what waits is left", lambda: relay_database.rows("SELECT DISTINCT user_id FROM todod.outbox") == [(bad.user,)])
    assert metric(daemon, "todod_outbox_held_total") > 0
    told = daemon.log("outbox.not_published")
    assert 1 <= len(told) <= 4  # once for each topic, and for the user
    assert all(line["event_id"] and line["correlation_id"].startswith("of-the-bad") for line in told)
    sidecar.failing_keys = set()
    drained(relay_database)
    for api in (bad, good):
        assert list(sequences(sidecar.events(api.user)).values()) == [[1, 2, 3, 4]]


def test_a_topic_that_fails_holds_up_no_other(start, sidecar, relay_database, connect_api):
    api = connect_api(start())
    sidecar.forbidden = {"task-events"}
    for _ in range(3):
        api.create("t")
    wait_until("the other topic", lambda: len(sidecar.events(api.user, "task-updates")) == 3)
    assert sidecar.events(api.user) == []
    sidecar.forbidden = set()
    drained(relay_database)
    assert len(sidecar.events(api.user)) == 3


def test_one_that_is_refused_is_found_in_its_batch(start, sidecar, relay_database, connect_api):
    daemon = start()
    apis = [connect_api(daemon) for _ in range(12)]
    sidecar.poison = {apis[5].user}
    sidecar.may_answer.clear()  # so that the batches are large
    for api in apis:
        api.create("t")
    sidecar.may_answer.set()
    others = apis[:5] + apis[6:]
    wait_until("all but the poison", lambda: all(len(sidecar.events(api.user)) == 1 for api in others))
    assert sidecar.events(apis[5].user) == []
    sidecar.poison = set()
    drained(relay_database)
    assert len(sidecar.events(apis[5].user)) == 1


class Writer(threading.Thread):
    """Creates and toggles tasks of a user as fast as it is answered; remembers what was acknowledged."""

    def __init__(self, daemon, user, key):
        super().__init__()
        self.api = Api(daemon, sign(key, user), user, None)
        self.acknowledged = []  # (task id, version)
        self.is_over = False

    def write(self, task):
        answer = self.api.complete(task) if task else self.api.request("POST", self.api.tasks, {"title": "t"})
        assert answer.status in (200, 201, 503), answer
        if answer.status != 503:
            self.acknowledged.append((answer.json["id"], answer.json["version"]))
            return answer.json
        return None

    def run(self):
        task = None
        while not self.is_over:
            try:
                task = self.write(task if task and task["version"] % 5 else None)
            except (OSError, http.client.HTTPException, AttributeError):
                task = None
                time.sleep(0.02)
        self.api.close()


def write_while(daemon, signing_key, n, disturb, name):
    writers = [Writer(daemon, f"{name}-{i}", signing_key) for i in range(n)]
    for writer in writers:
        writer.start()
    try:
        disturb()
    finally:
        for writer in writers:
            writer.is_over = True
        for writer in writers:
            writer.join()
    return writers


def check_arrived(sidecar, writers):
    for writer in writers:
        for topic in ("task-events", "task-updates"):
            arrived = sequences(sidecar.events(writer.api.user, topic))
            assert writer.acknowledged, "nothing was written"
            lost = {(i, v) for i, v in writer.acknowledged if v not in arrived.get(str(i), [])}
            assert not lost, f"{len(lost)} of {len(writer.acknowledged)} lost"
            assert all(s == list(range(1, len(s) + 1)) for s in arrived.values()), "out of order"


def test_kill_in_the_middle(start, sidecar, relay_database, signing_key):
    """Nothing acknowledged is lost, nothing is out of order; some may come twice."""
    daemon = start()
    sidecar.delay = 0.01

    def disturb():
        for _ in range(3):
            time.sleep(0.7)
            daemon.kill()
            daemon.start()

    writers = write_while(daemon, signing_key, 4, disturb, "killed")
    drained(relay_database)
    check_arrived(sidecar, writers)


def test_two_relays_share_and_one_takes_over(start, sidecar, relay_database, signing_key):
    daemons = [start(), start()]
    wait_until("halves", lambda: sorted(metric(d, "todod_outbox_partitions") for d in daemons) == [8, 8])

    def disturb():
        time.sleep(0.5)
        daemons[1].kill()
        time.sleep(0.5)

    writers = write_while(daemons[0], signing_key, 6, disturb, "shared")
    drained(relay_database)
    check_arrived(sidecar, writers)
    wait_until("all of them", lambda: metric(daemons[0], "todod_outbox_partitions") == 16)
    daemons[1].process = None


def test_a_stop_leaves_nothing_behind(start, sidecar, relay_database, connect_api):
    """What was acknowledged before SIGTERM is published, and the partitions are free."""
    daemon = start()
    api = connect_api(daemon)
    api.create("first")
    drained(relay_database)
    sidecar.delay = 0.1
    for _ in range(3):
        api.create("t")
    daemon.stop()
    assert waiting(relay_database) == 0
    assert len(sidecar.events(api.user)) == 4
    assert relay_database.value("SELECT count(*) FROM todod.outbox_leases WHERE owner IS NOT NULL") == 0
    assert relay_database.value("SELECT count(*) FROM todod.outbox_relays") == 0


def test_the_database_away(make_database, start, sidecar, relay_database, connect_api):
    """The relay's session is cut: it comes back by itself."""
    daemon = start()
    api = connect_api(daemon)
    api.create("t")
    drained(relay_database)
    relay_database.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'todod_relay' AND datname = %s",
                        relay_database.name)
    task = api.create("t")
    drained(relay_database)
    assert str(task["id"]) in sequences(sidecar.events(api.user))
    assert ops(daemon, "/readyz")[0] == 200
