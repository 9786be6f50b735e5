# SPDX-License-Identifier: Apache-2.0
"""`make run-all`: one command, three lines to paste, and Ctrl-C. The build before it is `make`'s; here it is done."""
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from database import run_pg
from process import ROOT, clean_env, wait_until


def free_port():
    """One whose hundredth successor is free too, for the operations listener."""
    for _ in range(100):
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0))
            port = a.getsockname()[1]
            try:
                b.bind(("127.0.0.1", port + 100))
            except (OSError, OverflowError):
                continue
            return port
    raise AssertionError("no free ports")


@pytest.fixture
def checkout(tmp_path):
    """A checkout that is built already: the scripts and the binary, and a `make` that finds nothing to do."""
    assert os.path.exists(os.path.join(ROOT, "build", "release", "todod")), "not built: make"
    for name in ("scripts", "build"):
        os.symlink(os.path.join(ROOT, name), tmp_path / name)
    (tmp_path / "bin").mkdir()
    make = tmp_path / "bin" / "make"
    make.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    make.chmod(0o755)
    yield tmp_path
    run_pg("remove", str(tmp_path / ".run" / "pg"))


def heed_interrupts():
    """Whoever runs the tests in the background has them ignore SIGINT, and no shell can trap what it was told to ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class RunAll:
    def __init__(self, checkout, port):
        self.checkout = checkout
        self.env_file = checkout / ".run" / "env"
        self.out = checkout / "out"
        env = {k: v for k, v in os.environ.items() if not k.startswith("TODOD_")}
        env.update(PATH=f"{checkout / 'bin'}:{env['PATH']}", TODOD_PORT=str(port))
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(["/bin/bash", str(checkout / "scripts" / "run-all.sh")], env=env, stdout=out,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                                            preexec_fn=heed_interrupts)

    def output(self):
        return self.out.read_text(encoding="utf-8")

    def ready(self):
        def look():
            assert self.process.poll() is None, self.output()
            return self.env_file.exists() and "Ctrl-C" in self.output()
        wait_until("ready", look)
        return dict(line.split("=", 1) for line in self.env_file.read_text(encoding="utf-8").splitlines())

    def interrupt(self):
        """Ctrl-C: to the whole foreground process group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(300)


def paste(line):
    """(status, headers, body) of a curl line as printed."""
    done = subprocess.run(["/bin/sh", "-c", line], text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done
    head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
    status, *headers = head.split("\n")
    return int(status.split()[1]), {h.split(": ")[0].lower(): h.split(": ", 1)[1] for h in headers}, body


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
