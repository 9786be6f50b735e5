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
from run_all import RunAll, Terminal, free_port, make_checkout

sys.path.insert(0, os.path.join(ROOT, "scripts"))
import metrics  # noqa: E402
import tour  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "test", "tools"))
import components  # noqa: E402

ROLES = ("sidecar", "chat-api", "notifier", "recurrer", "auditor")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Started once for the module: the tour needs an empty database, so its test is the first one here."""
    made = RunAll(make_checkout(tmp_path_factory.mktemp("run-all")), free_port())
    made.ready()
    yield made
    made.remove()


def log_of(run, role):
    return [json.loads(line) for line in (run.run / f"{role}.log").read_text(encoding="utf-8").splitlines()]


def test_the_tour(run):
    """OB2, OB3, RL9, MI4: docs/tour.md shows what happens: a task, its row in the trail, a row that was changed, a dead letter,
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
        [(role, "done", "task.created") for role in ("auditor", "notifier", "recurrer")]
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


def shown_of(run, role):
    """Its lines among those of all."""
    return [line.partition(" ")[2].lstrip() for line in run.output().splitlines() if line.startswith(f"{role:8} ")]


def wait_answer(run, line, is_it):
    """What the line gives, when it gives that."""
    def look():
        done = run.shell(line)
        body = done.stdout.replace("\r\n", "\n").partition("\n\n")[2]
        return done.returncode == 0 and is_it(answer := json.loads(body)) and answer
    return wait_until(line, look)


def test_run_all(run):
    """MI4: part: five roles, their PostgreSQL and a mail server from one command; the lines it prints work; .run/env for
    scripts; Ctrl-C ends all; data stays."""
    env = run.ready()
    assert set(env) == {"TODOD_URL", "TODOD_OPS_URL", "TODOD_MAILS_URL", "TODOD_USER", "TODOD_TOKEN", "TODOD_DATABASE_URL"}
    assert env["TODOD_URL"] == f"http://127.0.0.1:{run.port}"
    assert os.stat(run.env_file).st_mode & 0o077 == 0
    create, listing, complete, history, address, confirm, remind, mails, repeat, done, again = run.lines()[1]

    status, headers, body = run.paste(create)
    assert status == 201 and headers["etag"] == '"1"'
    task = json.loads(body)
    assert headers["location"] == f"/api/{env['TODOD_USER']}/tasks/{task['id']}"
    status, _, body = run.paste(listing)
    assert status == 200 and json.loads(body)[0] == task
    status, _, body = run.paste(complete)
    assert status == 200 and json.loads(body)["id"] == task["id"] and json.loads(body)["completed"]
    wait_answer(run, history, lambda events: [e["event_type"] for e in events] == ["task.created", "task.completed"])

    assert run.paste(address.replace("demo@", "run-all@"))[0] == 200
    wait_until("a mail asks for confirmation", lambda: run.mails("run-all@example.org"))
    assert wait_answer(run, confirm, lambda answer: True)["email_confirmed"] is True
    status, _, body = run.paste(remind)
    assert status == 201 and json.loads(body)["reminders"][0]["channels"] == ["email", "in_app", "log"]
    newest = wait_answer(run, mails, lambda listed: listed[0]["subject"] == "Reminder: Call mum")[0]
    assert newest["to"] == ["run-all@example.org"]

    assert run.paste(repeat)[0] == 201
    status, _, body = run.paste(done)
    assert status == 200 and json.loads(body)["next_occurrence"]
    following = wait_answer(run, again, lambda tasks: tasks[0]["parent_task_id"] == json.loads(body)["id"])[0]
    assert following["occurrence"] == 2 and following["due_date"] == json.loads(body)["next_occurrence"]

    verify = re.search(r"(build/release/todod audit verify .*)$", run.output(), re.M)[1]
    exported = " ".join(sorted(set(env) - {"TODOD_DATABASE_URL"}))
    done = run.shell(f"export {exported}; {verify}")
    assert done.returncode == 0 and json.loads(done.stdout)["faults"] == 0, done


def test_what_dies_is_started_again(run):
    """MI4: also when all die at the same moment; the mail server forgets no mail by that, and a reminder that was asked for comes."""
    before = run.mails("run-all@example.org")
    assert before and run.paste(run.lines()[1][6])[0] == 201
    for role in (*ROLES, "mail"):
        run.kill(role)
    for role in (*ROLES, "mail"):
        wait_until(f"{role} is started again", lambda r=role: f"{r} ended with status 137; starting it again" in run.output())
        wait_until(f"{role} is ready again", lambda r=role: [e["msg"] for e in log_of(run, r)].count("role.ready") == 2)
    wait_until("one mail more", lambda: len(run.mails("run-all@example.org")) == len(before) + 1)
    assert run.mails("run-all@example.org")[1:] == before
    for role in (*ROLES, "mail"):
        wanted = (run.run / f"{role}.log").read_text(encoding="utf-8").splitlines()
        wait_until(f"the lines of {role} are shown once", lambda r=role, w=wanted: shown_of(run, r)[:len(w)] == w)


def test_a_trigger_for_each_reminder_sent(run):
    """EV17, DP10: a job brings the trigger at its time, the trigger is on the topic before what became of it, and one of them
    had an effect, also where all were killed meanwhile."""
    line = "curl -i --oauth2-bearer $TODOD_TOKEN $TODOD_URL/api/$TODOD_USER/audit?limit=100"

    def events(kind):
        return [e for e in json.loads(run.paste(line)[2]) if e["event_type"] == kind]

    def reminder_of(event):
        return event["payload"]["reminder_id"], event["payload"]["version"]

    wait_until("three are sent", lambda: len(events("reminder.sent")) >= 3)
    sent, triggers = events("reminder.sent"), {e["event_id"]: e for e in events("reminder.trigger")}
    assert len({reminder_of(e) for e in sent}) == len(sent) == 3
    for event in sent:
        trigger = triggers[event["causation_id"]]
        assert reminder_of(trigger) == reminder_of(event) and trigger["correlation_id"] == event["correlation_id"]
    fired = {e["job"] for e in log_of(run, "notifier") if e["msg"] == "job.fired" and e["result"] == "done"}
    assert fired >= {f"rem-{e['payload']['reminder_id']}" for e in sent}


def test_notifier_knows_no_database(run):
    """DP1: what notifier is told has no address of a database in it, and it has no connection to one."""
    config = (run.run / "notifier.conf").read_text(encoding="utf-8")
    assert "database" not in config and "postgresql:" not in config
    assert "todod_db_connections " not in "".join(metrics.scrape(run)["notifier"])


def test_stop_and_start(run):
    """MI4: Ctrl-C ends all; the data stays for the next time, which is in nobody's way."""
    again = subprocess.run(["/bin/bash", str(run.checkout / "scripts" / "run-all.sh")], text=True, capture_output=True,
                           timeout=60, check=False, env={**clean_env(), "TODOD_PORT": str(run.port)})
    assert again.returncode != 0 and "already running" in again.stderr
    listing = run.lines()[1][1]
    tasks = json.loads(run.paste(listing)[2])
    mails = run.mails("run-all@example.org")

    assert run.interrupt() == 0, run.output()
    assert not run.env_file.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", run.port), 5).close()
    for role in (*ROLES, "mail"):
        assert log_of(run, role)[-1]["msg"] == "role.stopped", role

    run.out.unlink()
    second = RunAll(run.checkout, run.port)
    second.ready()
    status, _, body = second.paste(listing)
    assert status == 200 and json.loads(body) == tasks, "the data stayed"
    assert second.mails("run-all@example.org") == mails
    assert second.interrupt() == 0, second.output()


def test_a_terminal_that_is_closed(run):
    """Nothing is left behind by it."""
    run.out.unlink()
    terminal = Terminal(run.out)
    made = RunAll(run.checkout, run.port, terminal=terminal)
    os.close(terminal.far)
    made.ready()
    terminal.close()
    made.process.wait(60)
    assert not made.env_file.exists()
    for port in (0, 1, 2, 4, 10, 15):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", run.port + port), 5).close()
    assert not (made.run / "pg" / "data" / "postmaster.pid").exists()
