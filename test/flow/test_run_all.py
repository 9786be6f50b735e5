# SPDX-License-Identifier: Apache-2.0
"""`make run-all`: the tour of docs/tour.md, the lines that it prints, and Ctrl-C. The build before it is `make`'s; here it is done."""
import json
import os
import re
import socket
import subprocess
import sys

import pytest

from process import ROOT, clean_env, wait_until
from run_all import RunAll, free_port, make_checkout, paste

sys.path.insert(0, os.path.join(ROOT, "scripts"))
import metrics  # noqa: E402
import tour  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "test", "tools"))
import components  # noqa: E402

ROLES = ("sidecar", "chat-api", "recurrer", "auditor")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Started once for the module: the tour needs an empty database, so its test is the first one here."""
    made = RunAll(make_checkout(tmp_path_factory.mktemp("run-all")), free_port())
    made.ready()
    yield made
    made.remove()


def printed_lines(run):
    """The lines to paste: create, list, toggle, history."""
    return re.findall(r"^ *(curl .*)$", run.output(), re.M)


def log_of(run, role):
    return [json.loads(line) for line in (run.run / f"{role}.log").read_text(encoding="utf-8").splitlines()]


def test_the_tour(run):
    """OB2, OB3, RL9: docs/tour.md shows what happens: a task, its row in the trail, a row that was changed, a dead letter,
    counters, one id through all logs. Where it fails: make docs, look, and commit."""
    page = tour.read_page()
    made = tour.remake(page, run)
    assert made == page, tour.difference(page, made)


def test_one_id_goes_with_everything_that_follows_from_a_request(run):
    """OB3: the id that the tour gave its first request is in each line of any role about it and about its events."""
    all_lines = [e for role in ROLES for e in log_of(run, role)]
    lines = [e for e in all_lines if e.get("correlation_id") == "tour-1"]
    assert len({e["trace_id"] for e in lines}) == 1
    published = {e["event_id"]: e["type"] for e in lines if e["msg"] == "event.published"}
    assert sorted(published.values()) == ["task.created", "task.state_changed"]
    consumed = [e for e in lines if e["msg"] == "event.consumed"]
    assert sorted((e["role"], e["result"], published[e["event_id"]]) for e in consumed) == \
        [("auditor", "done", "task.created"), ("recurrer", "done", "task.created")]
    assert all(e in lines for e in all_lines if e.get("event_id") in published)


def test_every_metric_is_on_the_page(run):
    """OB2: docs/operations.md has each metric of the source, as /metrics of the roles show it. Where it fails: make docs."""
    page = metrics.read_page()
    made = metrics.remake(page, run)
    assert made == page, tour.difference(page, made)
    known = metrics.families()
    shown = metrics.scrape(run)
    for role, families in shown.items():
        for name, (kind, words) in families.items():
            assert known[name][:2] == (kind, words), f"{name} of {role} is not found in the source"
    for name in re.findall(r"`(todod_[a-z_]+)", page):
        assert name in known, name
    for role, name in (("chat-api", "todod_outbox_published_total"), ("chat-api", "todod_outbox_failed_total"),
                       ("chat-api", "todod_outbox_events"), ("chat-api", "todod_outbox_oldest_seconds"),
                       ("recurrer", "todod_instances_made_total"), ("recurrer", "todod_reminders_swept_total"),
                       ("auditor", "todod_events_consumed_total"), ("auditor", "todod_event_lag_seconds"),
                       ("auditor", "todod_dead_letters_total"), ("sidecar", "todod_sidecar_published_total"),
                       ("sidecar", "todod_sidecar_delivered_total"), ("sidecar", "todod_sidecar_retried_total"),
                       ("sidecar", "todod_sidecar_dead_total"), ("sidecar", "todod_sidecar_lag_records")):
        assert name in shown[role]


def test_the_sidecar_lets_them_do_what_a_real_one_would(run):
    """EV1, SE9: topics and scopes of the embedded sidecar are those of dapr-components."""
    lines = (run.run / "sidecar.conf").read_text(encoding="utf-8").splitlines()
    config = dict(line.split(" = ", 1) for line in lines if not line.startswith("#"))

    def rules(text):
        return {name: set(values.split()) for name, _, values in (rule.strip().partition("=") for rule in text.split(";"))}

    assert rules(config["sidecar.scopes"]) == rules("; ".join(s for role in ROLES[1:] for s in components.scopes_of(role)))
    assert config["sidecar.topics"].split() == list(components.topics())


def test_run_all(run):
    """MI4: part: four roles and their PostgreSQL from one command, a task and its history; .run/env for scripts; Ctrl-C ends
    all; data stays."""
    env = run.ready()
    assert set(env) == {"TODOD_URL", "TODOD_OPS_URL", "TODOD_USER", "TODOD_TOKEN", "TODOD_DATABASE_URL"}
    assert env["TODOD_URL"] == f"http://127.0.0.1:{run.port}"
    assert os.stat(run.env_file).st_mode & 0o077 == 0
    create, listing, toggle, history = printed_lines(run)

    status, headers, body = paste(create)
    assert status == 201 and headers["etag"] == '"1"'
    task = json.loads(body)
    assert headers["location"] == f"/api/{env['TODOD_USER']}/tasks/{task['id']}"
    status, _, body = paste(listing)
    assert status == 200 and json.loads(body)[0] == task
    first = json.loads(body)[-1]
    status, _, body = paste(toggle)
    assert status == 200 and json.loads(body)["id"] == first["id"] and json.loads(body)["completed"] is not first["completed"]

    wait_until("the toggle in the history", lambda: len(json.loads(paste(history)[2])) == 3)
    assert [e["event_type"] for e in json.loads(paste(history)[2])] == ["task.created", "task.completed", "task.reopened"]
    verify = re.search(r"(build/release/todod audit verify .*)$", run.output(), re.M)[1]
    done = subprocess.run(["/bin/sh", "-c", verify], text=True, capture_output=True, timeout=60, check=False,
                          cwd=run.checkout, env=clean_env())
    assert done.returncode == 0 and json.loads(done.stdout)["faults"] == 0, done

    again = subprocess.run(["/bin/bash", str(run.checkout / "scripts" / "run-all.sh")], text=True, capture_output=True,
                           timeout=60, check=False, env={**os.environ, "TODOD_PORT": str(run.port)})
    assert again.returncode != 0 and "already running" in again.stderr

    assert run.interrupt() == 0, run.output()
    assert not run.env_file.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", run.port), 5).close()
    for role in ROLES:
        assert log_of(run, role)[-1]["msg"] == "role.stopped", role

    second = RunAll(run.checkout, run.port)
    second.ready()
    status, _, body = paste(printed_lines(second)[1])
    assert status == 200 and [t["id"] for t in json.loads(body)] == [task["id"], first["id"]], "the data stayed"
    assert second.interrupt() == 0, second.output()
