# SPDX-License-Identifier: Apache-2.0
"""
Reminders at the recurrer: the sweep that finds what is due, and the states that it keeps of what it is told.
"""
import concurrent.futures
import datetime
import json
import re
import threading
import uuid

import psycopg2
import pytest

from database import Database, connect
from event_schemas import validate
from process import BINARY, wait_until
from stack import after, done, recurring, reopened


@pytest.fixture(scope="module")
def stack(make_stack):
    """Nothing is published: each test delivers what it wants to, and empties the outbox as a relay would."""
    made = make_stack("sweep", relays=False)
    yield made
    made.stop()


@pytest.fixture
def api(stack, connect_api):
    made = connect_api(stack.api)
    yield made
    # What one test left due would be in the next one's way.
    stack.database.rows("DELETE FROM todod.outbox WHERE user_id = %s", made.user)
    stack.database.rows("UPDATE todod.reminders SET status = 5 WHERE user_id = %s", made.user)


def remind(api, title="call", **fields):
    """A task with one reminder, far ahead; and that reminder."""
    task = api.create(title, **{"due_date": "2031-03-03T08:00:00Z", "reminders": [{"offset_minutes": 30}], **fields})
    return task, task["reminders"][0]


def make_due(stack, reminder, ago="10 seconds"):
    """As if its time had come so long ago."""
    stack.database.rows("UPDATE todod.reminders SET remind_at = now() - %s::interval WHERE id = %s", ago, reminder["id"])


def triggers(stack, api):
    return [e for e in stack.outbox(api.user, "reminders") if e["type"] == "reminder.trigger"]


def publish(stack, api):
    """The relay took what was there."""
    stack.database.rows("DELETE FROM todod.outbox WHERE user_id = %s", api.user)


def let_hold_pass(stack, reminder):
    stack.database.rows("UPDATE todod.reminders SET retry_at = now() - interval '2 seconds' WHERE id = %s", reminder["id"])


def state(api, task):
    (reminder,) = api.get(f"{api.path(task)}/reminders").json
    return reminder


def told(api, task, reminder, kind, **payload):
    """An event of whoever notifies; it fits the schema."""
    event_id = f"{uuid.uuid4()}"
    event_id = event_id[:14] + "7" + event_id[15:]
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
    data = {"event_id": event_id, "event_type": kind, "user_id": api.user, "task_id": str(task["id"]), "timestamp": now,
            "sequence": reminder["version"], "correlation_id": "of-the-notifier", "causation_id": None,
            "metadata": {"source": "notifier", "version": "v1"},
            "payload": {"reminder_id": reminder["id"], "task_id": str(task["id"]), "title": task["title"],
                        "remind_at": reminder["remind_at"], "due_date": task["due_date"], "time_zone": task["time_zone"],
                        "channels": None, "version": reminder["version"], **payload}}
    event = {"specversion": "1.0", "id": event_id, "source": "notifier", "type": kind, "subject": str(task["id"]), "time": now,
             "datacontenttype": "application/json", "partitionkey": api.user, "traceparent": trace, "traceid": trace, "data": data}
    validate("reminders", event)
    return event


def sent(api, task, reminder, attempt=1):
    return told(api, task, reminder, "reminder.sent", attempt=attempt)


def failed(api, task, reminder, attempt=1, retry_at=None, error="451 try again"):
    return told(api, task, reminder, "reminder.failed", attempt=attempt, retry_at=retry_at, error=error)


def take(stack, event, times=2):
    assert {stack.deliver(event, topic="reminders") for _ in range(times)} == {200}


def in_minutes(minutes):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- the sweep ----

def test_after_an_hour_of_downtime(stack, api, connect_api):
    """FL4, EV17: each overdue one is triggered once, oldest first, with how late it is; what is not due is not."""
    users = [api, connect_api(stack.api), connect_api(stack.api)]
    made = []
    for i in range(24):
        owner = users[i % 3]
        task, reminder = remind(owner, f"t{i}")
        make_due(stack, reminder, f"{(i * 7) % 24 * 150 + 10} seconds")
        made.append((owner, task, reminder))
    remind(api, "later")
    seen = stack.database.value("SELECT coalesce(max(id), 0) FROM todod.outbox")
    assert stack.tick() == 200
    rows = [json.loads(e) for (e,) in stack.database.rows("SELECT event FROM todod.outbox WHERE id > %s ORDER BY id", seen)]
    assert [e["type"] for e in rows] == ["reminder.trigger"] * 24
    late = [e["data"]["payload"]["late_by"] for e in rows]
    assert late == sorted(late, reverse=True) and 3450 <= late[0] < 3600 and 10 <= late[-1] < 100
    by_id = {e["data"]["payload"]["reminder_id"]: e for e in rows}
    assert len(by_id) == 24
    for owner, task, reminder in made:
        event, shown = by_id[reminder["id"]], state(owner, task)
        assert (event["partitionkey"], event["subject"], event["source"]) == (owner.user, str(task["id"]), "recurrer")
        payload = event["data"]["payload"]
        assert payload == {"reminder_id": reminder["id"], "task_id": str(task["id"]), "title": task["title"],
                           "remind_at": shown["remind_at"], "due_date": task["due_date"], "time_zone": "UTC", "channels": None,
                           "version": 1, "late_by": payload["late_by"]}
        assert shown["status"] == "triggered"
    for _ in range(3):
        assert stack.tick() == 200
    assert stack.database.value("SELECT count(*) FROM todod.outbox WHERE id > %s", seen) == 24
    for owner in users[1:]:
        publish(stack, owner)


def test_all_that_an_event_says(stack, api):
    """EV17: own channels, a day, a zone; or nothing of it."""
    day, of_day = remind(api, "day", due_date="2031-03-03", time_zone="Europe/Berlin", reminders=[{"offset_minutes": 0, "channels": ["email", "log"]}])
    bare, of_bare = remind(api, 'Grüße "漢字" 😀', due_date=None, reminders=[{"remind_at": "2031-01-01T00:00:00Z"}])
    make_due(stack, of_day)
    make_due(stack, of_bare)
    assert stack.tick() == 200
    found = {e["subject"]: e["data"]["payload"] for e in triggers(stack, api)}
    assert (found[str(day["id"])]["channels"], found[str(day["id"])]["due_date"], found[str(day["id"])]["time_zone"]) == \
        (["email", "log"], "2031-03-03", "Europe/Berlin")
    assert (found[str(bare["id"])]["title"], found[str(bare["id"])]["due_date"], found[str(bare["id"])]["time_zone"]) == \
        ('Grüße "漢字" 😀', None, None)


def test_one_that_is_under_way_is_left_alone(stack, api):
    """EV17: not again each ten seconds: after a minute without a word, and each time later; and not while the first one waits."""
    task, reminder = remind(api)
    make_due(stack, reminder)
    for held in (60, 120, 240):
        let_hold_pass(stack, reminder)
        for _ in range(2):
            assert stack.tick() == 200
        assert len(triggers(stack, api)) == 1
        assert stack.database.value("SELECT retry_at BETWEEN now() + %s * interval '1 second' AND now() + %s * interval '1 second' "
                                    "FROM todod.reminders WHERE id = %s", held, held * 1.1, reminder["id"])
        let_hold_pass(stack, reminder)
        assert stack.tick() == 200
        assert len(triggers(stack, api)) == 1, "its trigger is not even published"
        publish(stack, api)
    assert state(api, task)["status"] == "triggered"


@pytest.mark.parametrize("what", ["completed", "deleted", "moved", "another date", "the reminder deleted"])
def test_what_is_no_longer_due(stack, api, what):
    """FL4: cancelled, deleted or put off before the sweep: no trigger."""
    task, reminder = remind(api)
    make_due(stack, reminder)
    path = f"{api.path(task)}/reminders/{reminder['id']}"
    if what == "completed":
        api.complete(task)
    elif what == "deleted":
        api.delete(task)
    elif what == "moved":
        assert api.request("PATCH", path, {"remind_at": "2031-01-01T00:00:00Z"}).status == 200
    elif what == "another date":
        api.update(task, due_date="2032-01-01")
    else:
        assert api.request("DELETE", path).status == 204
    assert stack.tick() == 200
    assert triggers(stack, api) == []


def test_a_snoozed_one_begins_anew(stack, api):
    """What was under way and is put off fires at its new time, not when its old hold ends."""
    task, reminder = remind(api)
    make_due(stack, reminder)
    assert stack.tick() == 200
    publish(stack, api)
    path = f"{api.path(task)}/reminders/{reminder['id']}"
    moved = api.request("PATCH", path, {"remind_at": "2031-01-01T00:00:00Z"}).json
    assert (moved["status"], moved["version"]) == ("pending", 2)
    publish(stack, api)
    assert stack.tick() == 200
    assert triggers(stack, api) == []
    make_due(stack, reminder)
    assert stack.tick() == 200
    assert [e["data"]["sequence"] for e in triggers(stack, api)] == [2]


def test_a_row_that_is_locked_holds_up_no_other(stack, api):
    """DP9: SKIP LOCKED: what somebody writes to this moment is for the next tick."""
    made = [remind(api, f"t{i}") for i in range(3)]
    for _, reminder in made:
        make_due(stack, reminder)
    connection = psycopg2.connect(stack.database.url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM todod.reminders WHERE id = %s FOR UPDATE", (made[1][1]["id"],))
        assert stack.tick() == 200
        assert {e["data"]["payload"]["title"] for e in triggers(stack, api)} == {"t0", "t2"}
    connection.rollback()
    connection.close()
    assert stack.tick() == 200
    assert [e["data"]["payload"]["title"] for e in triggers(stack, api)][-1] == "t1"


def fill(stack, user, n, due):
    """A task with n reminders' worth of tasks, `due` of them due a second apart, the others later."""
    first = stack.database.fill_tasks(user, n)
    stack.database.rows("""INSERT INTO todod.reminders (user_id, task_id, id, remind_at)
        SELECT %s, %s + i, gen_random_uuid(), CASE WHEN i <= %s THEN now() - (10 + i) * interval '1 second'
        ELSE now() + i * interval '1 hour' END FROM generate_series(1, %s) i""", user, first, due, n)
    stack.database.rows("ANALYZE todod.reminders; ANALYZE todod.tasks")


def test_more_than_a_page(stack, api):
    """FL4: 2,500 at one tick, in pages, oldest first."""
    fill(stack, api.user, 3000, 2500)
    assert stack.tick() == 200
    late = [e["data"]["payload"]["late_by"] for e in triggers(stack, api)]
    assert len(late) == 2500 and late == sorted(late, reverse=True)
    assert stack.database.value("SELECT count(*) FROM todod.reminders WHERE user_id = %s AND status = 1", api.user) == 2500


def statement(beginning):
    with open(BINARY, "rb") as f:
        (text,) = set(re.findall(re.escape(beginning).encode() + rb"[\x20-\x7e]+", f.read()))
    return text.decode()


def test_the_walk_is_by_the_index(stack, api):
    """FL4: the statement that finds what is due walks the index of live ones by time, as the role that runs it."""
    fill(stack, api.user, 9000, 50)
    connection = connect(stack.url("todod_sweeper"))
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement("WITH due AS MATERIALIZED"))
        plan = "\n".join(row[0] for row in cursor.fetchall())
    connection.close()
    assert re.search(r"Index Scan using reminders_live on reminders r .*\n +Index Cond: \(remind_at <= ", plan), plan
    assert "Index Scan using tasks_pkey" in plan and re.search("Index Scan (using|on) outbox_user_id_event_id_key", plan), plan
    assert "Seq Scan" not in plan, plan


def test_many_ticks_at_once(make_stack, connect_api):
    """DP9, AR10: ten ticks at the same time on two processes: each reminder is triggered once."""
    pair = make_stack("sweep_pair", recurrers=2, relays=False)
    api = connect_api(pair.api)
    fill(pair, api.user, 600, 500)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert {c.result() for c in [pool.submit(pair.tick, number=i % 2) for i in range(10)]} == {200}
    found = [e["data"]["payload"]["reminder_id"] for e in triggers(pair, api)]
    assert len(found) == len(set(found)) == 500
    # The other one goes on when the lease of the first has run out.
    pair.database.rows("UPDATE todod.reminders SET remind_at = now() - interval '1 minute' WHERE status = 0 AND user_id = %s", api.user)
    pair.recurrers[0].kill()
    pair.database.rows("UPDATE todod.leases SET until = now()")
    assert pair.tick(number=1) == 200
    assert len(triggers(pair, api)) == 600
    pair.recurrers[0].process = None
    pair.stop()


def test_killed_in_the_middle_of_a_sweep(stack, api):
    """AR10: its page waits for a lock when it dies; in the end each was triggered once."""
    made = [remind(api, f"t{i}") for i in range(5)]
    for _, reminder in made:
        make_due(stack, reminder)
    connection, other = psycopg2.connect(stack.database.url), Database(stack.database.cluster_url, stack.database.name)
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE todod.outbox IN SHARE ROW EXCLUSIVE MODE")
        tick = threading.Thread(target=lambda: pytest.raises(OSError, stack.tick))
        tick.start()
        wait_until("it waits", lambda: other.value("""SELECT count(*) FROM pg_stat_activity WHERE datname = %s
            AND usename = 'todod_sweeper' AND wait_event_type = 'Lock'""", stack.database.name) == 1)
        stack.recurrers[0].kill()
        tick.join()
    connection.rollback()
    connection.close()
    other.close()
    stack.recurrers[0].start()
    stack.database.rows("DELETE FROM todod.leases")
    wait_until("all of them", lambda: stack.tick() == 200 and len(triggers(stack, api)) >= 5)
    assert len({e["data"]["payload"]["reminder_id"] for e in triggers(stack, api)}) == len(triggers(stack, api)) == 5


# ---- what it is told ----

def test_sent(stack, api):
    """RL11, FT9: sent, when, and after how many failures; a version of the task, told to the trail and to screens; once."""
    task, reminder = remind(api)
    make_due(stack, reminder)
    assert stack.tick() == 200
    (trigger,) = triggers(stack, api)
    assert state(api, task)["status"] == "triggered"
    publish(stack, api)
    event = sent(api, task, reminder, attempt=3)
    take(stack, event)
    shown = state(api, task)
    assert (shown["status"], shown["sent_at"], shown["retry_count"], shown["last_error"], shown["version"]) == \
        ("sent", event["time"], 2, None, 1)
    whole = api.read(task)
    assert whole["version"] == 2 and whole["reminders"] == [shown]
    updated, = stack.outbox(api.user)
    assert (updated["type"], updated["source"], updated["data"]["sequence"]) == ("task.updated", "recurrer", 2)
    assert updated["data"]["causation_id"] == event["id"] and updated["data"]["correlation_id"] == "of-the-notifier"
    assert updated["data"]["payload"]["task"] == whole and set(updated["data"]["payload"]["changes"]) == {"reminders"}
    update, = stack.outbox(api.user, "task-updates")
    assert update["data"]["payload"] == {**updated["data"]["payload"], "change": "updated"}
    assert stack.outbox(api.user, "reminders") == []
    # The trigger, the outcome and an outcome under another id, late and again.
    for late in (trigger, event, sent(api, task, reminder), failed(api, task, reminder, attempt=4)):
        take(stack, late)
    let_hold_pass(stack, reminder)
    assert stack.tick() == 200
    assert api.read(task) == whole and len(stack.outbox(api.user)) == 1


def test_failed_and_tried_again(stack, api):
    """RL11, FT9, FL4: each failure with its reason; the sweep waits for retry_at; the last failure ends it; a replay may still send."""
    task, reminder = remind(api)
    make_due(stack, reminder)
    take(stack, told(api, task, reminder, "reminder.trigger"))
    assert state(api, task)["status"] == "triggered"
    for attempt, minutes in ((1, 1), (2, 5), (3, 15)):
        take(stack, failed(api, task, reminder, attempt, in_minutes(minutes), f"451 attempt {attempt}"))
        shown = state(api, task)
        assert (shown["status"], shown["retry_count"], shown["last_error"]) == ("retrying", attempt, f"451 attempt {attempt}")
        assert [r["id"] for r in api.reminders("?status=retrying")] == [reminder["id"]]
        publish(stack, api)
        assert stack.tick() == 200
        assert triggers(stack, api) == [], "its next try is not yet due"
        let_hold_pass(stack, reminder)
        assert stack.tick() == 200
        assert len(triggers(stack, api)) == 1
        assert state(api, task)["status"] == "triggered"
        publish(stack, api)
    take(stack, failed(api, task, reminder, 2, in_minutes(5)))
    assert state(api, task)["status"] == "triggered", "that was told before"
    take(stack, failed(api, task, reminder, 4, None, "550 no such mailbox"))
    shown = state(api, task)
    assert (shown["status"], shown["retry_count"], shown["last_error"]) == ("failed", 4, "550 no such mailbox")
    publish(stack, api)
    let_hold_pass(stack, reminder)
    assert stack.tick() == 200
    assert triggers(stack, api) == []
    take(stack, sent(api, task, reminder, attempt=5))
    assert (state(api, task)["status"], state(api, task)["retry_count"]) == ("sent", 4)
    assert api.read(task)["version"] == 6


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_pause_told_by_a_wrong_clock(stack, api, hours):
    """FL4: who told of the failure has a clock of its own; how long the sweep waits is counted by the database's."""
    task, reminder = remind(api)
    make_due(stack, reminder)
    event = failed(api, task, reminder, 1, in_minutes(60 * hours + 5))
    event["time"] = event["data"]["timestamp"] = in_minutes(60 * hours)
    take(stack, event)
    assert 290 < stack.database.value("SELECT extract(epoch FROM retry_at - now()) FROM todod.reminders WHERE id = %s", reminder["id"]) <= 301


def test_a_pause_without_end(stack, api):
    """FT9: no event keeps the sweep from a reminder for longer than a day."""
    task, reminder = remind(api)
    make_due(stack, reminder)
    take(stack, failed(api, task, reminder, retry_at="9999-12-31T23:59:59Z"))
    assert stack.database.value("SELECT retry_at <= now() + interval '1 day' FROM todod.reminders WHERE id = %s", reminder["id"])


def test_a_trigger_of_a_job(stack, api):
    """EV17: the job was there at the exact time: the sweep leaves the reminder alone."""
    task, reminder = remind(api)
    make_due(stack, reminder)
    take(stack, told(api, task, reminder, "reminder.trigger"))
    publish(stack, api)
    assert stack.tick() == 200
    assert triggers(stack, api) == []
    version = api.read(task)["version"]
    assert (state(api, task)["status"], version) == ("triggered", 1)


@pytest.mark.parametrize("what", ["another version", "cancelled", "deleted", "the task deleted", "another user's"])
def test_outcomes_that_are_about_nothing(stack, api, connect_api, what):
    """SE10: what is over, moved or somebody else's stays as it is."""
    task, reminder = remind(api)
    path = f"{api.path(task)}/reminders/{reminder['id']}"
    events = [lambda a: sent(a, task, reminder), lambda a: failed(a, task, reminder), lambda a: told(a, task, reminder, "reminder.trigger")]
    owner = api
    if what == "another version":
        api.request("PATCH", path, {"remind_at": "2031-01-01T00:00:00Z"})
    elif what == "cancelled":
        api.complete(task)
    elif what == "deleted":
        api.request("DELETE", path)
    elif what == "the task deleted":
        api.delete(task)
    else:
        owner = connect_api(stack.api)
    before = stack.database.rows("SELECT * FROM todod.reminders WHERE user_id = %s", api.user)
    n = stack.database.value("SELECT count(*) FROM todod.outbox")
    for event in events:
        take(stack, event(owner))
    assert stack.database.rows("SELECT * FROM todod.reminders WHERE user_id = %s", api.user) == before
    assert stack.database.value("SELECT count(*) FROM todod.outbox") == n


@pytest.mark.parametrize("payload", [
    {"reminder_id": "x"}, {"reminder_id": None}, {"version": "one"}, {"attempt": []}, {"attempt": 2 ** 40}, {"retry_at": "tomorrow"},
    None, []], ids=str)
def test_outcomes_that_are_none(stack, api, payload):
    """EV12: poison is refused at once and changes nothing."""
    task, reminder = remind(api)
    event = failed(api, task, reminder)
    event["data"]["payload"] = {**event["data"]["payload"], **payload} if isinstance(payload, dict) else payload
    before = api.read(task)
    assert stack.deliver(event, topic="reminders") == 422
    assert api.read(task) == before


def test_a_long_reason_is_cut(stack, api):
    task, reminder = remind(api)
    event = failed(api, task, reminder, error="ß" * 500)
    event["data"]["payload"]["error"] = "ß" * 5000
    take(stack, event)
    assert state(api, task)["last_error"] == "ß" * 500


def test_an_outcome_while_the_user_writes(stack, api):
    """Optimistic as all writes: whoever loses reads again; no version is lost or twice."""
    task, reminder = remind(api)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        edits = [pool.submit(api.put, task, description=f"{i}") for i in range(20)]
        outcome = pool.submit(stack.deliver, sent(api, task, reminder), "reminders")
        assert outcome.result() == 200
        assert {e.result().status for e in edits} <= {200, 503}
    assert state(api, task)["status"] == "sent"
    sequences = [e["data"]["sequence"] for e in stack.outbox(api.user)]
    assert sequences == list(range(1, api.read(task)["version"] + 1))


def test_the_inbox_is_kept_for_45_days(stack, api):
    """AR10, FL3: longer than a dead letter can be replayed."""
    task, reminder = remind(api)
    events = [sent(api, task, reminder), failed(api, task, reminder)]
    for event, age in zip(events, ("46 days", "44 days")):
        take(stack, event)
        stack.database.rows("UPDATE todod.processed_events SET processed_at = now() - %s::interval WHERE event_id = %s", age, event["id"])
    assert stack.tick(cron="cron-upkeep") == 200
    assert [r[0] for r in stack.database.rows("SELECT event_id FROM todod.processed_events WHERE event_id = ANY(%s)",
                                              [e["id"] for e in events])] == [events[1]["id"]]


def test_from_pending_to_sent(make_stack, connect_api):
    """RL11, EV17, DP7: over the broker, with a cron of the sidecar's: pending, triggered, retrying, sent."""
    live = make_stack("sweep_live", crons="recurrer/cron-reminder=@every 1s")
    api = connect_api(live.api)
    task, reminder = remind(api)
    assert state(api, task)["status"] == "pending"
    make_due(live, reminder)
    wait_until("triggered", lambda: state(api, task)["status"] == "triggered")
    live.all_settled()
    (trigger,) = [e for e in live.records(api.user, "reminders") if e["type"] == "reminder.trigger"]
    assert trigger["data"]["payload"]["late_by"] >= 10
    live.publish(failed(api, task, reminder, 1, in_minutes(1)))
    wait_until("retrying", lambda: state(api, task)["status"] == "retrying")
    live.publish(sent(api, task, reminder, 2))
    wait_until("sent", lambda: state(api, task)["status"] == "sent")
    live.all_settled()
    assert [e["type"] for e in live.records(api.user)] == ["task.created", "task.updated", "task.updated"]
    assert [e["data"]["sequence"] for e in live.records(api.user)] == [1, 2, 3]
    live.stop()


def test_a_reminder_that_fired_is_no_edit(stack, api):
    """RL6: nobody but recurrer wrote the next instance, however often its reminder was tried: reopening takes it back."""
    task = recurring(api, reminders=[{"offset_minutes": 5}])
    done(api, task)
    stack.deliver_all(api.user)
    (made,) = after(api, task)
    take(stack, failed(api, made, made["reminders"][0], retry_at="2031-03-03T12:00:00Z"))
    take(stack, sent(api, made, made["reminders"][0], attempt=2))
    assert state(api, made)["status"] == "sent" and after(api, task)[0]["version"] == made["version"] + 2
    reopened(api, task)
    stack.deliver_all(api.user)
    assert after(api, task) == []
