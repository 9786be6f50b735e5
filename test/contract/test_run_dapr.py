# SPDX-License-Identifier: Apache-2.0
"""`make run-dapr`: the roles beside a real Dapr and Kafka, from one command, as a user starts them."""
import glob
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from backend import ROOT, real_stack

sys.path.insert(0, os.path.join(ROOT, "test", "flow"))
from process import clean_env, wait_until  # noqa: E402
from run_all import RunAll, free_port, make_checkout, paste  # noqa: E402

pytestmark = pytest.mark.real


@pytest.fixture
def run(tmp_path):
    lacking = real_stack.missing(need_maven=False)
    if lacking:
        pytest.skip("missing: " + ", ".join(lacking))
    made = RunAll(make_checkout(tmp_path, "test", "dapr-components"), free_port(), "dapr")
    yield made
    made.remove()


def kill_role(config):
    """The process that was started with this configuration: -9."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                found = f"--config={config}".encode() in f.read().split(b"\0")
        except OSError:
            continue
        if found:
            os.kill(int(path.split("/")[2]), signal.SIGKILL)
            return
    raise AssertionError(f"no process of {config}")


def kill_daprd(pid_file):
    os.kill(int(pid_file.read_text(encoding="ascii")), signal.SIGKILL)


def titles(history):
    return [e["payload"]["task"]["title"] for e in json.loads(paste(history)[2])]


def test_run_dapr(run, tmp_path):
    """make run-dapr: tasks are in the audit trail, in order and once, also those written while auditor, or a daprd, was killed"""
    run.ready()
    create, _, _, history = re.findall(r"^ *(curl .*)$", run.output(), re.M)
    history = history.replace("/tasks/1/history", "/audit?limit=100")
    written = []

    def write(*wanted):
        for title in wanted:
            assert paste(create.replace("Buy milk", title))[0] == 201
            written.append(title)

    write("one", "two")
    wait_until("both are in the audit trail", lambda: titles(history) == written)
    kill_role(run.run / "auditor.conf")
    write("without auditor")
    kill_daprd(run.run / "stack" / "daprd-auditor.pid")
    write("without its sidecar")
    kill_daprd(run.run / "stack" / "daprd-chat-api.pid")
    write("without one to publish by")
    wait_until("auditor answers and has all of them", lambda: paste(history)[0] == 200 and titles(history) == written, 120)
    verify = re.search(r"(build/release/todod audit verify .*)$", run.output(), re.M)[1]
    done = subprocess.run(["/bin/sh", "-c", verify], text=True, capture_output=True, timeout=60, check=False, cwd=tmp_path,
                          env=clean_env())
    assert done.returncode == 0 and json.loads(done.stdout)["faults"] == 0, done
    assert run.interrupt() == 0, run.output()
    assert not run.env_file.exists()
