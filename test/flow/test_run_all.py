# SPDX-License-Identifier: Apache-2.0
"""`make run-all`: one command, three lines to paste, and Ctrl-C. The build before it is `make`'s; here it is done."""
import json
import os
import re
import socket
import subprocess

import pytest

from database import run_pg
from process import clean_env, wait_until
from run_all import RunAll, free_port, make_checkout, paste


@pytest.fixture
def checkout(tmp_path):
    yield make_checkout(tmp_path)
    run_pg("remove", str(tmp_path / ".run" / "pg"))


def test_run_all(checkout):
    """MI4: part: three roles and their PostgreSQL from one command, a task and its history; .run/env for scripts; Ctrl-C ends
    all; data stays."""
    port = free_port()
    run = RunAll(checkout, port)
    env = run.ready()
    assert set(env) == {"TODOD_URL", "TODOD_OPS_URL", "TODOD_USER", "TODOD_TOKEN", "TODOD_DATABASE_URL"}
    assert env["TODOD_URL"] == f"http://127.0.0.1:{port}"
    assert os.stat(run.env_file).st_mode & 0o077 == 0
    create, listing, toggle, history = re.findall(r"^ *(curl .*)$", run.output(), re.M)

    status, headers, body = paste(create)
    assert status == 201 and headers["etag"] == '"1"'
    task = json.loads(body)
    assert headers["location"] == f"/api/{env['TODOD_USER']}/tasks/{task['id']}"
    status, _, body = paste(listing)
    assert status == 200 and json.loads(body) == [task]
    status, _, body = paste(toggle)
    assert status == 200 and json.loads(body)["id"] == task["id"] and json.loads(body)["completed"] is True

    wait_until("both events in the history", lambda: len(json.loads(paste(history)[2])) == 2)
    assert [e["event_type"] for e in json.loads(paste(history)[2])] == ["task.created", "task.completed"]
    verify = re.search(r"(build/release/todod audit verify .*)$", run.output(), re.M)[1]
    done = subprocess.run(["/bin/sh", "-c", verify], text=True, capture_output=True, timeout=60, check=False, cwd=checkout,
                          env=clean_env())
    assert done.returncode == 0 and json.loads(done.stdout)["faults"] == 0, done

    again = subprocess.run(["/bin/bash", str(checkout / "scripts" / "run-all.sh")], text=True, capture_output=True,
                           timeout=60, check=False, env={**os.environ, "TODOD_PORT": str(port)})
    assert again.returncode != 0 and "already running" in again.stderr

    assert run.interrupt() == 0, run.output()
    assert not run.env_file.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5).close()
    for role in ("sidecar", "chat-api", "auditor"):
        assert "role.stopped" in (checkout / ".run" / f"{role}.log").read_text(encoding="utf-8"), role

    second = RunAll(checkout, port)
    second.ready()
    status, _, body = paste(re.findall(r"^ *(curl .*)$", second.output(), re.M)[1])
    assert status == 200 and [t["id"] for t in json.loads(body)] == [task["id"]], "the data stayed"
    assert second.interrupt() == 0, second.output()
