# SPDX-License-Identifier: Apache-2.0
"""The task API, as clients use it. Every answer is also held against /openapi.json by the client itself."""
import base64
import datetime
import http.client
import json
import random
import threading

import pytest

from api_client import sign
from database import connect, counted
from process import wait_until

OLD_KEYS = ["id", "user_id", "title", "description", "completed", "created_at", "updated_at"]
ADDED_KEYS = ["status", "completed_at", "priority", "tags", "due_date", "time_zone", "reminders", "recurrence", "recurrence_rule",
              "recurrence_mode", "recurrence_end_date", "series_id", "occurrence", "parent_task_id", "version"]


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def in_parallel(n, work):
    """Runs work(i) in n threads at once; what one raises, this raises."""
    results, errors = [None] * n, []
    barrier = threading.Barrier(n)

    def one(i):
        try:
            barrier.wait(60)
            results[i] = work(i)
        except BaseException as e:  # pylint: disable=broad-except
            errors.append(e)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    if errors:
        raise errors[0]
    return results


# ---- what the clients from before this project send and expect: AR14 ----

def test_golden_create(api):
    """AR14: POST of {title, description} is 201 with the seven old keys first, in their order and types."""
    answer = api.request("POST", api.tasks, {"title": "Buy groceries", "description": "milk, bread"})
    assert answer.status == 201
    task = answer.json
    assert list(task)[:7] == OLD_KEYS
    assert list(task)[7:] == ADDED_KEYS
    assert type(task["id"]) is int and task["id"] > 0
    assert task["user_id"] == api.user
    assert task["title"] == "Buy groceries"
    assert task["description"] == "milk, bread"
    assert task["completed"] is False
    assert when(task["created_at"]) == when(task["updated_at"])
    assert answer.headers["location"] == f"{api.tasks}/{task['id']}"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["content-type"].startswith("application/json")


def test_golden_create_without_description(api):
    """AR14"""
    task = api.create("Just a title")
    assert task["description"] is None


def test_golden_list_is_a_bare_array_newest_first(api):
    """AR14"""
    assert api.list() == []
    tasks = [api.create(f"task {i}") for i in range(5)]
    assert api.list() == tasks[::-1]


def test_golden_read_toggle_toggle_delete(api):
    """AR14: the whole life of a task, with the old status codes."""
    task = api.create("one", description="d")
    assert api.read(task) == task

    done = api.complete(task)
    assert done.status == 200
    assert done.json["completed"] is True
    assert {k: done.json[k] for k in OLD_KEYS if k not in ("completed", "updated_at")} == \
        {k: task[k] for k in OLD_KEYS if k not in ("completed", "updated_at")}
    assert when(done.json["updated_at"]) > when(task["updated_at"])
    assert api.read(task) == done.json

    reopened = api.complete(task)
    assert reopened.status == 200
    assert reopened.json["completed"] is False
    assert reopened.json["completed_at"] is None

    gone = api.delete(task)
    assert gone.status == 204 and gone.body == b""
    for answer in (api.get(api.path(task)), api.complete(task), api.delete(task)):
        assert answer.status == 404
        assert answer.json["detail"] == "Task not found"
    assert api.list() == []


def test_golden_old_client_sends_a_whole_task_back(api):
    """AR14: read-only and unknown keys come along as before, and are not written."""
    answer = api.request("POST", api.tasks, {
        "id": 4711, "user_id": "somebody else", "title": "mine", "description": None, "completed": False,
        "created_at": "2001-01-01T00:00:00Z", "updated_at": "2001-01-01T00:00:00Z", "version": 99,
        "completed_at": "2001-01-01T00:00:00Z", "colour": {"deep": [1, 2, {"er": None}]}})
    assert answer.status == 201
    task = answer.json
    assert task["id"] != 4711
    assert task["user_id"] == api.user
    assert not task["created_at"].startswith("2001")
    assert task["version"] == 1
    assert task["completed_at"] is None
    assert "colour" not in task


def test_golden_errors_have_the_detail_old_clients_read(api):
    """AR14: a string, or for 422 a list of {loc, msg, type}."""
    assert isinstance(api.get(api.tasks + "/999999999").json["detail"], str)
    detail = api.request("POST", api.tasks, {"title": ""}).json["detail"]
    assert detail[0]["loc"] == ["body", "title"]
    assert detail[0].keys() == {"loc", "msg", "type"}


def test_1500_tasks_are_1500(api, database):
    """AR14: no limit means all of them, streamed, in order, each once."""
    first = database.fill_tasks(api.user, 1500)
    answer = api.get(api.tasks)
    assert answer.status == 200
    assert answer.headers["x-total-count"] == "1500"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "etag" not in answer.headers and "link" not in answer.headers
    assert [t["id"] for t in answer.json] == list(range(first + 1500, first, -1))
    envelope = api.list("?envelope=1")
    assert envelope["count"] == 1500 and envelope["next_cursor"] is None
    assert envelope["tasks"] == answer.json


@pytest.mark.parametrize("n", [1, 199, 200, 201, 400])
def test_whole_lists_around_the_page_of_the_stream(api, database, n):
    """AR14"""
    first = database.fill_tasks(api.user, n)
    answer = api.get(api.tasks)
    assert [t["id"] for t in answer.json] == list(range(first + n, first, -1))
    assert answer.headers["x-total-count"] == str(n)


def test_a_streamed_list_to_http_1_0_ends_with_the_connection(api, database):
    """AR14: a client that knows no chunks gets the bytes as they are."""
    database.fill_tasks(api.user, 450)
    connection = http.client.HTTPConnection("127.0.0.1", api.daemon.port, timeout=60)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # pylint: disable=protected-access
    connection.request("GET", api.tasks, headers={"Authorization": f"Bearer {api.token}"})
    response = connection.getresponse()
    assert response.status == 200
    assert response.getheader("Transfer-Encoding") is None
    assert len(json.loads(response.read())) == 450
    connection.close()


# ---- create ----

def test_created_fields(api):
    task = api.create("  spaces around \t", description="  kept  ", priority="high", completed=True)
    assert task["title"] == "spaces around"
    assert task["description"] == "  kept  "
    assert task["priority"] == "high"
    assert task["completed"] is True and task["status"] == "completed"
    assert task["completed_at"] == task["created_at"]
    assert api.read(task) == task


@pytest.mark.parametrize("sent, stored", [
    ("low", "low"), ("medium", "medium"), ("high", "high"), ("urgent", "urgent"),
    ("critical", "urgent"), ("normal", "medium"), (None, "medium")])
def test_priorities_and_their_old_names(api, sent, stored):
    """AR14, FT3: each of the four round trips."""
    assert api.create("p", priority=sent)["priority"] == stored


@pytest.mark.parametrize("body, done", [
    ({"completed": True}, True), ({"is_completed": True}, True), ({"status": "completed"}, True),
    ({"status": "pending"}, False), ({"completed": None}, False), ({"status": None, "is_completed": None}, False),
    ({"completed": True, "is_completed": True, "status": "completed"}, True)])
def test_spellings_of_completed(api, body, done):
    """AR14"""
    assert api.create("c", **body)["completed"] is done


@pytest.mark.parametrize("letter", ["a", "ä", "漢", "😀", "é"], ids=["1 byte", "2 bytes", "3 bytes", "4 bytes",
                                                                      "combining"])
def test_lengths_are_counted_in_code_points(api, letter):
    n = 200 // len(letter)
    title = letter * n
    task = api.create(title, description=letter * (1000 // len(letter)))
    assert task["title"] == title
    assert api.read(task)["title"] == title
    for field, limit in (("title", 200), ("description", 1000)):
        body = {"title": "t", field: letter * (limit // len(letter)) + "x" * (1 + limit % len(letter))}
        answer = api.request("POST", api.tasks, body)
        assert answer.status == 422
        assert answer.json["detail"][0]["loc"] == ["body", field]


@pytest.mark.parametrize("text", [
    "Grüße aus Zürich", "買い物に行く", "🧑‍🌾🥕", "עברית עם English", "a\u0301e\u0301", "\u202eright to left",
    "quote \" backslash \\ slash / tab \t newline \n", "\u0001\u001f\u007f\u0080", "\uffff\ufffe\U0010ffff", "\ufeffbom",
    "'; DROP TABLE todod.tasks; --", "%s %d $1 {0} \\x41", "<script>alert(1)</script>"])
def test_any_text_comes_back_as_it_was_sent(api, text):
    task = api.create("." + text + ".", description=text)
    assert api.read(task)["title"] == "." + text + "."
    assert api.read(task)["description"] == text
    assert api.list()[0] == task


def test_body_may_be_escaped_or_not(api):
    raw = api.request("POST", api.tasks, '{"title":"Grüße 😀"}'.encode())
    escaped = api.request("POST", api.tasks, b'{"t\\u0069tle":"Gr\\u00fc\\u00dfe \\ud83d\\ude00"}')
    assert raw.json["title"] == escaped.json["title"] == "Grüße 😀"


@pytest.mark.parametrize("content_type", ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8",
                                          " application/json ;charset=UTF-8"])
def test_media_types_accepted(api, content_type):
    answer = api.request("POST", api.tasks, {"title": "m"}, {"Content-Type": content_type})
    assert answer.status == 201


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "",
                                          "application/json-patch+json", "multipart/form-data; boundary=x"])
def test_media_types_refused(api, database, content_type):
    answer = api.request("POST", api.tasks, {"title": "m"}, {"Content-Type": content_type})
    assert answer.status == 415
    assert database.counts(api.user)["tasks"] == 0


@pytest.mark.parametrize("user", ["ärger@example.org", "a b/c?d#e%", "漢字", "..", "x" * 128, "user+plus&amp;", "'\""])
def test_users_with_unusual_names(daemon, connect_api, user):
    """SE2: the path's user is compared after decoding."""
    api = connect_api(daemon, user)
    before = len(api.list())
    task = api.create("mine")
    assert task["user_id"] == api.user
    assert len(api.list()) == before + 1
    answer = api.request("POST", api.tasks, {"title": "l"})
    assert api.get(answer.headers["location"]).json == answer.json
    page = api.get(api.tasks + "?limit=1")
    assert api.get(page.headers["link"].split(">")[0][1:]).status == 200


def test_ids_are_unique_and_stable(api):
    tasks = [api.create(f"{i}") for i in range(150)]
    assert len({t["id"] for t in tasks}) == 150
    api.delete(tasks[-1])
    assert api.create("next")["id"] not in {t["id"] for t in tasks}


# ---- read ----

@pytest.mark.parametrize("task_id", ["0", "-1", "1.0", "abc", "1x", "%31x", "9223372036854775807",
                                     "9223372036854775808", "99999999999999999999", "01a", "%20", "null"])
def test_ids_that_are_none(api, task_id):
    for answer in (api.get(f"{api.tasks}/{task_id}"), api.delete(task_id), api.complete(task_id)):
        assert answer.status == 404, answer


def test_etag_and_304(api):
    task = api.create("e")
    first = api.get(api.path(task))
    assert first.headers["etag"] == '"1"'
    for value in ('"1"', 'W/"1"', '"0", "1"', '"x",W/"1" , "y"', "*"):
        answer = api.get(api.path(task), headers={"If-None-Match": value})
        assert answer.status == 304, value
        assert answer.headers["etag"] == '"1"'
    for value in ('"2"', '"11"', "1", '""'):
        assert api.get(api.path(task), headers={"If-None-Match": value}).status == 200, value
    api.complete(task)
    changed = api.get(api.path(task), headers={"If-None-Match": '"1"'})
    assert changed.status == 200 and changed.headers["etag"] == '"2"' and changed.json["version"] == 2


def test_head_is_get_without_the_body(api):
    task = api.create("h")
    volatile = {"date", "x-request-id"}
    for path in (api.path(task), api.tasks + "?limit=5", api.tasks, "/health", "/openapi.json"):
        got, head = api.get(path), api.request("HEAD", path)
        assert head.status == got.status == 200
        assert {k: v for k, v in head.headers.items() if k not in volatile} == \
            {k: v for k, v in got.headers.items() if k not in volatile}, path
    assert api.request("HEAD", api.tasks + "/999999999").status == 404
    assert api.request("HEAD", api.path(task), headers={"If-None-Match": '"1"'}).status == 304
    assert api.read(task) == task, "the connection is still in step"


def test_methods_a_path_does_not_take(api):
    task = api.create("m")
    for method, path, allow in (("DELETE", api.tasks, {"GET", "HEAD", "POST"}),
                                ("POST", api.path(task), {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
                                ("GET", api.path(task) + "/complete", {"PATCH"}),
                                ("TRACE", api.tasks, {"GET", "HEAD", "POST"}),
                                ("OPTIONS", api.path(task), {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
                                ("PUT", f"/api/{api.quoted}/tags/x", {"PATCH", "DELETE"}),
                                ("DELETE", f"/api/{api.quoted}/preferences", {"GET", "HEAD", "PUT"}),
                                ("DELETE", "/health", {"GET", "HEAD"})):
        answer = api.request(method, path)
        assert answer.status == 405
        assert allow <= {m.strip() for m in answer.headers["allow"].split(",")}


@pytest.mark.parametrize("path", ["/", "/api", "/api/", "/api/x", "/nothing", "/health/", "//health", "/Health",
                                  "/api//tasks", "/%68ealth", "/openapi.json/", "/metrics", "/livez"])
def test_paths_that_are_not_there(api, path):
    answer = api.get(path)
    assert answer.status == 404
    assert answer.json["code"] == "not_found"


# ---- complete ----

def test_set_instead_of_toggle(api):
    task = api.create("s")
    done = api.complete(task, {"completed": True})
    again = api.complete(task, {"completed": True})
    assert done.json["completed"] is True
    assert again.status == 200 and again.json == done.json, "nothing changed, nothing counted up"
    assert again.headers["etag"] == done.headers["etag"] == '"2"'
    assert done.json["completed_at"] == done.json["updated_at"]
    assert api.complete(task, {"status": "pending"}).json["completed"] is False
    assert api.complete(task, {"is_completed": True}).json["completed"] is True
    assert api.complete(task, {"completed": False}).json["version"] == 5


@pytest.mark.parametrize("body", [None, b"", b"{}", b" \n{ } ", b'{"completed":null}', b'{"other":1}'])
def test_toggle_by_every_empty_body(api, body):
    task = api.create("t")
    answer = api.request("PATCH", api.path(task) + "/complete", body)
    assert answer.status == 200 and answer.json["completed"] is True


def test_concurrent_toggles_all_happen(api):
    """Each toggle is one step: an even number leaves the task as it was, and versions count each."""
    task = api.create("t")
    answers = in_parallel(6, lambda i: [api.complete(task) for _ in range(5)])
    statuses = [a.status for mine in answers for a in mine]
    assert set(statuses) <= {200, 503}
    n = statuses.count(200)
    assert n >= 6
    now = api.read(task)
    assert now["version"] == 1 + n
    assert now["completed"] is (n % 2 == 1)
    assert sorted(a.json["version"] for mine in answers for a in mine if a.status == 200) == list(range(2, n + 2))


def locked(database, task):
    """Holds the row of a task, as a long transaction of somebody else would; close it to let go."""
    connection = connect(database.url)
    connection.autocommit = False
    connection.cursor().execute("SELECT 1 FROM todod.tasks WHERE user_id = %s AND id = %s FOR UPDATE",
                                (task["user_id"], task["id"]))
    return connection


def waiting_for_locks(database):
    return database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'",
                          database.name)


def test_writers_who_read_the_same_version_all_get_through(api, database):
    """Four toggles that all read version 1 before any could write: who comes too late reads again, nobody is told."""
    task = api.create("t")
    lock = locked(database, task)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(api.complete(task))) for _ in range(4)]
    for t in threads:
        t.start()
    wait_until("four writers that wait", lambda: waiting_for_locks(database) == 4)
    lock.close()
    for t in threads:
        t.join()
    assert [a.status for a in answers] == [200] * 4, answers
    assert sorted(a.json["version"] for a in answers) == [2, 3, 4, 5]
    assert api.read(task)["completed"] is False


# ---- If-Match ----

@pytest.mark.parametrize("value, status", [
    ('"1"', 200), ("*", 200), ('"7", "1"', 200), ('"7","1" ', 200), ('"2"', 412), ('"7", "8"', 412),
    ('W/"1"', 412), ("1", 400), ('"1', 400), ("nonsense", 400)])
def test_if_match(api, value, status):
    for act in (lambda t: api.complete(t, headers={"If-Match": value}),
                lambda t: api.delete(t, headers={"If-Match": value})):
        task = api.create("m")
        answer = act(task)
        assert answer.status == (204 if status == 200 and answer.method == "DELETE" else status), answer
        if status != 200:
            assert api.read(task) == task, "a refused write changes nothing"


def test_if_match_one_of_two_wins(api):
    task = api.create("m")
    assert api.complete(task, headers={"If-Match": '"1"'}).status == 200
    assert api.complete(task, headers={"If-Match": '"1"'}).status == 412
    answers = in_parallel(8, lambda i: api.complete(task, headers={"If-Match": '"2"'}))
    assert sorted(a.status for a in answers) == [200] + [412] * 7


# ---- pages ----

def next_of(answer):
    link = answer.headers.get("link")
    if link is None:
        return None
    target, _, rel = link.partition(">; ")
    assert rel == 'rel="next"' and target[0] == "<"
    return target[1:]


def walk(api, query):
    path, pages = api.tasks + query, []
    while path is not None:
        answer = api.get(path)
        assert answer.status == 200
        pages.append(answer)
        path = next_of(answer)
    return pages


def test_pages(api, database):
    first = database.fill_tasks(api.user, 25)
    pages = walk(api, "?limit=10")
    assert [len(p.json) for p in pages] == [10, 10, 5]
    assert [t["id"] for p in pages for t in p.json] == list(range(first + 25, first, -1))
    assert {p.headers["x-total-count"] for p in pages} == {"25"}
    for page in pages:
        assert page.headers["etag"].startswith('W/"')
    exact = walk(api, "?limit=25")
    assert len(exact) == 1 and len(exact[0].json) == 25


def test_pages_in_envelopes(api, database):
    database.fill_tasks(api.user, 5)
    seen, query = [], "?limit=2&envelope=1"
    while query is not None:
        page = api.list(query)
        assert page["count"] == 5
        seen += page["tasks"]
        query = f"?limit=2&envelope=1&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == api.list()
    assert [len(p.json["tasks"]) for p in walk(api, "?limit=2&envelope=1")] == [2, 2, 1], "Link keeps the envelope"
    assert api.list("?envelope=0&limit=1") == seen[:1]


def test_tasks_of_one_moment_are_still_in_one_order(api, database):
    first = database.fill_tasks(api.user, 30)
    database.rows("UPDATE todod.tasks SET created_at = '2026-01-01T00:00:00.000001Z' WHERE user_id = %s", api.user)
    assert [t["id"] for p in walk(api, "?limit=7") for t in p.json] == list(range(first + 30, first, -1))


def test_pages_while_others_write(daemon, connect_api, api, database):
    """What was there when the walk began and stays is seen exactly once, whatever else comes and goes."""
    first = database.fill_tasks(api.user, 120)
    doomed = set(random.Random(3).sample(range(first + 1, first + 121), 40))
    stop = threading.Event()
    errors = []

    def write():
        other = connect_api(daemon, api.user)
        victims = sorted(doomed)
        try:
            while not stop.is_set():
                other.create("in between")
                if victims:
                    assert other.delete(victims.pop()).status == 204
        except BaseException as e:  # pylint: disable=broad-except
            errors.append(e)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            seen = [t["id"] for p in walk(api, "?limit=9") for t in p.json]
            assert len(seen) == len(set(seen)), "a task twice"
            staying = set(range(first + 1, first + 121)) - doomed
            assert staying <= set(seen), "a task skipped"
    finally:
        stop.set()
        writer.join()
    assert not errors


def test_page_304_until_something_shows(api):
    task = api.create("a")
    for _ in range(3):
        api.create("b")
    etag = api.get(api.tasks + "?limit=2").headers["etag"]
    same = api.get(api.tasks + "?limit=2", headers={"If-None-Match": etag})
    assert same.status == 304 and same.headers["etag"] == etag
    assert api.get(api.tasks + "?limit=2", headers={"If-None-Match": etag[2:]}).status == 304
    assert api.get(api.tasks + "?limit=3", headers={"If-None-Match": etag}).status == 200
    api.complete(api.list()[0])
    assert api.get(api.tasks + "?limit=2", headers={"If-None-Match": etag}).status == 200
    etag = api.get(api.tasks + "?limit=2").headers["etag"]
    api.delete(task)
    assert api.get(api.tasks + "?limit=2", headers={"If-None-Match": etag}).status == 200, "the total is part of it"


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=1e2",
                                   "limit=5&limit=6", "limit=%ff", "limit=99999999999999999999", "limit=+5",
                                   "envelope=2", "envelope=yes", "cursor=", "cursor=x", "cursor=AAAA", "cursor=%00"])
def test_bad_queries(api, query):
    answer = api.get(f"{api.tasks}?{query}")
    assert answer.status in (400, 422) if "%00" in query else answer.status == 422, answer
    if answer.status == 422:
        assert answer.json["detail"][0]["loc"] == ["query", query.split("=")[0]]


@pytest.mark.parametrize("query", ["limit=5&unknown=1", "limit=5&&", "", "&", "limit=%35", "l%69mit=5", "x&y=&=z"])
def test_queries_that_are_fine(api, query):
    """AR14: an unknown parameter is ignored."""
    api.create("q")
    assert len(api.list("?" + query)) == 1


def test_cursors_of_others_and_damaged_ones(daemon, connect_api, api, database):
    """SE2: a cursor of another user is 422, and so is one with any byte changed."""
    database.fill_tasks(api.user, 3)
    cursor = api.list("?limit=1&envelope=1")["next_cursor"]
    assert api.get(f"{api.tasks}?limit=1&cursor={cursor}").status == 200
    other = connect_api(daemon)
    assert other.get(f"{other.tasks}?limit=1&cursor={cursor}").status == 422
    for i in range(len(cursor)):
        for c in "A9_":
            damaged = cursor[:i] + c + cursor[i + 1:]
            if damaged == cursor:
                continue
            answer = api.get(f"{api.tasks}?limit=200&cursor={damaged}")
            assert answer.status == 422, answer
    assert api.get(f"{api.tasks}?limit=1&cursor={cursor}x").status == 422
    assert api.get(f"{api.tasks}?limit=1&cursor={cursor[:-2]}").status == 422



def cursor_at(api, time_us):
    """The API's own cursor, moved to another time."""
    page = api.get(api.tasks + "?limit=1")
    cursor = next_of(page).rpartition("cursor=")[2]
    _, task_id, scope, rest = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").split(".")
    text = f"{time_us}.{task_id}.{scope}.{rest}"
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("time_us", [-2**63, -62167219200000001, -62135596800000000, 0, 253402300799999999, 253433923200000001, 2**63 - 1])
def test_cursors_moved_by_hand(api, database, time_us):
    """Whatever the place: 422, and it is the cursor that is named."""
    database.fill_tasks(api.user, 2)
    answer = api.get(f"{api.tasks}?limit=1&cursor={cursor_at(api, time_us)}")
    assert answer.status == 422, answer
    assert answer.json["detail"][0]["loc"] == ["query", "cursor"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_cursors_at_the_first_and_the_last_day(api, order):
    """Places at both ends of the calendar, and behind them what has no date."""
    dates = ["0001-01-01", "0001-01-01T00:00:00Z", "9999-12-31", "9999-12-31T23:59:59.999999Z", None, None]
    for date in dates:
        api.create("t", due_date=date, time_zone="Etc/GMT+12", reminders=[{"offset_minutes": 0}] if date else [])
    whole = api.list(f"?sort=due_date&order={order}")
    assert [t for p in walk(api, f"?sort=due_date&order={order}&limit=1") for t in p.json] == whole and len(whole) == len(dates)
    assert [t["due_date"] for t in whole[-2:]] == [None, None]
    assert len(api.list("?due_before=9999-12-31")) == 2 and len(api.list("?due_after=9999-12-31T23:59:59Z&overdue=false")) == 1
    assert len(api.list("?overdue=true")) == 2


# ---- quota ----

def test_quota(api, database):
    """The 10,001st task is refused and leaves nothing, also when several want the last place."""
    database.fill_tasks(api.user, 9998)
    before = database.counts(api.user)
    answers = in_parallel(8, lambda i: api.request("POST", api.tasks, {"title": f"{i}"},
                                                   {"Idempotency-Key": f"quota-{i}"}))
    assert sorted(a.status for a in answers) == [201, 201] + [422] * 6
    for answer in answers:
        if answer.status == 422:
            assert answer.json["code"] == "task_quota"
            assert answer.json["detail"][0]["type"] == "task_quota"
    after = database.counts(api.user)
    assert {k: after[k] - before[k] for k in after} == counted(tasks=2, outbox=4, idempotency_keys=2)
    assert after["tasks"] == 10000
    assert database.value("SELECT tasks FROM todod.user_counters WHERE user_id = %s", api.user) == 10000
    mine = next(a.json for a in answers if a.status == 201)
    assert api.delete(mine).status == 204
    assert api.create("room again")


def test_counter_follows_creates_and_deletes(api, database):
    tasks = [api.create("c") for _ in range(10)]
    in_parallel(5, lambda i: api.delete(tasks[i]))
    in_parallel(5, lambda i: api.delete(tasks[0]))
    assert database.value("SELECT tasks FROM todod.user_counters WHERE user_id = %s", api.user) == 5
    assert api.get(api.tasks + "?limit=1").headers["x-total-count"] == "5"


# ---- around it ----

def test_request_ids(api):
    answer = api.get("/health", headers={"X-Request-Id": "abc-123"})
    assert answer.headers["x-request-id"] == "abc-123"
    assert api.get(api.tasks + "/1", headers={"X-Request-Id": "abc-124"}).json["request_id"] == "abc-124"
    made_up = {api.get("/health").headers["x-request-id"] for _ in range(5)}
    assert len(made_up) == 5
    for unfit in ("a b", "x" * 200, "", "ümläut"):
        assert api.get("/health", headers={"X-Request-Id": unfit.encode()}).headers["x-request-id"] != unfit


def test_health_and_document_need_no_token(api):
    """DE11: /health on the public port."""
    assert api.get("/health", token=None).json == {"status": "ready"}
    assert api.get("/openapi.json", token=None).json == api.openapi.document


def test_logs_follow_the_request(api):
    """OB1: each request is one line, with the ids that its answer carries; no token in any line."""
    answer = api.get(api.tasks, headers={"X-Request-Id": f"log-{api.user}"})
    assert answer.status == 200

    def mine():
        return [e for e in api.daemon.log("http.request") if e.get("correlation_id") == f"log-{api.user}"]

    entry = wait_until("the line of the request", mine)[0]
    assert entry["route"] == "listTasks" and entry["status"] == 200 and entry["user_id"] == api.user
    assert entry["method"] == "GET"
    assert api.token not in api.daemon.stdout()


def test_every_line_of_the_log_is_json(api, signing_key):
    """OB1: also with users and ids made to break a line."""
    nasty = 'a"b\\c' + "\u2028" + "ü😀"
    hostile = type(api)(api.daemon, sign(signing_key, nasty), nasty, api.openapi)
    hostile.create("x", headers={"X-Request-Id": '"},{\\'})
    hostile.get(hostile.tasks + "/1", headers={"User-Agent": '{"x":\xff\x01'.encode("latin-1")[:6]})
    hostile.close()
    api.daemon.check_output()
