# SPDX-License-Identifier: Apache-2.0
"""The events that writes leave in the outbox: exactly one each on each topic, complete, in order."""
import pytest

from test_tasks import in_parallel


def test_create(api, events):
    task = api.create("Buy milk", description="two", priority="high", headers={"X-Request-Id": "the-request"})
    event, = events(api.user)
    assert event["type"] == "task.created"
    assert event["data"]["correlation_id"] == "the-request"
    assert event["data"]["payload"]["task"] == task
    assert event["data"]["payload"]["changes"] == {
        "title": {"before": None, "after": "Buy milk"}, "description": {"before": None, "after": "two"},
        "priority": {"before": None, "after": "high"}, "completed": {"before": None, "after": False}}, event


def test_create_completed(api, events):
    task = api.create("done", completed=True)
    changes = events(api.user)[0]["data"]["payload"]["changes"]
    assert changes["completed"] == {"before": None, "after": True}
    assert changes["completed_at"] == {"before": None, "after": task["completed_at"]}
    assert "description" not in changes


def test_the_life_of_a_task(api, events):
    task = api.create("t", description="stays")
    done = api.complete(task).json
    reopened = api.complete(task, {"completed": False}).json
    api.delete(task, {"X-Request-Id": "the-end"})
    created, completed, again, deleted = events(api.user)
    assert [e["type"] for e in (created, completed, again, deleted)] == \
        ["task.created", "task.completed", "task.reopened", "task.deleted"]
    assert [e["data"]["sequence"] for e in (created, completed, again, deleted)] == [1, 2, 3, 4]
    assert completed["data"]["payload"]["task"] == done
    assert completed["data"]["payload"]["changes"] == {
        "completed": {"before": False, "after": True}, "completed_at": {"before": None, "after": done["completed_at"]}}
    assert again["data"]["payload"]["task"] == reopened
    assert again["data"]["payload"]["changes"] == {
        "completed": {"before": True, "after": False}, "completed_at": {"before": done["completed_at"], "after": None}}
    last = deleted["data"]["payload"]["task"]
    assert {**last, "version": 3, "updated_at": reopened["updated_at"]} == reopened
    assert deleted["data"]["payload"]["changes"] == {}
    assert deleted["data"]["correlation_id"] == "the-end"
    assert len({e["id"] for e in (created, completed, again, deleted)}) == 4


def test_what_changes_nothing_leaves_nothing(api, events):
    task = api.create("t")
    api.complete(task, {"completed": False})
    api.complete(task, headers={"If-Match": '"9"'})
    api.delete(task, headers={"If-Match": '"9"'})
    api.request("POST", api.tasks, {"title": ""})
    api.get(api.path(task))
    assert len(events(api.user)) == 1


def test_a_repeated_key_leaves_one_event(api, events):
    for _ in range(3):
        api.create("t", headers={"Idempotency-Key": "k"})
    assert len(events(api.user)) == 1


def test_trace_goes_on(api, events):
    """The caller's trace id is kept; without one, or with a bad one, there is a new one; spans differ."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    api.create("t", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    api.create("t", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    for bad in (f"00-{'0' * 32}-b7ad6b7169203331-01", "00-xyz", f"00-{trace.upper()}-b7ad6b7169203331-01", ""):
        api.create("t", headers={"traceparent": bad})
    parts = [e["traceparent"].split("-") for e in events(api.user)]
    assert [p[1] == trace for p in parts] == [True, True, False, False, False, False]
    assert len({p[2] for p in parts}) == 6
    assert len({p[1] for p in parts}) == 5


def test_correlation_is_what_the_answer_says(api, events):
    answer = api.request("POST", api.tasks, {"title": "t"})
    assert events(api.user)[0]["data"]["correlation_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("text", ["Grüße 漢字 😀", 'quote " backslash \\', "line\nbreak\ttab", "\u2028\u2029\u007f", "</script>"])
def test_texts_arrive_whole(api, events, text):
    task = api.create("." + text, description=text)
    event, = events(api.user)
    assert event["data"]["payload"]["task"] == task
    assert event["data"]["payload"]["changes"]["description"]["after"] == text


def test_partitions_are_stable_and_spread(daemon, connect_api, database):
    apis = [connect_api(daemon) for _ in range(24)]
    for _ in range(2):
        for api in apis:
            api.create("t")
    parts = {api.user: {r[0] for r in database.rows("SELECT part FROM todod.outbox WHERE user_id = %s", api.user)}
             for api in apis}
    assert all(len(p) == 1 for p in parts.values())
    assert len({p for mine in parts.values() for p in mine}) >= 4


def test_concurrent_writes_leave_one_event_each_in_order(api, events):
    task = api.create("t")
    answers = in_parallel(5, lambda i: [api.complete(task) for _ in range(3)])
    versions = sorted(a.json["version"] for mine in answers for a in mine if a.status == 200)
    mine = events(api.user)
    assert sorted(e["data"]["sequence"] for e in mine) == [1, *versions]
    assert len({e["id"] for e in mine}) == len(mine)


def test_no_secrets_in_events(api, database, signing_key):
    """SE6: no token and no key in any event there is."""
    api.create("t", headers={"Idempotency-Key": "canary-key", "Cookie": "canary-cookie"})
    for canary in (api.token, api.token.split(".")[2], "canary-key", "canary-cookie", "PRIVATE KEY", "Bearer"):
        assert database.value("SELECT count(*) FROM todod.outbox WHERE event LIKE %s", f"%{canary}%") == 0
