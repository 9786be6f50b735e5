# SPDX-License-Identifier: Apache-2.0
"""Two users who know everything of each other but the token: every route, every path to it, not one foreign row."""
import itertools

import pytest

from test_auth import snapshot


def furnish(api, word):
    """Something behind every route, all of it with this word in it."""
    api.prefer(email=f"{word}@example.org")
    task = api.create(word, description=word, tags=[word], due_date="2031-01-01", reminders=[{"offset_minutes": 5}])
    api.delete(api.create(word))
    return task


def numbers(node):
    if isinstance(node, (list, dict)):
        for item in node.values() if isinstance(node, dict) else node:
            yield from numbers(item)
    elif isinstance(node, int):
        yield node


def requests(task, tag):
    """(method, path, body) of every route, with the task's own ids; {} is the user part of the path."""
    one, reminder = f"tasks/{task['id']}", f"tasks/{task['id']}/reminders/{task['reminders'][0]['id']}"
    return [("GET", "tasks", None), ("GET", f"tasks?search={tag}&limit=5", None), ("GET", f"tasks?tag={tag}", None),
            ("GET", "tasks?updated_since=2020-01-01&deleted=1", None), ("GET", one, None), ("PUT", one, {"title": "x"}),
            ("PATCH", one, {"title": "x"}), ("PATCH", one + "/complete", None), ("PATCH", one + "/toggle", {"completed": True}), ("DELETE", one, None),
            ("GET", one + "/reminders", None), ("POST", one + "/reminders", {"offset_minutes": 1}), ("PATCH", reminder, {"offset_minutes": 1}),
            ("DELETE", reminder, None), ("GET", "reminders", None), ("GET", "tags", None), ("PATCH", f"tags/{tag}", {"name": "x"}),
            ("DELETE", f"tags/{tag}", None), ("GET", "preferences", None)]


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}, {"Idempotency-Key": "k"}], ids=str)
def test_nothing_foreign_by_any_route(daemon, connect_api, database, headers):
    """SE10: under one's own path and the aliases: 404 or one's own rows; under the other's path: 403. No word, id or row of the other."""
    one, two = connect_api(daemon), connect_api(daemon)
    words = ("aardvark", "buffalo")
    tasks = furnish(one, words[0]), furnish(two, words[1])
    before = snapshot(database, two.user)
    seen = set()
    for method, path, body in requests(tasks[1], words[1]):
        for prefix, foreign in ((one.at(""), False), ("/api/", False), (two.at(""), True)):
            if method == "GET" and headers:
                continue
            answer = one.request(method, prefix + path, body, headers)
            seen.add((method, answer.status))
            if foreign:
                assert answer.status == 403, answer
            else:
                assert answer.status == (200 if answer.method == "GET" and "/" not in path.partition("?")[0] else 404), answer
            for secret in (words[1], two.user, tasks[1]["reminders"][0]["id"], tasks[1]["created_at"]):
                assert secret.encode() not in answer.body, answer
            assert answer.body == b"" or tasks[1]["id"] not in set(numbers(answer.json)), answer
    assert snapshot(database, two.user) == before
    assert two.read(tasks[1]) == tasks[1] and one.read(tasks[0]) == tasks[0]


def test_guessed_reminders_and_tasks_of_mine_and_theirs(daemon, connect_api, database):
    """SE10: a foreign reminder under my task, my reminder under a foreign task, in lists of reminders that I send: all not there."""
    one, two = connect_api(daemon), connect_api(daemon)
    mine, theirs = furnish(one, "aardvark"), furnish(two, "buffalo")
    before = snapshot(database, two.user)
    own, foreign = mine["reminders"][0]["id"], theirs["reminders"][0]["id"]
    for task, reminder in ((mine, foreign), (theirs, own), (theirs, foreign)):
        for prefix in (one.at("tasks"), "/api/tasks"):
            for method, body in (("PATCH", {"remind_at": "2031-01-01"}), ("DELETE", None)):
                answer = one.request(method, f"{prefix}/{task['id']}/reminders/{reminder}", body)
                assert answer.status == 404, answer
    changed = one.update(mine, reminders=[{"id": foreign, "offset_minutes": 7}])
    assert changed["reminders"][0]["id"] not in (foreign, own)
    assert snapshot(database, two.user) == before


def test_same_names_and_keys_are_each_ones_own(daemon, connect_api):
    """SE10: two users with the same tags, keys and titles; what the one does to them the other does not see."""
    apis = [connect_api(daemon) for _ in range(2)]
    tasks = [a.create("same", {"Idempotency-Key": "k"}, tags=["same"]) for a in apis]
    assert tasks[0]["id"] != tasks[1]["id"]
    assert apis[0].request("PATCH", apis[0].tag_path("same"), {"name": "other", "color": "#ff0000"}, {"Idempotency-Key": "r"}).status == 200
    assert apis[1].tags() == [{"name": "same", "color": "#808080", "open_tasks": 1}] and apis[1].read(tasks[1]) == tasks[1]
    assert apis[1].request("DELETE", apis[1].tag_path("same"), headers={"Idempotency-Key": "r"}).status == 204
    assert [t["name"] for t in apis[0].tags()] == ["other"]


def test_cursors_and_entity_tags_of_the_other(daemon, connect_api):
    """SE10: a cursor of the same query is no cursor for me; an entity tag that I guess tells me nothing of his list."""
    one, two = connect_api(daemon), connect_api(daemon)
    for api, n in itertools.product((one, two), range(3)):
        api.create(f"{n}", tags=["a"])
    for query in ("", "&tag=a", "&sort=title", "&search=1"):
        page = two.get(f"{two.tasks}?limit=1{query}")
        if "link" in page.headers:
            cursor = page.headers["link"].rpartition("cursor=")[2].partition(">")[0]
            assert one.get(f"{one.tasks}?limit=1{query}&cursor={cursor}").status == 422
        assert one.get(f"{one.tasks}?limit=1{query}", headers={"If-None-Match": page.headers["etag"]}).status == 200
