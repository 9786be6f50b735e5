# SPDX-License-Identifier: Apache-2.0
"""notifier when something dies, is there twice, has a wrong clock, or asks for TLS; see docs/reminders.md."""
import base64
import contextlib
import datetime
import http.client
import ipaddress
import json
import os
import signal
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import process
from fake_sidecar import FakeSidecar
from mail_host import MailHost, server_context
from notifier_host import LINK_KEY, Notifier, Stack, preferences, reminder
from process import fake_clock, wait_until
from test_notifier import (address_of, at, dead_letters, fired, instant, jobs, notifications, prefer, schedule, state_of, told, triggers,
                           wait_consumed, wait_outcomes)

RELEASE = os.path.join(process.ROOT, "build", "release", "todod")


@pytest.fixture
def make_notifiers(make_database, tmp_path_factory):
    """A function: a stack of the test's own, with a mail server of its own."""
    made = []

    def make(name, host=None, start=True, **config):
        host = host or MailHost()
        stack = Stack(tmp_path_factory.mktemp(name), make_database(f"notifier_{name}"), host, **config)
        made.append((stack, host))
        if start:
            stack.start()
        return stack, host

    yield make
    for stack, host in made:
        stack.stop()
        host.stop()


def sweep(stack, said, user):
    """What recurrer publishes when nobody told what became of a reminder: another event each time."""
    event = reminder(user, "trigger", **{**said, "late_by": 1})
    stack.publish("reminders", event)
    return event


# ---- two of them ----

def test_two_notifiers_send_one(make_notifiers, new_user):
    """AR10: triggers of the job, of the sweep and of both again, at two processes at once: one mail each."""
    stack, mail = make_notifiers("two", notifiers=2)
    users = [new_user() for _ in range(12)]
    for user in users:
        prefer(stack, user, channels=("email", "in_app", "log"))
    said = {user: schedule(stack, user, 1) for user in users}
    swept = [sweep(stack, said[user], user) for user in users for _ in range(3)]
    for event in swept:
        wait_consumed(stack, event, result="done")
    for user in users:
        mail.wait(address_of(user))
        wait_outcomes(stack, user)
        assert told(stack, user) == [("sent", 1, False)]
        assert len(mail.to(address_of(user))) == len(notifications(stack, user)) == 1
        assert len([e for e in fired(stack, user) if not e["repeated"]]) == 1
    assert all(n.log("event.consumed") for n in stack.notifiers), "both of them worked"


def test_a_trigger_at_both_at_once(make_notifiers, new_user):
    """AR10: the same event posted to two processes at the same moment; without a mail too."""
    stack, mail = make_notifiers("both", notifiers=2)
    for channels in (["email"], ["in_app", "log"]):
        for _ in range(8):
            user = new_user()
            prefer(stack, user)
            event = reminder(user, "trigger", channels=channels, remind_at=at(0))
            stack.post_at_once("/events/reminders", event)
            wait_until("told", lambda u=user: stack.outcomes(u))
            assert len(stack.outcomes(user)) == 1
            assert len(mail.to(address_of(user))) == (channels == ["email"])
            assert len(notifications(stack, user)) == (channels != ["email"])


# ---- kills ----

def test_killed_before_its_time(make_notifiers, new_user):
    """DP11: the job is the sidecar's: it fires once, also when notifier is away at its time."""
    stack, mail = make_notifiers("killed_before")
    user = new_user()
    address = prefer(stack, user)
    said = schedule(stack, user, 3)
    wait_until("the job", lambda: jobs(stack, said))
    stack.notifier.kill()
    wait_until("its time is over", lambda: time.time() > instant(said["remind_at"]) + 0.5)
    stack.start(0)
    letter, = mail.wait(address)
    assert letter.at >= instant(said["remind_at"])
    wait_outcomes(stack, user)
    assert told(stack, user) == [("sent", 1, False)]


def test_killed_between_250_and_the_state(make_notifiers, new_user):
    """AR10, RL16: the one case in which a mail goes out twice: the same mail, by its id, and never a third time."""
    stack, mail = make_notifiers("killed_after", notifier__lease="3s", smtp__timeout="2s")
    user = new_user()
    address = prefer(stack, user)

    def take_and_kill(_):
        if stack.notifier.is_alive() and stack.notifier.starts == 1:
            stack.notifier.kill()

    mail.on("end", take_and_kill, address)
    said = schedule(stack, user, 1)
    mail.wait(address)
    wait_until("it is dead", lambda: not stack.notifier.is_alive())
    assert not stack.outcomes(user)
    stack.start(0)
    trigger, = wait_until("the trigger", lambda: triggers(stack, user))
    wait_consumed(stack, trigger)
    assert not stack.outcomes(user), "somebody else's lease is not over"
    wait_until("the sweep finds the lease over", lambda: (sweep(stack, said, user), stack.outcomes(user))[1], every=1)
    for event in (sweep(stack, said, user), sweep(stack, said, user)):
        wait_consumed(stack, event, result="done")
    letters = mail.to(address)
    assert len(letters) == 2 and len({m.message_id for m in letters}) == 1
    assert told(stack, user) == [("sent", 1, False)]


def test_killed_while_it_waits_for_the_server(make_notifiers, new_user):
    """RL16: nothing went out yet; when the lease is over, it does, once."""
    stack, mail = make_notifiers("killed_during", notifier__lease="3s", smtp__timeout="2s")
    user = new_user()
    address = prefer(stack, user, channels=("email", "in_app"))
    mail.on("rcpt", 20, address)
    said = schedule(stack, user, 0)
    wait_until("it waits", lambda: mail.tries_of(address))
    stack.notifier.kill()
    mail.on("rcpt", None, address)
    stack.start(0)
    wait_until("the sweep finds the lease over", lambda: (sweep(stack, said, user), mail.to(address))[1], every=1)
    wait_outcomes(stack, user)
    assert len(mail.to(address)) == 1 and told(stack, user)[-1] == ("sent", 1, False)
    assert len(notifications(stack, user)) == 1, "told twice by one id"


def test_killed_again_and_again(make_notifiers, new_user):
    """AR10, FL3: kills at any moment: nothing is lost, and what is doubled is the same mail."""
    stack, mail = make_notifiers("killed_often", notifier__lease="2s", smtp__timeout="1s")
    users = [new_user() for _ in range(20)]
    for user in users:
        prefer(stack, user)
    said = {user: schedule(stack, user, 0.2 * i) for i, user in enumerate(users)}
    for _ in range(8):
        time.sleep(0.5)
        stack.notifier.kill()
        stack.start(0)

    def all_told():
        left = [u for u in users if not stack.outcomes(u)]
        for user in left:
            sweep(stack, said[user], user)
        return not left

    wait_until("all of them are told", all_told, every=1)
    for user in users:
        letters = mail.to(address_of(user))
        assert 1 <= len(letters) and len({m.message_id for m in letters}) == 1
        assert all(m.at >= instant(said[user]["remind_at"]) for m in letters)
        assert {o[0] for o in told(stack, user)} == {"sent"}


def test_a_stop_lets_mails_finish(make_notifiers, new_user):
    """DE11: SIGTERM while a mail waits for its server, though its delivery is acknowledged: it goes out and is told."""
    stack, mail = make_notifiers("stopped", notifier__patience="50ms")
    user = new_user()
    address = prefer(stack, user)
    mail.on("rcpt", 2, address)
    schedule(stack, user, 0)
    trigger, = wait_until("the trigger", lambda: triggers(stack, user))
    wait_consumed(stack, trigger, result="done")
    assert not mail.to(address)
    stack.notifier.signal(signal.SIGTERM)
    assert stack.notifier.wait_exit() == 0
    stack.notifier.process = None
    assert len(mail.to(address)) == 1 and told(stack, user) == [("sent", 1, False)]


def test_the_last_failure_of_a_mail_nobody_waits_for(make_notifiers, new_user):
    """RL16: it becomes a dead letter all the same."""
    stack, mail = make_notifiers("alone", notifier__patience="50ms", notifier__retry_delays="")
    user = new_user()
    address = prefer(stack, user)
    mail.on("rcpt", lambda n: (time.sleep(1), "550 no")[1] if n == 1 else None, address)
    schedule(stack, user, 0)
    letter, = wait_until("the dead letter", lambda: dead_letters(stack, user))
    trigger, = triggers(stack, user)
    assert letter == {**trigger, **{k: letter[k] for k in ("topic", "pubsubname") if k in letter}}
    assert told(stack, user) == [("failed", 1, False)]
    stack.publish("reminders", letter)
    mail.wait(address)


# ---- clocks ----

@pytest.mark.parametrize("offset", ["+1h", "-1h"])
def test_a_clock_that_is_wrong(make_notifiers, new_user, offset):
    """DP10: the scheduler's clock and the store's decide, notifier's does not: on time, and the next try after its pause, whatever is
    delivered again meanwhile."""
    stack, mail = make_notifiers(f"clock_{'ahead' if offset[0] == '+' else 'behind'}", start=False, notifier__retry_delays="3s,3s",
                                 notifier__lease="3s", smtp__timeout="2s")
    stack.notifier.binary = RELEASE
    stack.notifier.env = fake_clock(FAKETIME=offset)
    stack.start()
    user = new_user()
    address = prefer(stack, user)
    mail.on("rcpt", lambda n: "451 later" if n == 1 else None, address)
    said = schedule(stack, user, 2)
    wait_outcomes(stack, user)
    swept, (trigger,) = sweep(stack, said, user), triggers(stack, user)[:1]
    stack.publish("reminders", trigger)
    wait_consumed(stack, swept, result="done")
    wait_consumed(stack, trigger, 2, result="done")
    letter, = mail.wait(address)
    first, second = mail.tries_of(address)
    assert first >= instant(said["remind_at"])
    assert 3 <= second - first < 60 and letter.at >= second
    wait_outcomes(stack, user, 2)
    assert told(stack, user) == [("failed", 1, True), ("sent", 2, False)]


def test_after_one_five_and_fifteen_minutes(make_notifiers, new_user):
    """RL16, FL4: without a word in the configuration: the job of each next try, and the mark that forbids it until then, are 1, 5 and 15
    minutes away; the fourth failure is the last, and a dead letter; its replay sends. What each job would publish is published now."""
    stack, mail = make_notifiers("pauses")
    user = new_user()
    address = prefer(stack, user)
    mail.on("rcpt", "451 later", address)
    said = schedule(stack, user, 0)
    for attempt, minutes in enumerate((1, 5, 15), 1):
        failed = wait_outcomes(stack, user, attempt)[-1]
        assert round(instant(failed["data"]["payload"]["retry_at"]) - instant(failed["time"]), 3) == minutes * 60
        due, data = wait_until("its job", lambda: stack.database.rows(
            "SELECT extract(epoch FROM due_at - now()) / 60, data FROM sidecar.jobs WHERE name = %s",
            f"rem-{said['reminder_id']}-1-{attempt + 1}"))[0]
        assert minutes - 0.5 < due <= minutes
        mark = wait_until("the mark", lambda a=attempt: stack.database.value(
            "SELECT extract(epoch FROM expires_at - now()) / 60 FROM sidecar.state WHERE key LIKE %s", f"%/pause/1.{a}"))
        assert minutes - 0.5 < mark <= minutes
        stack.publish("reminders", json.loads(json.loads(data)["event"]))
    letter, = wait_until("the dead letter", lambda: dead_letters(stack, user))
    assert told(stack, user) == [("failed", n, n < 4) for n in (1, 2, 3, 4)] and not mail.to(address)
    mail.on("rcpt", None, address)
    stack.publish("reminders", letter)
    mail.wait(address)
    wait_until("it is told", lambda: told(stack, user)[-1] == ("sent", 5, False))


# ---- TLS and login ----

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(file of a certificate for 127.0.0.1, file of its key)"""
    directory = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink")])
    now = datetime.datetime.utcnow()
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256()))
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return tuple(map(str, paths))


# AUTH PLAIN: user and the password in the secret smtp/password.
LOGIN = base64.b64encode(b"\0todod\0canary-smtp-password")


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_tls_and_login(make_notifiers, certificate, new_user, scheme):
    """RL16: STARTTLS and TLS from the start, with a login whose password comes from the secret store."""
    host = MailHost(server_context(*certificate), tls=scheme == "smtps", login=LOGIN)
    stack, mail = make_notifiers(f"tls_{scheme}", host, smtp__url=f"{scheme}://127.0.0.1:{host.port}", smtp__tls="true",
                                 smtp__ca_file=certificate[0], smtp__user="todod")
    user = new_user()
    address = prefer(stack, user)
    schedule(stack, user, 0)
    mail.wait(address)
    wait_outcomes(stack, user)
    assert told(stack, user) == [("sent", 1, False)]
    assert "canary-smtp-password" not in stack.notifier.stdout()


@pytest.mark.parametrize("name", ["a certificate nobody vouches for", "no STARTTLS", "a login that is refused"])
def test_no_mail_without_what_was_asked_for(make_notifiers, certificate, new_user, name):
    """RL16, SE9: put off, and told why; nothing of the mail went over the wire."""
    context = None if name == "no STARTTLS" else server_context(*certificate)
    host = MailHost(context, login=b"another" if name == "a login that is refused" else None)
    stack, mail = make_notifiers(f"no_tls_{len(name)}", host, smtp__url=f"smtp://127.0.0.1:{host.port}", smtp__tls="true",
                                 smtp__ca_file="" if name == "a certificate nobody vouches for" else certificate[0],
                                 smtp__user="todod" if name == "a login that is refused" else "", notifier__retry_delays="1h")
    user = new_user()
    address = prefer(stack, user)
    schedule(stack, user, 0)
    wait_outcomes(stack, user)
    assert told(stack, user) == [("failed", 1, True)] and not mail.tries_of(address)


def test_settings_that_make_no_sense(make_database, tmp_path_factory):
    """Each is told, with the key, and nothing starts: exit code 78."""
    stack = Stack(tmp_path_factory.mktemp("settings"), make_database("notifier_settings"), None)
    for key, value in (("smtp.url", "mail.example.org"), ("smtp.url", "smtp://user:pw@127.0.0.1"), ("smtp.from", "nobody"),
                       ("smtp.from", f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}"),
                       ("notifier.retry_delays", "soon"), ("notifier.retry_delays", "1s," * 9 + "1s"), ("notifier.public_url", "ftp://x.example"),
                       ("notifier.public_url", "http://x.example/?a=b"), ("smtp.timeout", "61s")):
        config = {**stack.notifier.config, "smtp.url": "smtp://127.0.0.1:25", key: value}
        path = os.path.join(stack.directory, "bad.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{k} = {v}\n" for k, v in config.items())
        done = process.run("--role=notifier", f"--config={path}")
        assert done.returncode == 78 and key in done.stderr, (key, value, done)
    remote = {**stack.notifier.config, "smtp.url": "smtp://192.0.2.1:25", "smtp.tls": "false"}
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f"{k} = {v}\n" for k, v in remote.items())
    done = process.run("--role=notifier", f"--config={path}")
    assert done.returncode == 78 and "smtp.tls" in done.stderr, done
    stack.stop()


# ---- size ----

def test_thousands_of_jobs(make_notifiers, new_user):
    """FL4: what is scheduled costs notifier no memory: the jobs are the sidecar's."""
    stack, _ = make_notifiers("many", start=False)
    stack.notifier.binary = RELEASE
    stack.start()
    users = [new_user() for _ in range(20)]
    total = 1500

    def publish(first, last):
        entries = []
        for i in range(first, last):
            event = reminder(users[i % len(users)], remind_at=at(86400 + i))
            entries.append({"entryId": str(i), "event": event, "contentType": "application/cloudevents+json",
                            "metadata": {"partitionKey": event["data"]["user_id"]}})
        answer = stack.sidecar.api("chat-api").call("POST", "publish/bulk/kafka-pubsub/reminders", entries)
        assert answer.status == 204, answer

    def n_jobs():
        return stack.database.value("SELECT count(*) FROM sidecar.jobs WHERE name LIKE 'rem-%%'")

    def memory_kib():
        with open(f"/proc/{stack.notifier.process.pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("RssAnon")).split()[1])

    publish(0, 500)
    wait_until("the first jobs", lambda: n_jobs() == 500, seconds=120)
    before = memory_kib()
    for first in range(500, total, 500):
        publish(first, first + 500)
    wait_until("all jobs", lambda: n_jobs() == total, seconds=600)
    grown = memory_kib() - before
    print(f"memory: {before} KiB with 500 jobs, {grown} KiB more with {total}")
    # 200 bytes for each job would already be 195 KiB.
    assert grown < 195, grown


# ---- without anything else ----

def test_events_alone(make_notifiers, new_user):
    """RL5, RL15: chat-api never ran here, and no task is in any table."""
    stack, mail = make_notifiers("events_alone")
    user = new_user()
    stack.publish("task-events", preferences(user))
    wait_until("the contact", lambda: stack.state(user, "contact"))
    said = schedule(stack, user, 0)
    mail.wait(address_of(user))
    wait_outcomes(stack, user)
    assert state_of(stack, user, said)["stage"] == "sent"
    assert stack.database.value("SELECT count(*) FROM todod.tasks") == 0


def post(daemon, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.wait_port("dapr"), timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/cloudevents+json"})
        return connection.getresponse().status


def test_no_database_anywhere(new_user, tmp_path):
    """RL5: beside a sidecar that has no PostgreSQL, and with nobody at the URL that other roles have theirs from: from preferences and
    reminder to job, mail and outcome, and the reminder that comes once more is not sent again."""
    sidecar, mail, user = FakeSidecar(), MailHost(), new_user()
    sidecar.secrets["email"] = {"link-key": LINK_KEY}
    notifier = Notifier(str(tmp_path), {"dapr.url": sidecar.url, "smtp.url": f"smtp://127.0.0.1:{mail.port}", "smtp.tls": "false",
                                        "smtp.from": "todod@sink.example.org", "database.url": "postgresql://127.0.0.1:1/nowhere"}).start()
    assert post(notifier, "/events/task-events", preferences(user)) == 200
    event = reminder(user, remind_at=at(0))
    assert post(notifier, "/events/reminders", event) == 200
    (name, job), = sidecar.jobs.items()
    assert name == f"rem-{event['data']['payload']['reminder_id']}" and instant(job["dueTime"]) == instant(event["data"]["payload"]["remind_at"])
    for _ in range(2):
        assert post(notifier, f"/job/{name}", job["data"]) == 200
    trigger, = sidecar.events(user, "reminders")
    for _ in range(2):
        assert post(notifier, "/events/reminders", trigger) == 200
    assert len(mail.wait(address_of(user))) == 1
    assert [e["type"] for e in sidecar.events(user, "reminders")] == ["reminder.trigger", "reminder.sent"]
    notifier.stop()
    assert len(mail.to(address_of(user))) == 1 and not mail.violations
    described = json.loads(process.run("--role=notifier", "--describe").stdout)
    assert described["needs"] == ["dapr", "smtp"] and described["database_roles"] == []
    sidecar.stop()
    mail.stop()
