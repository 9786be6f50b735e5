# SPDX-License-Identifier: Apache-2.0
"""recurrer: next instances."""
import pytest

from process import wait_until
from stack import Stack


@pytest.fixture(scope="module")
def stack(make_database, make_daemon, tmp_path_factory):
    from sidecar_host import Sidecar
    def make_sidecar(apps, database, **config):
        return Sidecar(str(tmp_path_factory.mktemp("sidecar")), database, apps, **config).start()
    made = Stack(make_database("recurrer"), make_daemon, make_sidecar)
    yield made
    made.stop()


def test_walk(stack, connect_api):
    api = connect_api(stack.api)
    task = api.create("t", due_date="2031-01-31", recurrence="daily")
    api.complete(task)
    wait_until("two", lambda: len(api.list()) == 2)
    stack.settled()
    print(api.list())
    print([ (e["type"], e["data"]["sequence"], e["data"]["causation_id"]) for e in stack.records(api.user, "task-events", "reminders", "task-updates")])
    api.complete(task)
    wait_until("one", lambda: len(api.list()) == 1)
    stack.settled()
    print([ (e["type"], e["data"]["sequence"], e["data"]["causation_id"]) for e in stack.records(api.user, "task-events", "reminders", "task-updates")])
    assert 0
