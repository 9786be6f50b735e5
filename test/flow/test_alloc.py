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
    "stale": lambda api, task: api.delete(task, {"If-Match": '"77"'}),
    "not there": lambda api, task: api.get("/nothing"),
    "wrong method": lambda api, task: api.request("DELETE", api.tasks),
    "bad token": lambda api, task: api.get(api.tasks, token="x.y.z"),
    "health": lambda api, task: api.get("/health", token=None),
    "document": lambda api, task: api.get("/openapi.json", token=None),
}
KEYS = {}


def next_key(api):
    KEYS[api.user] = KEYS.get(api.user, 0) + 1
    return str(KEYS[api.user])


def whole(database, user):
    """No task without its event, no count that is off, no answer kept for what did not happen."""
    tasks = dict(database.rows("SELECT id, version FROM todod.tasks WHERE user_id = %s", user))
    counter = database.rows("SELECT tasks FROM todod.user_counters WHERE user_id = %s", user)
    assert (counter[0][0] if counter else 0) == len(tasks)
    events = database.rows("SELECT (event::json->>'subject')::bigint, sequence FROM todod.outbox WHERE user_id = %s", user)
    assert len(set(events)) == len(events)
    for task_id, version in tasks.items():
        assert sorted(s for i, s in events if i == task_id) == list(range(1, version + 1)), task_id
    return len(events)


@pytest.mark.parametrize("route", ROUTES)
def test_nth_allocation_fails(poor_daemon, poor_api, database, shim, route):
    """SE11: for n = 1, 2, ...: the nth allocation of one request fails. 503, or as if nothing were, or a closed connection."""
    api = poor_api
    task, good, refused, cut = None, None, 0, 0
    for n in range(MOST):  # 0: nothing fails, to see what is good
        if task is None or api.get(api.path(task)).status != 200:
            task = api.create("t")
        if route == "set with key":
            api.complete(task, {"completed": False})
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
