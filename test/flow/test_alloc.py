# SPDX-License-Identifier: Apache-2.0
"""
Memory that is not there: of one request of each route the nth allocation fails, for every n until there are no more.
The process lives, the answer is a clean refusal, and no write is half there.
"""
import http.client
import mmap
import os
import struct

import pytest

from api_client import ops
from process import BINARY, BUILD, ROOT, wait_until

SHIM = os.path.join(BUILD, "test", "tools", "fail_alloc.so")
# AddressSanitizer has an allocator of its own that no library may stand in front of.
PLAIN_BINARY = os.path.join(ROOT, "build", "release", "todod") if os.path.basename(BUILD) == "asan" else BINARY
# A request that goes through without a failure in so many tries is one that never fails: n grows without end.
MOST = 3000


class FailAlloc:
    """The control block that the library in the daemon maps: nth, seen, failed, sticky."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.write(bytes(32))
        self.file = open(path, "r+b")  # pylint: disable=consider-using-with
        self.map = mmap.mmap(self.file.fileno(), 32)

    def word(self, i):
        return struct.unpack_from("=Q", self.map, 8 * i)[0]

    def set_word(self, i, value):
        struct.pack_into("=Q", self.map, 8 * i, value)

    def arm(self, nth, sticky=False):
        self.set_word(1, 0)
        self.set_word(2, 0)
        self.set_word(3, int(sticky))
        self.set_word(0, nth)

    def disarm(self):
        """How many were made to fail."""
        self.set_word(0, 0)
        return self.word(2)

    def seen(self):
        return self.word(1)


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    assert os.path.exists(SHIM), f"{SHIM} is not built: make PROFILE=... tests"
    return FailAlloc(str(tmp_path_factory.mktemp("alloc") / "control"))


@pytest.fixture
def poor_api(poor_daemon, connect_api, openapi):
    """Checks what it gets like any client, but for a 503 without a body: there may be no memory for one."""
    api = connect_api(poor_daemon)
    api.openapi = None
    request = api.request

    def checked(*args, **kwargs):
        answer = request(*args, **kwargs)
        if answer.status != 503 or answer.body:
            openapi.check(answer)
        return answer

    api.request = checked
    return api


@pytest.fixture(scope="module")
def poor_daemon(database, make_daemon, shim):
    """A daemon whose allocations pass through the library."""
    assert os.path.exists(PLAIN_BINARY), f"{PLAIN_BINARY} is not built: make"
    return make_daemon(database, binary=PLAIN_BINARY, env={"LD_PRELOAD": SHIM, "FAIL_ALLOC_FILE": shim.path},
                       database__statement_timeout="300ms")


ROUTES = {
    "create": lambda api, task: api.request("POST", api.tasks, {"title": "new", "description": "Gr\u00fc\u00dfe \\ \U0001f600"}),
    "create with key": lambda api, task: api.request("POST", api.tasks, {"title": "new"}, {"Idempotency-Key": next_key(api)}),
    "create malformed": lambda api, task: api.request("POST", api.tasks, b'{"title":"t","x":[{"y":"\\ud800"}]}'),
    "create wrong": lambda api, task: api.request("POST", api.tasks, {"title": ["t"], "x": {"y": [1, {"z": 2}]}}),
    "list": lambda api, task: api.get(api.tasks),
    "page": lambda api, task: api.get(api.tasks + "?limit=2&envelope=1"),
    "read": lambda api, task: api.get(api.path(task), headers={"If-None-Match": '"x"'}),
    "toggle": lambda api, task: api.complete(task),
    "set with key": lambda api, task: api.complete(task, {"completed": True}, {"Idempotency-Key": next_key(api)}),
    "delete": lambda api, task: api.delete(task),
    "delete with key": lambda api, task: api.delete(task, {"Idempotency-Key": next_key(api)}),
    "create whole": lambda api, task: api.request("POST", api.tasks, {"title": "new", **WHOLE}),
    "update": lambda api, task: api.request("PUT", api.path(task), {**WHOLE, "description": next_key(api)}),
    "clear": lambda api, task: api.request("PATCH", api.path(task), {
        "tags": None, "reminders": None, "recurrence": None, "due_date": None, "description": next_key(api)}),
    "update wrong": lambda api, task: api.request("PUT", api.path(task), {"recurrence_rule": "FREQ=DAILY;BYDAY=1MO"}),
    "filter": lambda api, task: api.get(api.tasks + FILTER),
    "search": lambda api, task: api.get(api.tasks + "?search=n%C3%A9w&limit=3&sort=title"),
    "deleted": lambda api, task: api.get(api.tasks + "?updated_since=2020-01-01&deleted=1"),
    "add reminder": lambda api, task: api.request("POST", api.path(task) + "/reminders", {"remind_at": "2098-05-05T05:05"}),
    "reminders": lambda api, task: api.get(f"/api/{api.quoted}/reminders?status=pending&limit=1"),
    "create tag": lambda api, task: api.request("POST", f"/api/{api.quoted}/tags", {"name": f"n{next_key(api)}"}),
    "tags": lambda api, task: api.get(f"/api/{api.quoted}/tags"),
    "rename tag": lambda api, task: api.request("PATCH", tags_path(api, "a"), {"name": "b"}),
    "remove tag": lambda api, task: api.request("DELETE", tags_path(api, "a"), headers={"Idempotency-Key": next_key(api)}),
    "preferences": lambda api, task: api.request("PUT", f"/api/{api.quoted}/preferences", {
        "locale": f"en-{next_key(api):0>8}", "email": "a@example.org", "time_zone": "Europe/Berlin"}),
    "stale": lambda api, task: api.delete(task, {"If-Match": '"77"'}),
    "not there": lambda api, task: api.get("/nothing"),
    "wrong method": lambda api, task: api.request("DELETE", api.tasks),
    "bad token": lambda api, task: api.get(api.tasks, token="x.y.z"),
    "health": lambda api, task: api.get("/health", token=None),
    "document": lambda api, task: api.get("/openapi.json", token=None),
}
KEYS = {}
WHOLE = {"tags": ["one", "zw\u00f6lf"], "due_date": "2098-01-31", "time_zone": "Europe/Berlin", "recurrence": "monthly",
         "reminders": [{"offset_minutes": 10}, {"remind_at": "2098-01-01T10:00:00", "channels": ["log"]}]}
FILTER = ("?tag=one&priority=high,low&due_before=2099-01-01&overdue=false&updated_since=2020-01-01T00:00:00Z&sort=due_date"
          "&order=desc&limit=5")


def tags_path(api, name):
    return f"/api/{api.quoted}/tags/{name}"


def with_tag(api, task):
    """The task has tag a; there is no b, whatever a rename that was cut short has left."""
    api.request("DELETE", tags_path(api, "b"))
    assert api.request("PUT", api.path(task), {"tags": ["a"]}).status == 200


# What must be so before each try.
SETUP = {
    "set with key": lambda api, task: api.complete(task, {"completed": False}),
    "add reminder": lambda api, task: api.request("PUT", api.path(task), {"reminders": []}),
    "rename tag": with_tag,
    "remove tag": with_tag,
}


def next_key(api):
    KEYS[api.user] = KEYS.get(api.user, 0) + 1
    return str(KEYS[api.user])


def whole(database, user):
    """No task without its event, no count that is off, no answer kept for what did not happen."""
    tasks = dict(database.rows("SELECT id, version FROM todod.tasks WHERE user_id = %s", user))
    counter = database.rows("SELECT tasks FROM todod.user_counters WHERE user_id = %s", user)
    assert (counter[0][0] if counter else 0) == len(tasks)
    events = database.rows("""SELECT event::json->'data'->>'task_id', topic, event::json->'data'->'payload'->>'reminder_id', sequence
        FROM todod.outbox WHERE user_id = %s""", user)
    assert len(set(events)) == len(events)
    for task_id, version in tasks.items():
        for topic in ("task-events", "task-updates"):
            mine = sorted(s for i, t, _, s in events if i == str(task_id) and t == topic)
            assert mine == list(range(1, version + 1)), (task_id, topic)
    tags = database.rows("""SELECT t.id, x FROM todod.tasks t, unnest(string_to_array(nullif(t.tags, ''), E'\n')) x
        WHERE t.user_id = %s""", user)
    joined = database.rows("""SELECT x.task_id, g.name FROM todod.task_tags x JOIN todod.tags g USING (user_id, key)
        WHERE x.user_id = %s""", user)
    assert sorted(tags) == sorted(joined)
    return len(events)


@pytest.mark.parametrize("route", ROUTES)
def test_nth_allocation_fails(poor_daemon, poor_api, database, shim, route):
    """SE11: for n = 1, 2, ...: the nth allocation of one request fails. 503, or as if nothing were, or a closed connection."""
    api = poor_api
    task, good, refused, cut = None, None, 0, 0
    for n in range(MOST):  # 0: nothing fails, to see what is good
        if task is None or api.get(api.path(task)).status != 200:
            task = api.create("t")
        if route in SETUP:
            SETUP[route](api, task)
        shim.arm(n)
        try:
            status = ROUTES[route](api, task).status
        except (OSError, http.client.HTTPException):
            status = None
            api.close()
        failed = shim.disarm()
        assert poor_daemon.is_alive(), f"it ended when allocation {n} failed: {poor_daemon.stderr()}"
        if n == 0:
            good = status
        elif failed == 0:
            assert status == good
            break
        assert status in (None, good, 503), f"{status} when allocation {n} failed"
        refused += status == 503
        cut += status is None
        wait_until("the database connections", lambda: ops(poor_daemon, "/readyz")[0] == 200)
    else:
        raise AssertionError("it never came to an end")
    assert n > 1, "not one allocation was seen: the library is not in the way"
    whole(database, api.user)
    print(f"alloc {route}: {n - 1} allocations made to fail, {refused} refused, {cut} connections closed")


def test_many_allocations_fail(poor_daemon, poor_api, database, shim):
    """SE11: from the nth on all fail, as when memory is really gone; once there is some again, so is the service."""
    api = poor_api
    task = api.create("t")
    for n in (1, 2, 3, 5, 8, 13, 21, 34, 55):
        for route in ("create with key", "toggle", "list"):
            shim.arm(n, sticky=True)
            try:
                status = ROUTES[route](api, task).status
                assert status in (200, 201, 503)
            except (OSError, http.client.HTTPException):
                api.close()
            shim.disarm()
            assert poor_daemon.is_alive(), poor_daemon.stderr()
            wait_until("the service", lambda: ops(poor_daemon, "/readyz")[0] == 200)
            assert api.get(api.path(task)).status == 200
    whole(database, api.user)
