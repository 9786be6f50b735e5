# SPDX-License-Identifier: Apache-2.0
"""
Reminders and recurring tasks from the request to the mail, with every role there is on the way: two of each, clocks that are wrong,
an hour of downtime, and words that are not meant well. See docs/reminders.md.
"""
import datetime
import os
import re
import time

import pytest

import process
from api_client import sign
from mail_host import MailHost
from notifier_host import Whole
from process import fake_clock, wait_until
from test_mail import ADDRESSES, titles
from test_notifier import at, instant, notifications, triggers

RELEASE = os.path.join(process.ROOT, "build", "release", "todod")


@pytest.fixture
def make_whole(make_database, make_daemon, tmp_path_factory):
    """A function: everything, with a mail server of its own."""
    made = []

    def make(name, start=True, **config):
        host = MailHost()
        whole = Whole(tmp_path_factory.mktemp(name), make_database(f"whole_{name}"), make_daemon, host, **config)
        made.append((whole, host))
        if start:
            whole.start_all()
        return whole, host

    yield make
    for whole, host in made:
        whole.stop()
        host.stop()


@pytest.fixture(scope="module")
def shared(make_database, make_daemon, tmp_path_factory):
    """Everything, for tests that leave it as it is; and its mail server."""
    host = MailHost()
    whole = Whole(tmp_path_factory.mktemp("shared"), make_database("whole_shared"), make_daemon, host).start_all()
    yield whole, host
    whole.stop()
    host.stop()


def address_of(api):
    return f"{api.user.lower()}@example.org"


def confirmed(whole, mail, api, channels=("email", "in_app"), **more):
    """The user's address is known, confirmed by its link, and notifier has heard of it."""
    api.prefer(email=address_of(api), channels=list(channels), **more)
    letter, = mail.wait(address_of(api))
    assert api.get(re.search(r"/api/email/confirm\?t=[\w.-]+", letter.text)[0], token=None).status == 200
    wait_until("notifier knows", lambda: (c := whole.state(api.user, "contact")) and c["email_confirmed"])
    return api


def reminders_to(mail, api):
    return [m for m in mail.to(address_of(api)) if m.subject.startswith("Reminder: ")]


def all_sent(api, n):
    return wait_until(f"{n} are sent", lambda: (found := api.reminders("?status=sent")) and len(found) == n and found)


def test_two_of_each(make_whole, connect_api):
    """AR10, RL6, RL11, EV17: two notifiers, two recurrers, jobs and sweeps at once: one mail, one notification, one outcome, one successor
    each, and the states of all reminders can be read."""
    whole, mail = make_whole("pairs", notifiers=2, recurrers=2)
    users = [confirmed(whole, mail, connect_api(whole.chat_api)) for _ in range(4)]
    tasks = {api: [api.create(f"done {i}", due_date=at(3600), recurrence="daily", reminders=[{"offset_minutes": 0}]) for i in range(3)]
             for api in users}
    for api in users:
        for task in tasks[api]:
            assert api.complete(task, {"completed": True}).status == 200
    due = at(3)
    for api in users:
        for i in range(3):
            (reminder,) = api.create(f"t{i}", due_date=due)["reminders"]
            assert reminder["status"] == "pending"
    for api in users:
        sent = all_sent(api, 3)
        assert all(r["sent_at"] >= r["remind_at"] and r["retry_count"] == 0 for r in sent)
    whole.wait_settled()
    for api in users:
        letters = reminders_to(mail, api)
        assert sorted(m.subject for m in letters) == ["Reminder: t0", "Reminder: t1", "Reminder: t2"]
        assert all(m.at >= instant(due) for m in letters)
        assert len(notifications(whole, api.user)) == len(whole.outcomes(api.user)) == 3
        assert {e["data"]["payload"]["reminder_id"] for e in triggers(whole, api.user)} >= {r["id"] for r in api.reminders("?status=sent")}
        successors = [t["parent_task_id"] for t in api.list() if t["parent_task_id"] is not None]
        assert sorted(successors) == sorted(t["id"] for t in tasks[api])
        assert len(api.reminders("?status=cancelled")) == 3 and len(api.reminders("?status=pending")) == 3


def fake(daemon, offset, directory):
    """The daemon with a clock of its own; what the file that is returned says, it goes by from then on."""
    path = os.path.join(directory, f"clock-of-{daemon.role}-{id(daemon)}")
    set_clock(path, offset)
    daemon.binary = RELEASE
    daemon.env = fake_clock(FAKETIME_TIMESTAMP_FILE=path, FAKETIME_NO_CACHE="1")
    return path


def set_clock(path, offset):
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(offset + "\n")
    os.rename(path + ".new", path)


def test_clocks_that_are_wrong_and_jump(make_whole, connect_api, new_user, signing_key):
    """DP10, RL6, FT2: chat-api, recurrer and notifier an hour off, each another way, and jumping to and fro: every reminder that is set
    fires once, none before its time, none left out; a mail that is put off waits for its pause; each recurring task has the next instance
    that it has by the right clock."""
    whole, mail = make_whole("clocks", start=False, notifiers=2, notifier__retry_delays="2s,2s,2s", notifier__lease="4s", smtp__timeout="3s")
    clocks = [fake(d, o, whole.directory) for d, o in zip(whole.roles, ("+1h", "-1h", "+1h", "-1h"))]
    whole.start_all()
    user, now = new_user(), int(time.time())
    token = sign(signing_key, user, iat=now - 7200, exp=now + 14400)
    api = confirmed(whole, mail, connect_api(whole.chat_api, user, token))
    mail.on("rcpt", lambda n: "451 later" if n == 4 else None, address_of(api))
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=30)
    made = {}
    for i, offset in enumerate(("+1h", "-1h", "+1h", "+0h", "-1h")):
        set_clock(clocks[0], offset)
        made[f"t{i}"] = api.create(f"t{i}", due_date=at(1 + i / 2))
        day = (soon - datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        daily = api.create(f"daily {i}", due_date=day, recurrence="daily", reminders=[])
        assert api.complete(daily, {"completed": True}).status == 200
        for path in clocks[1:]:
            set_clock(path, ("+1h", "-1h")[i % 2])
        time.sleep(0.3)
    sent = all_sent(api, len(made))
    whole.wait_settled()
    letters = reminders_to(mail, api)
    assert sorted(m.subject for m in letters) == [f"Reminder: {title}" for title in made]
    for letter in letters:
        assert letter.at >= instant(made[letter.subject[10:]]["due_date"])
    assert sorted(r["retry_count"] for r in sent) == [0] * (len(made) - 1) + [1]
    tries = mail.tries_of(address_of(api))
    assert len(tries) == 1 + len(made) + 1 and tries[-1] - tries[3] >= 2
    successors = [t for t in api.list() if t["parent_task_id"] is not None]
    assert {t["due_date"] for t in successors} == {soon.strftime("%Y-%m-%dT%H:%M:%SZ")} and len(successors) == 5


def let_hours_pass(database, hours):
    """As if everything that is stored had been so many hours ago; jobs carry what they publish."""
    def earlier(match):
        when = datetime.datetime.fromisoformat(match[0].replace("Z", "+00:00")) - datetime.timedelta(hours=hours)
        return when.isoformat().replace("+00:00", "Z")

    database.rows("UPDATE todod.reminders SET remind_at = remind_at - %s * interval '1 hour'", hours)
    database.rows("UPDATE todod.tasks SET due_at = due_at - %s * interval '1 hour', overdue_at = overdue_at - %s * interval '1 hour'", hours,
                  hours)
    for name, data in database.rows("SELECT name, data FROM sidecar.jobs"):
        database.rows("UPDATE sidecar.jobs SET due_at = due_at - %s * interval '1 hour', data = %s WHERE name = %s", hours,
                      re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", earlier, data), name)


@pytest.mark.parametrize("jobs", [True, False], ids=["jobs and sweep", "sweep alone"])
def test_an_hour_of_downtime(make_whole, connect_api, jobs):
    """FL4, EV17, FT2: nothing runs while many come due; then each fires once and says how late it is; by the sweep oldest first, which
    Dapr's Scheduler, where jobs run side by side, does not promise."""
    whole, mail = make_whole(f"downtime_{jobs}")
    users = [confirmed(whole, mail, connect_api(whole.chat_api)) for _ in range(3)]
    for api in users:
        for i in (3, 0, 7, 1, 6, 2, 5, 4):
            api.create(f"t{i}", due_date=at(3600 + 60 * i))
    whole.wait_settled()
    wait_until("the jobs", lambda: whole.database.value("SELECT count(*) FROM sidecar.jobs") == 24)
    for daemon in (*whole.roles, whole.sidecar):
        if jobs:
            daemon.stop()
        else:
            daemon.kill()
    let_hours_pass(whole.database, 2)
    if not jobs:
        whole.database.rows("DELETE FROM sidecar.jobs")
    whole.sidecar.start()
    whole.start_all()
    for api in users:
        all_sent(api, 8)
    whole.wait_settled()
    for api in users:
        letters = reminders_to(mail, api)
        late = [e["data"]["payload"]["late_by"] for e in notifications(whole, api.user)]
        order = sorted if jobs else list
        assert order(m.subject for m in letters) == [f"Reminder: t{i}" for i in range(8)]
        assert order(-n for n in late) == sorted(-n for n in late) and len(late) == 8 and 3000 < min(late) < max(late) < 3700
        assert all(re.search(r"It comes (1 hour|[45]\d minutes)[ 0-9a-z]* late", m.text) for m in letters)


def test_the_last_failure_and_its_replay(make_whole, connect_api):
    """RL16, FL4, EV12, RL11: 451 four times: each try is told and shown, then it has failed and is a dead letter; auditor replays it,
    and as the mail server is well by then, the mail goes out and the reminder is sent. Others are not held up."""
    whole, mail = make_whole("replay", auditor="2s", notifier__retry_delays="1s,1s,1s", notifier__lease="4s", smtp__timeout="3s")
    api, other = (confirmed(whole, mail, connect_api(whole.chat_api)) for _ in range(2))
    mail.on("rcpt", "451 later", address_of(api))
    api.create("late", due_date=at(1))
    wait_until("it has failed", lambda: api.reminders("?status=failed"))
    (shown,) = api.reminders("?status=failed")
    assert shown["retry_count"] == 4 and "451 later" in shown["last_error"] and shown["sent_at"] is None
    assert not reminders_to(mail, api)
    mail.on("rcpt", None, address_of(api))
    other.create("on time", due_date=at(1))
    all_sent(other, 1)
    (sent,) = all_sent(api, 1)
    assert sent["retry_count"] >= 4 and sent["last_error"] is None
    assert len(reminders_to(mail, api)) == len(reminders_to(mail, other)) == 1


def test_words_that_are_not_meant_well(shared, connect_api):
    """RL4, SE11: titles that would be headers, parts, tags and commands, through the API to a server that takes nothing it should not:
    the mail is the title's owner's alone, and the title is what it was."""
    whole, mail = shared
    api = confirmed(whole, mail, connect_api(whole.chat_api), channels=["email"])
    for address in ADDRESSES:
        assert api.request("PUT", api.at("preferences"), {"email": address}).status in (400, 422), address
    hostile, due = titles(1500)[::37], at(2)
    tasks = [api.create(title, due_date=due) for title in hostile]
    all_sent(api, len(tasks))
    letters = reminders_to(mail, api)
    assert len(letters) == len(hostile) and not mail.violations
    assert {r for r, _ in mail.tries} == {m.recipient for m in mail.mails} and not [r for r, _ in mail.tries if not r.startswith("test-")]
    ids = {r["id"]: t for t in tasks for r in t["reminders"]}
    for letter in letters:
        message = letter.message
        assert [p.get_content_type() for p in message.iter_parts()] == ["text/plain", "text/html"] and not message.defects
        assert message.keys().count("To") == message.keys().count("Subject") == 1 and "Bcc" not in message
        assert message["To"].addresses[0].addr_spec == address_of(api)
        assert letter.message_id[1:].split(".")[0] in ids
        assert not re.search(r"<(script|img|iframe|svg)\b", letter.html, re.I)


def test_no_token_in_any_event(shared, connect_api):
    """EV15: what is signed stands in mails alone: no event, no state, no log has it."""
    whole, mail = shared
    api = confirmed(whole, mail, connect_api(whole.chat_api))
    api.create("t", due_date=at(1))
    all_sent(api, 1)
    whole.wait_settled()
    tokens = set(re.findall(r"\?t=([\w.-]+)", "".join(m.data.decode().replace("=\r\n", "").replace("=3D", "=") for m in mail.mails)))
    assert len(tokens) >= 2
    stored = "".join(bytes(body).decode() for (body,) in whole.database.rows("SELECT body FROM sidecar.records"))
    stored += "".join(str(row) for row in whole.database.rows("SELECT key, value FROM sidecar.state"))
    stored += "".join(str(row) for row in whole.database.rows("SELECT data FROM sidecar.jobs"))
    stored += "".join(d.stdout() + d.stderr() for d in (*whole.roles, whole.sidecar))
    for token in (*tokens, *(part for t in tokens for part in t.split(".")[2:])):
        assert token not in stored


def job_of(whole, reminder):
    return whole.database.rows("SELECT due_at FROM sidecar.jobs WHERE name = %s", f"rem-{reminder['id']}")


def test_added_snoozed_and_removed(shared, connect_api):
    """FT9, EV3, RL11: reminders by their own paths: one that is added fires, one that is removed does not, one that was sent and is put off
    fires once more, as another version; each state can be asked for."""
    whole, mail = shared
    api = confirmed(whole, mail, connect_api(whole.chat_api))
    task = api.create("t", due_date=at(3600), reminders=[{"offset_minutes": 5}])
    path = f"{api.path(task)}/reminders"
    added = api.request("POST", path, {"remind_at": at(1)}).json
    removed, = task["reminders"]
    wait_until("its job", lambda: job_of(whole, removed))
    assert api.request("DELETE", f"{path}/{removed['id']}").status == 204
    assert [r["id"] for r in api.get(path).json] == [added["id"]]
    assert [r["id"] for r in all_sent(api, 1)] == [added["id"]]
    wait_until("no job", lambda: not job_of(whole, removed))
    snoozed = api.request("PATCH", f"{path}/{added['id']}", {"remind_at": at(1.5)}).json
    assert (snoozed["status"], snoozed["version"]) == ("pending", 2) and [r["id"] for r in api.reminders("?status=pending")] == [added["id"]]
    all_sent(api, 1)
    whole.wait_settled()
    first, second = reminders_to(mail, api)
    assert [m.message_id.partition("@")[0] for m in (first, second)] == [f"<{added['id']}.1", f"<{added['id']}.2"]
    assert second.at >= instant(snoozed["remind_at"]) and len(whole.outcomes(api.user)) == 2


def test_a_series_that_is_reopened(shared, connect_api):
    """RL6, EV3: with the untouched successor goes its reminder, and its job; one that was edited stays, and reminds; COUNT ends it."""
    whole, mail = shared
    api = confirmed(whole, mail, connect_api(whole.chat_api))
    tomorrow = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT08:00:00Z")
    task = api.create("t", due_date=tomorrow, recurrence_rule="FREQ=DAILY;COUNT=2", reminders=[{"offset_minutes": 10}])

    def successor():
        assert api.complete(task, {"completed": True}).status == 200
        return wait_until("the next", lambda: [t for t in api.list() if t["parent_task_id"] == task["id"]])[0]

    first = successor()
    reminder, = first["reminders"]
    assert instant(first["due_date"]) - instant(reminder["remind_at"]) == 600 and instant(first["due_date"]) - instant(task["due_date"]) == 86400
    wait_until("its job", lambda: job_of(whole, reminder))
    assert api.complete(task, {"completed": False}).status == 200
    wait_until("it is gone", lambda: [t["id"] for t in api.list()] == [task["id"]])
    wait_until("no job", lambda: not job_of(whole, reminder))
    second = successor()
    api.update(second, title="mine")
    assert api.complete(task, {"completed": False}).status == 200
    whole.wait_settled()
    assert {t["id"] for t in api.list()} == {task["id"], second["id"]} and job_of(whole, second["reminders"][0])
    assert api.complete(second, {"completed": True}).json["next_occurrence"] is None
    whole.wait_settled()
    assert len(api.list()) == 2
