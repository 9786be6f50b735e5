# SPDX-License-Identifier: Apache-2.0
"""Other paths to the same routes: the user from the token, /toggle for /complete."""
import pytest

from test_tasks import next_of


def test_the_whole_api_without_a_user_in_the_path(api):
    """AR14: each route under /api/... is the one under /api/{user}/..., for the user of the token."""
    created = api.request("POST", "/api/tasks", {"title": "t", "tags": ["a"], "due_date": "2031-01-01"})
    assert created.status == 201 and created.headers["location"] == f"/api/tasks/{created.json['id']}"
    task = created.json
    assert task["user_id"] == api.user and api.read(task) == task
    mine = f"/api/tasks/{task['id']}"
    assert api.get(mine).json == task and api.get("/api/tasks").json == [task]
    assert api.request("PUT", mine, {"title": "n"}).json["title"] == "n"
    assert api.request("PATCH", mine, {"title": "m"}).json["title"] == "m"
    for n, path in enumerate((mine + "/complete", mine + "/toggle", api.path(task) + "/toggle", api.path(task) + "/complete")):
        answer = api.request("PATCH", path)
        assert answer.status == 200 and answer.json["completed"] is (n % 2 == 0), path
    reminder = api.request("POST", mine + "/reminders", {"offset_minutes": 5})
    assert reminder.status == 201 and reminder.headers["location"] == f"{mine}/reminders/{reminder.json['id']}"
    assert api.get(mine + "/reminders").json == api.get("/api/reminders").json == api.reminders()
    path = reminder.headers["location"]
    assert api.request("PATCH", path, {"offset_minutes": 6}).json["offset_minutes"] == 6
    assert api.request("DELETE", path).status == 204
    tag = api.request("POST", "/api/tags", {"name": "b c"})
    assert tag.status == 201 and tag.headers["location"] == "/api/tags/b%20c"
    assert api.get("/api/tags").json == api.tags()
    assert api.request("PATCH", "/api/tags/b%20c", {"name": "d"}).json["name"] == "d"
    assert api.request("DELETE", "/api/tags/d").status == 204
    assert api.request("PUT", "/api/preferences", {"locale": "en"}).json == api.get("/api/preferences").json == \
        api.get(api.at("preferences")).json
    assert api.request("DELETE", mine).status == 204 and api.list() == []


def test_pages_stay_on_their_path(api):
    """AR14"""
    for i in range(3):
        api.create(f"{i}")
    page = api.get("/api/tasks?limit=2")
    assert next_of(page).startswith("/api/tasks?") and len(api.get(next_of(page)).json) == 1


def test_keys_are_per_path(api):
    """Idempotency-Key: per user, method and path as it was sent."""
    first = api.request("POST", "/api/tasks", {"title": "t"}, {"Idempotency-Key": "k"})
    again = api.request("POST", "/api/tasks", {"title": "t"}, {"Idempotency-Key": "k"})
    other = api.request("POST", api.tasks, {"title": "t"}, {"Idempotency-Key": "k"})
    assert first.body == again.body and other.json["id"] != first.json["id"]


@pytest.mark.parametrize("method, path, allow", [
    ("DELETE", "/api/tasks", {"GET", "HEAD", "POST"}), ("POST", "/api/tasks/1", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
    ("GET", "/api/tasks/1/toggle", {"PATCH"}), ("PUT", "/api/tags", {"GET", "HEAD", "POST"}), ("POST", "/api/preferences", {"GET", "HEAD", "PUT"}),
    ("POST", "/api/reminders", {"GET", "HEAD"})])
def test_methods_they_do_not_take(api, method, path, allow):
    answer = api.request(method, path, {} if method in ("POST", "PUT") else None)
    assert answer.status == 405 and {m.strip() for m in answer.headers["allow"].split(",")} == allow


@pytest.mark.parametrize("path", ["/api/tasks", "/api/tasks/1", "/api/tags", "/api/reminders", "/api/preferences"])
def test_they_need_a_token(api, path):
    """SE1"""
    assert api.get(path, token=None).status == 401


@pytest.mark.parametrize("user", ["tasks", "tags", "reminders", "preferences", "auth", "chat", "conversations", "audit", "email"])
def test_reserved_names_are_no_users(daemon, connect_api, user):
    """SE2: a token for such a user opens nothing, whichever way the path is read."""
    api = connect_api(daemon, user)
    for path in ("/api/tasks", f"/api/{user}/tasks", f"/api/{user}/tags", f"/api/{user}/preferences"):
        answer = api.get(path)
        assert answer.status in (401, 403, 404), answer
