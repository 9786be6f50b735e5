# SPDX-License-Identifier: Apache-2.0
"""`make run-dapr`: the roles beside a real Dapr and Kafka, from one command, as a user starts them."""
import json
import os
import re
import signal
import sys

import pytest

from backend import ROOT, real_stack

sys.path.insert(0, os.path.join(ROOT, "test", "flow"))
from process import wait_until  # noqa: E402
from run_all import RunAll, free_port, make_checkout  # noqa: E402

pytestmark = pytest.mark.real


@pytest.fixture
def run(tmp_path):
    lacking = real_stack.missing(need_maven=False)
    if lacking:
        pytest.skip("missing: " + ", ".join(lacking))
    made = RunAll(make_checkout(tmp_path, "test", "dapr-components"), free_port(), "dapr")
    yield made
    made.remove()


def kill_daprd(run, role):
    os.kill(int((run.run / "stack" / f"daprd-{role}.pid").read_text(encoding="ascii")), signal.SIGKILL)


def body_of(run, line):
    """What a line gives; None while it gives no success."""
    status, _, body = run.paste(line)
    return json.loads(body) if status in (200, 201) else None


def check_trail(run, create, history):
    """Tasks are in the audit trail, in order and once, also those written while auditor, or a daprd, was killed."""
    history = history.replace("$tasks/$(newest)/history", "$TODOD_URL/api/$TODOD_USER/audit?limit=100")
    written = []

    def write(*wanted):
        for title in wanted:
            assert body_of(run, create.replace("Buy milk", title))
            written.append(title)

    def titles():
        return [e["payload"]["task"]["title"] for e in body_of(run, history) or ()]

    write("one", "two")
    wait_until("both are in the audit trail", lambda: titles() == written)
    run.kill("auditor")
    write("without auditor")
    kill_daprd(run, "auditor")
    write("without its sidecar")
    kill_daprd(run, "chat-api")
    write("without one to publish by")
    wait_until("auditor answers and has all of them", lambda: titles() == written, 120)


def check_reminder(run, address, confirm, remind):
    """A reminder is mailed once, though notifier and its sidecar are killed before its time."""
    assert body_of(run, address)
    wait_until("a mail asks for confirmation", lambda: run.mails("demo@example.org"), 120)
    assert body_of(run, confirm)["email_confirmed"] is True
    task = body_of(run, remind)
    run.kill("notifier")
    kill_daprd(run, "notifier")
    listing = f"curl -i --oauth2-bearer $TODOD_TOKEN $tasks/{task['id']}/reminders"
    wait_until("the reminder is sent", lambda: [r["status"] for r in body_of(run, listing) or ()] == ["sent"], 120)
    job = f"rem-{task['reminders'][0]['id']}"
    wait_until("its job fired", lambda: f'"job":"{job}","result":"done"' in (run.run / "notifier.log").read_text(encoding="utf-8"))
    assert [m["subject"] for m in run.mails("demo@example.org")] == ["Reminder: Call mum", "Confirm your address"]


def check_next(run, repeat, complete, again):
    """A daily task that is completed is followed by one, though recurrer is killed when it should make it."""
    assert body_of(run, repeat)
    run.kill("recurrer")
    done = body_of(run, complete)
    wait_until("the next one", lambda: len(body_of(run, again)) == 2, 120)
    assert [(t["parent_task_id"], t["due_date"], t["completed"]) for t in body_of(run, again)] == \
        [(done["id"], done["next_occurrence"], False), (None, done["due_date"], True)]


def test_run_dapr(run):
    """make run-dapr: audit trail, a reminder by mail, the next of a daily task; roles and sidecars are killed meanwhile

    DP10.
    """
    run.ready()
    create, _, _, history, address, confirm, remind, _, repeat, complete, again = run.lines()[1]
    check_trail(run, create, history)
    check_reminder(run, address, confirm, remind)
    check_next(run, repeat, complete, again)
    verify = re.search(r"(build/release/todod audit verify .*)$", run.output(), re.M)[1]
    done = run.shell(verify)
    assert done.returncode == 0 and json.loads(done.stdout)["faults"] == 0, done
    assert run.interrupt() == 0, run.output()
    assert not run.env_file.exists()
