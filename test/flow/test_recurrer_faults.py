# SPDX-License-Identifier: Apache-2.0
"""
Exactly one next instance for each completion, whatever comes twice, at once, late or never, and whoever dies meanwhile.
"""
import concurrent.futures
import datetime
import os
import threading

import pytest

from api_client import Api, sign
from database import Cluster, Database
from process import ROOT, fake_clock, wait_until
from stack import after, done, everything, next_of, recurring, reopened, wake_up


@pytest.fixture(scope="module")
def live(make_stack):
    """Everything runs; events find their way by themselves."""
    made = make_stack("faults")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def quiet(make_stack):
    """Nothing is published: each test delivers what it wants to."""
    made = make_stack("faults_quiet", relays=False)
    yield made
    made.stop()


@pytest.fixture
def user(live, connect_api):
    return connect_api(live.api)


@pytest.fixture
def alone(quiet, connect_api):
    """A user of the quiet stack."""
    return connect_api(quiet.api)


def test_every_event_twice(quiet, alone):
    """AR10, RL7: each event twice, and all of them once more: nothing changes after the first time."""
    task = recurring(alone, tags=["a"], reminders=[{"offset_minutes": 5}])
    done(alone, task)
    quiet.deliver_all(alone.user, times=2)
    (made,) = after(alone, task)
    reopened(alone, task)
    quiet.deliver_all(alone.user, times=2)
    assert after(alone, task) == []
    done(alone, task)
    quiet.deliver_all(alone.user, times=2)
    (again,) = after(alone, task)
    assert again["id"] != made["id"] and again["occurrence"] == 2
    before = everything(quiet, alone)
    for event in quiet.outbox(alone.user):
        assert quiet.deliver(event) == 200
    assert everything(quiet, alone) == before


def test_two_recurrers_make_one(make_stack, connect_api):
    """AR10, DP9: both get the event at once, and the tick as well."""
    stack = make_stack("recurrer_two", recurrers=2, relays=False)
    api = connect_api(stack.api)
    tasks = [recurring(api, f"t{i}", tags=["t"]) for i in range(20)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for task in tasks:
            done(api, task)
            event = stack.outbox(api.user)[-1]
            stack.look_now(api.user)
            calls = [pool.submit(stack.deliver, event, number=i % 2) for i in range(6)]
            calls += [pool.submit(stack.tick, number=i) for i in range(2)]
            assert {c.result() for c in calls} == {200}
    assert [len(after(api, t)) for t in tasks] == [1] * len(tasks)
    assert len([e for e in stack.outbox(api.user) if e["type"] == "task.recurred"]) == len(tasks)
    assert sum(stack.metric("todod_instances_made_total", i) for i in range(2)) == len(tasks)
    assert stack.database.value("SELECT tasks FROM todod.user_counters WHERE user_id = %s", api.user) == 2 * len(tasks)
    stack.stop()


class Completer(threading.Thread):
    """Completes a series on and on; a request that met no answer is asked again."""

    def __init__(self, stack, user, key, n):
        super().__init__()
        self.api = Api(stack.api, sign(key, user), user, None)
        self.n = n
        self.failure = None

    def run(self):
        try:
            task = recurring(self.api, tags=["t"])
            for _ in range(self.n):
                done(self.api, task)
                task = next_of(self.api, task)
        except BaseException as e:  # pylint: disable=broad-except
            self.failure = e
        self.api.close()


def test_kill_in_the_middle(live, signing_key):
    """AR10, EV11: the recurrer dies again and again while series go on: each has each number once."""
    writers = [Completer(live, f"killed-{i}", signing_key, 15) for i in range(4)]
    for writer in writers:
        writer.start()

    def made():
        return live.database.value("SELECT count(*) FROM todod.tasks WHERE user_id LIKE 'killed-%%' AND occurrence > 1")

    for at in (3, 12, 25, 40):
        wait_until("more instances", lambda: made() >= at)
        live.recurrers[0].kill()
        live.recurrers[0].start()
    for writer in writers:
        writer.join()
        assert writer.failure is None, writer.failure
        rows = live.database.rows("SELECT occurrence, completed FROM todod.tasks WHERE user_id = %s ORDER BY 1", writer.api.user)
        assert rows == [(i, i < 16) for i in range(1, 17)]
    live.all_settled()
    for writer in writers:
        recurred = [e["data"]["task_id"] for e in live.records(writer.api.user) if e["type"] == "task.recurred"]
        assert len(set(recurred)) == 15, "an event may come twice, but there is one for each"


def test_killed_while_the_transaction_runs(quiet, alone):
    """AR10: its statement waits for a lock when it dies; whether it commits or not, in the end there is one."""
    task = recurring(alone)
    done(alone, task)
    event = quiet.outbox(alone.user)[-1]
    other = Database(quiet.database.cluster_url, quiet.database.name)
    quiet.database.rows("SELECT 1")
    connection = quiet.database.connection
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM todod.tasks WHERE user_id = %s AND id = %s FOR UPDATE", (alone.user, task["id"]))
        delivery = threading.Thread(target=lambda: pytest.raises(OSError, quiet.deliver, event))
        delivery.start()
        wait_until("it waits", lambda: other.value("""SELECT count(*) FROM pg_stat_activity WHERE datname = %s
            AND usename = 'todod_recurrer' AND wait_event_type = 'Lock'""", quiet.database.name) == 1)
        quiet.recurrers[0].kill()
        delivery.join()
    connection.rollback()
    connection.autocommit = True
    quiet.recurrers[0].start()
    assert quiet.deliver(event) == 200
    quiet.look_now(alone.user)
    assert quiet.tick() == 200
    assert len(after(alone, task)) == 1
    other.close()


def test_no_call_to_chat_api(quiet, alone):
    """RL13, RL15: chat-api is dead, so nobody could be invoked; the next instance is made all the same (ADR 14)."""
    task = recurring(alone)
    done(alone, task)
    events = quiet.outbox(alone.user)
    quiet.api.kill()
    try:
        assert {quiet.deliver(event) for event in events} == {200}
        assert quiet.database.rows("SELECT occurrence FROM todod.tasks WHERE user_id = %s AND parent_task_id = %s", alone.user, task["id"]) == [(2,)]
    finally:
        quiet.api.start()


def test_a_lost_event_is_made_good_by_the_sweep(quiet, alone):
    """RL6, FL6: no event ever comes; the tick finds the task, once its event had its time."""
    tasks = [recurring(alone, f"t{i}") for i in range(3)]
    for task in tasks:
        done(alone, task)
    quiet.database.rows("DELETE FROM todod.outbox WHERE user_id = %s", alone.user)
    assert quiet.tick() == 200
    assert len(alone.list()) == 3, "events have a few seconds"
    quiet.look_now(alone.user)
    for _ in range(2):
        assert quiet.tick() == 200
        assert [len(after(alone, t)) for t in tasks] == [1, 1, 1]
    recurred = [e for e in quiet.outbox(alone.user) if e["type"] == "task.recurred"]
    assert len(recurred) == 3 and {e["data"]["causation_id"] for e in recurred} == {None}
    # The event comes after all.
    for task in tasks:
        assert quiet.deliver(wake_up(alone, task)) == 200
    assert len(alone.list()) == 6


def test_a_real_cron(make_stack, connect_api):
    """DP7: the sidecar ticks, and what is due is found without a hand of ours."""
    stack = make_stack("recurrer_cron", relays=False, crons="recurrer/cron-reminder=@every 1s; recurrer/cron-upkeep=@every 1s")
    api = connect_api(stack.api)
    task = recurring(api)
    done(api, task)
    stack.look_now(api.user)
    next_of(api, task)
    stack.stop()


def test_process_clock_an_hour_off(make_stack, connect_api):
    """RL6: dates and times come from the database's clock."""
    for offset in ("+3600", "-3600"):
        stack = make_stack(f"recurrer_clock_{offset[0] == '+'}", relays=False, binary=os.path.join(ROOT, "build", "release", "todod"),
                      env=fake_clock(FAKETIME=offset))
        api = connect_api(stack.api)
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=30)
        first = soon - datetime.timedelta(days=1)
        task = recurring(api, due_date=first.strftime("%Y-%m-%dT%H:%M:%SZ"), reminders=[{"offset_minutes": 0}])
        done(api, task)
        stack.deliver_all(api.user)
        (made,) = after(api, task)
        assert made["due_date"] == soon.strftime("%Y-%m-%dT%H:%M:%SZ"), "the next is in half an hour, by the right clock"
        at = datetime.datetime.fromisoformat(made["created_at"].replace("Z", "+00:00"))
        assert abs(at - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=20)
        line = stack.recurrers[0].log("task.recurred")[0]
        logged = datetime.datetime.fromisoformat(line["ts"].replace("Z", "+00:00"))
        assert abs(logged - at) > datetime.timedelta(minutes=50), "the clock of the process was not off: nothing was tested"
        assert stack.tick() == 200
        assert not [e for e in stack.outbox(api.user, "reminders") if e["type"] == "reminder.trigger"], "nothing is early"
        stack.stop()


def test_a_database_that_is_away(make_stack, connect_api):
    """A delivery is a 503, and so is a tick; both are made good when the database is back."""
    cluster = Cluster("recurrer-away").start("max_connections=100")
    try:
        stack = make_stack("away", url=cluster.url, relays=False)
        api = connect_api(stack.api)
        task = recurring(api)
        done(api, task)
        event = stack.outbox(api.user)[-1]
        stack.database.close()
        cluster.stop()
        assert stack.tick() == 503
        assert stack.deliver(event) == 503
        cluster.restart()
        wait_until("it is taken", lambda: stack.deliver(event) == 200)
        wait_until("the API is back", lambda: api.request("GET", api.tasks).status == 200)
        assert len(after(api, task)) == 1
        for daemon in (*stack.recurrers, stack.api):
            daemon.stop()
        stack.sidecar.kill()
        stack.sidecar.process = None
        stack.database.close()
    finally:
        cluster.remove()
