# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key: done once, answered the same."""
import pytest

from database import counted
from test_tasks import in_parallel

VOLATILE = {"date", "x-request-id", "idempotency-replayed"}


def same_answer(first, again):
    assert again.status == first.status
    assert again.body == first.body, "byte for byte"
    assert {k: v for k, v in again.headers.items() if k not in VOLATILE} == \
        {k: v for k, v in first.headers.items() if k not in VOLATILE}
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


def keyed(key):
    return {"Idempotency-Key": key}


def test_create_again(api, database):
    body = b'{"title":"Gr\xc3\xbc\xc3\x9fe","priority":"high"}'
    first = api.request("POST", api.tasks, body, keyed("k"))
    again = api.request("POST", api.tasks, body, keyed("k"))
    same_answer(first, again)
    assert first.status == 201 and "location" in first.headers and "etag" in first.headers
    assert database.counts(api.user) == counted(tasks=1, outbox=2, idempotency_keys=1)


def test_the_first_answer_stays_when_the_task_moves_on(api):
    first = api.request("POST", api.tasks, {"title": "t"}, keyed("k"))
    api.complete(first.json)
    same_answer(first, api.request("POST", api.tasks, {"title": "t"}, keyed("k")))
    api.delete(first.json)
    same_answer(first, api.request("POST", api.tasks, {"title": "t"}, keyed("k")))


def test_another_body_is_422(api, database):
    api.request("POST", api.tasks, {"title": "one"}, keyed("k"))
    before = database.counts(api.user)
    for body in (b'{"title":"two"}', b'{"title": "one"} ', b'{"title":"one","x":1}'):
        answer = api.request("POST", api.tasks, body, keyed("k"))
        assert answer.status == 422, answer
        assert answer.json["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert database.counts(api.user) == before


def test_keys_belong_to_user_method_and_path(daemon, connect_api, api, database):
    """SE2: a key of somebody else is no key of mine."""
    first = api.request("POST", api.tasks, {"title": "t"}, keyed("k")).json
    other = connect_api(daemon)
    theirs = other.request("POST", other.tasks, {"title": "t"}, keyed("k"))
    assert theirs.status == 201 and theirs.json["id"] != first["id"]
    second = api.create("second")
    for task in (first, second):
        assert api.complete(task, headers=keyed("k")).json["completed"] is True
    for task in (first, second):
        assert api.delete(task, headers=keyed("k")).status == 204
    assert database.counts(api.user)["idempotency_keys"] == 5


def test_toggle_again_does_not_toggle_back(api, database):
    task = api.create("t")
    first = api.complete(task, headers=keyed("k"))
    again = api.complete(task, headers=keyed("k"))
    same_answer(first, again)
    assert api.read(task)["completed"] is True and api.read(task)["version"] == 2
    assert database.counts(api.user)["outbox"] == 4
    assert api.complete(task, {"completed": True}, keyed("k")).status == 422, "another body"


def test_delete_again(api, database):
    task = api.create("t")
    first = api.delete(task, headers=keyed("k"))
    again = api.delete(task, headers=keyed("k"))
    same_answer(first, again)
    assert first.status == 204
    assert api.delete(task).status == 404
    assert api.delete(task, headers=keyed("other")).status == 404
    assert database.counts(api.user) == counted(outbox=4, idempotency_keys=1, deleted_tasks=1)


def test_replay_does_not_ask_if_match_again(api):
    """The first write made the tag stale; its retry is still its retry."""
    task = api.create("t")
    headers = {**keyed("k"), "If-Match": '"1"'}
    same_answer(api.complete(task, headers=headers), api.complete(task, headers=headers))
    headers = {**keyed("d"), "If-Match": '"2"'}
    same_answer(api.delete(task, headers=headers), api.delete(task, headers=headers))


def test_a_write_that_changed_nothing_is_remembered_too(api, database):
    """Set what is set already: 200, and the key then stands for that answer, whatever happens to the task."""
    task = api.create("t", completed=True)
    first = api.complete(task, {"completed": True}, keyed("k"))
    assert first.status == 200 and first.json["version"] == 1
    assert database.counts(api.user) == counted(tasks=1, outbox=2, idempotency_keys=1)
    assert api.complete(task, {"completed": False}, keyed("k")).status == 422, "another body"
    api.complete(task, {"completed": False})
    same_answer(first, api.complete(task, {"completed": True}, keyed("k")))
    assert api.read(task)["completed"] is False, "a repetition writes nothing"


@pytest.mark.parametrize("n", [50])
def test_concurrent_creates_with_one_key_make_one_task(api, database, n):
    answers = in_parallel(n, lambda i: api.request("POST", api.tasks, {"title": "t"}, keyed("k")))
    assert {a.status for a in answers} == {201}, answers
    assert len({a.body for a in answers}) == 1
    assert sum("idempotency-replayed" not in a.headers for a in answers) == 1
    assert database.counts(api.user) == counted(tasks=1, outbox=2, idempotency_keys=1)
    assert database.value("SELECT tasks FROM todod.user_counters WHERE user_id = %s", api.user) == 1


def test_concurrent_creates_with_one_key_and_two_bodies(api, database):
    answers = in_parallel(20, lambda i: api.request("POST", api.tasks, {"title": f"t{i % 2}"}, keyed("k")))
    assert {a.status for a in answers} == {201, 422}
    assert len({a.body for a in answers if a.status == 201}) == 1
    assert database.counts(api.user) == counted(tasks=1, outbox=2, idempotency_keys=1)


def test_concurrent_toggles_and_deletes_with_one_key(api, database):
    task = api.create("t")
    answers = in_parallel(20, lambda i: api.complete(task, headers=keyed("k")))
    assert {a.status for a in answers} == {200}, answers
    assert len({a.body for a in answers}) == 1
    assert api.read(task)["version"] == 2
    answers = in_parallel(20, lambda i: api.delete(task, headers=keyed("d")))
    assert {a.status for a in answers} == {204}, answers
    assert database.counts(api.user) == counted(outbox=6, idempotency_keys=2, deleted_tasks=1)


def test_a_refused_request_is_not_stored(api, database):
    assert api.request("POST", api.tasks, {"title": ""}, keyed("k")).status == 422
    assert api.request("POST", api.tasks, b"{", keyed("k")).status == 400
    assert api.complete(999999999, headers=keyed("k")).status == 404
    assert database.counts(api.user) == counted()
    task = api.request("POST", api.tasks, {"title": "now it is good"}, keyed("k"))
    assert task.status == 201
    assert api.complete(task.json, headers={**keyed("k"), "If-Match": '"9"'}).status == 412
    assert api.complete(task.json, headers={**keyed("k"), "If-Match": '"1"'}).status == 200


@pytest.mark.parametrize("key", ["a", "x" * 255, "with space", '"quoted"', "~!@#$%^&*()", "3f0c5f0e-8a38-7000-8000-1"])
def test_keys_that_are_fine(api, key):
    first = api.request("POST", api.tasks, {"title": "t"}, keyed(key))
    assert first.status == 201
    same_answer(first, api.request("POST", api.tasks, {"title": "t"}, keyed(key)))


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ümlaut".encode(), b"\xff"])
def test_keys_that_are_not(api, database, key):
    answer = api.request("POST", api.tasks, {"title": "t"}, {"Idempotency-Key": key})
    assert answer.status == 400
    assert database.counts(api.user)["tasks"] == 0



def test_the_write_that_reached_the_quota_is_still_repeated(api, database):
    """The full house is its own doing; another key is refused."""
    database.rows("INSERT INTO todod.user_counters (user_id, tasks) VALUES (%s, 9999)", api.user)
    first = api.request("POST", api.tasks, {"title": "the last one"}, keyed("k"))
    assert first.status == 201
    same_answer(first, api.request("POST", api.tasks, {"title": "the last one"}, keyed("k")))
    assert api.request("POST", api.tasks, {"title": "another"}, keyed("k")).json["code"] != "task_quota"
    for headers in (keyed("other"), None):
        refused = api.request("POST", api.tasks, {"title": "the last one"}, headers)
        assert refused.status == 422 and refused.json["code"] == "task_quota", refused
    assert database.counts(api.user) == counted(tasks=1, outbox=2, idempotency_keys=1)
    assert database.value("SELECT tasks FROM todod.user_counters WHERE user_id = %s", api.user) == 10000


def expire_keys(api, database):
    database.rows("UPDATE todod.idempotency_keys SET created_at = created_at - interval '25 hours' WHERE user_id = %s",
                  api.user)


def test_an_old_key_of_a_toggle_is_forgotten(api, database):
    """The task is toggled back, under the same key, which then stands for that."""
    task = api.create("t")
    assert api.complete(task, headers=keyed("k")).json["completed"] is True
    expire_keys(api, database)
    second = api.complete(task, headers=keyed("k"))
    assert second.status == 200 and second.json["completed"] is False and second.json["version"] == 3, second
    same_answer(second, api.complete(task, headers=keyed("k")))
    assert database.counts(api.user) == counted(tasks=1, outbox=6, idempotency_keys=1)


def test_an_old_key_of_a_write_that_changes_nothing_is_forgotten(api, database):
    task = api.create("t")
    assert api.complete(task, {"completed": False}, keyed("k")).json["version"] == 1
    api.complete(task)
    api.complete(task)
    expire_keys(api, database)
    second = api.complete(task, {"completed": False}, keyed("k"))
    assert second.status == 200 and second.json["version"] == 3, second
    same_answer(second, api.complete(task, {"completed": False}, keyed("k")))


def test_an_old_key_of_a_deletion_is_forgotten(api, database):
    """Nothing is there to delete; and were it there again, as after a restored backup, it would go again."""
    task = api.create("t")
    assert api.delete(task, headers=keyed("k")).status == 204
    expire_keys(api, database)
    assert api.delete(task, headers=keyed("k")).status == 404
    database.rows("INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at) "
                  "VALUES (%s, %s, 't', now(), now())", api.user, task["id"])
    database.rows("UPDATE todod.user_counters SET tasks = 1 WHERE user_id = %s", api.user)
    second = api.delete(task, headers=keyed("k"))
    assert second.status == 204, second
    same_answer(second, api.delete(task, headers=keyed("k")))
    assert database.counts(api.user) == counted(outbox=6, idempotency_keys=1, deleted_tasks=2)


def test_an_old_key_is_forgotten(api, database):
    """Kept 24 hours; after that it is a new request."""
    first = api.request("POST", api.tasks, {"title": "t"}, keyed("k"))
    database.rows("UPDATE todod.idempotency_keys SET created_at = created_at - interval '23 hours 59 minutes' "
                  "WHERE user_id = %s", api.user)
    same_answer(first, api.request("POST", api.tasks, {"title": "t"}, keyed("k")))
    database.rows("UPDATE todod.idempotency_keys SET created_at = created_at - interval '2 minutes' WHERE user_id = %s",
                  api.user)
    second = api.request("POST", api.tasks, {"title": "t"}, keyed("k"))
    assert second.status == 201 and second.json["id"] != first.json["id"]
    assert "idempotency-replayed" not in second.headers
    assert database.counts(api.user) == counted(tasks=2, outbox=4, idempotency_keys=1)
    same_answer(second, api.request("POST", api.tasks, {"title": "t"}, keyed("k")))
