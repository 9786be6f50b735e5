# SPDX-License-Identifier: Apache-2.0
"""notifier: reminders from their events alone, on the embedded sidecar, with a strict mail server; see docs/reminders.md."""
import datetime
import itertools
import json
import re
import time
import uuid

import pytest

import process
from api_client import metrics
from mail_host import MailHost
from notifier_host import Stack, make_event, preferences, reminder
from process import wait_until

PAUSES = (1, 2, 3)  # between tries, in this file


def at(seconds):
    """So many seconds from now, as events have it."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.fixture(scope="module")
def mail():
    host = MailHost()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def stack(make_database, tmp_path_factory, mail):
    made = Stack(tmp_path_factory.mktemp("notifier"), make_database("notifier"), mail,
                 notifier__retry_delays=",".join(f"{p}s" for p in PAUSES), notifier__lease="4s", smtp__timeout="3s").start()
    yield made
    made.stop()


@pytest.fixture
def make_notifiers(make_database, tmp_path_factory):
    """A function: a stack of the test's own, with a mail server of its own."""
    made = []

    def make(name, **config):
        host = MailHost()
        stack = Stack(tmp_path_factory.mktemp(name), make_database(f"notifier_{name}"), host, **config).start()
        made.append((stack, host))
        return stack, host

    yield make
    for stack, host in made:
        stack.stop()
        host.stop()


def address_of(user):
    return f"{user.lower()}@example.org"


def prefer(stack, user, **fields):
    stack.publish("task-events", preferences(user, **fields))
    version = fields.get("version", 1)
    wait_until("the contact", lambda: (found := stack.state(user, "contact")) and found["version"] >= version)
    return address_of(user)


def schedule(stack, user, seconds=0.5, **fields):
    event = reminder(user, remind_at=at(seconds), **fields)
    stack.publish("reminders", event)
    return event["data"]["payload"]


def wait_outcomes(stack, user, n=1):
    return wait_until(f"{n} outcomes", lambda: (found := stack.outcomes(user)) and len(found) >= n and found)


def told(stack, user):
    """(type, attempt, whether another try follows) of each outcome."""
    return [(e["type"].partition(".")[2], e["data"]["payload"]["attempt"], bool(e["data"]["payload"].get("retry_at")))
            for e in stack.outcomes(user)]


def notifications(stack, user):
    return stack.published("task-updates", user, "notification")


def fired(stack, user):
    return [e for n in stack.notifiers for e in n.log("reminder.fired") if e["user_id"] == user]


def triggers(stack, user):
    return stack.published("reminders", user, "reminder.trigger")


def state_of(stack, user, said):
    return stack.state(user, f"rem/{said['reminder_id']}")


def wait_consumed(stack, event, n=1, result=None):
    return wait_until(f"{event['type']} is consumed", lambda: (found := [
        e for d in stack.notifiers for e in d.log("event.consumed")
        if e["event_id"] == event["id"] and result in (None, e["result"])]) and len(found) >= n and found)


def dead_letters(stack, user, topic="reminders"):
    return stack.published(f"dlq.{topic}", user)


def jobs(stack, said):
    return stack.database.rows("SELECT due_at FROM sidecar.jobs WHERE name = %s", f"rem-{said['reminder_id']}")


# ---- on time, once ----

def test_one_reminder_by_mail(stack, mail, new_user):
    """DP10, PF5, EV17: a job for the exact time, a trigger, one mail, never before that time, and what became of it."""
    user = new_user()
    address = prefer(stack, user)
    said = schedule(stack, user, 2, title="Käse & Wein", due_date="2026-07-04")
    job = wait_until("the job", lambda: jobs(stack, said))
    assert job[0][0].timestamp() == instant(said["remind_at"])
    letter, = mail.wait(address)
    assert letter.at >= instant(said["remind_at"])
    assert letter.subject == "Reminder: Käse & Wein"
    assert letter.message_id == f"<{said['reminder_id']}.1@sink.example.org>"
    sent, = wait_outcomes(stack, user)
    trigger, = triggers(stack, user)
    assert sent["type"] == "reminder.sent" and sent["data"]["payload"]["via"] == ["email"]
    assert sent["data"]["causation_id"] == trigger["id"] and trigger["data"]["payload"]["attempt"] == 1
    assert state_of(stack, user, said)["stage"] == "sent"
    assert not notifications(stack, user) and not fired(stack, user)


def test_each_channel_once(stack, mail, new_user):
    """RL4: mail in the sink, a notification for screens, a line in the log."""
    user = new_user()
    address = prefer(stack, user, channels=("log",))
    said = schedule(stack, user, channels=["email", "in_app", "log"], title="three ways")
    mail.wait(address)
    sent, = wait_outcomes(stack, user)
    assert sent["data"]["payload"]["via"] == ["email", "in_app", "log"]
    notification, = notifications(stack, user)
    assert notification["data"]["payload"] == {
        "kind": "reminder", "reminder_id": said["reminder_id"], "task_id": "1", "title": "three ways", "remind_at": said["remind_at"],
        "due_date": None, "time_zone": None, "version": 1, "late_by": None}
    assert [e["reminder_id"] for e in fired(stack, user)] == [said["reminder_id"]]


def test_the_users_channels(stack, mail, new_user):
    """RL4: a reminder without channels of its own goes by the user's."""
    user = new_user()
    address = prefer(stack, user, channels=("in_app",))
    schedule(stack, user)
    sent, = wait_outcomes(stack, user)
    assert sent["data"]["payload"]["via"] == ["in_app"] and len(notifications(stack, user)) == 1
    assert not mail.to(address) and not fired(stack, user)


@pytest.mark.parametrize("channels", [None, ["email"], ["email", "log"]])
def test_without_a_contact(stack, new_user, channels):
    """RL5: what nobody told of does not hold a reminder up: it is in_app and log."""
    user = new_user()
    schedule(stack, user, channels=channels)
    sent, = wait_outcomes(stack, user)
    assert sent["data"]["payload"]["via"] == (["log"] if channels == ["email", "log"] else ["in_app", "log"])
    assert len(fired(stack, user)) == 1


def test_everything_twice(stack, mail, new_user):
    """AR10: each event delivered twice, in any mixture: one mail, one notification, one line, one outcome."""
    user = new_user()
    both = preferences(user, channels=("email", "in_app", "log"))
    for _ in range(2):
        stack.publish("task-events", both)
    wait_until("the contact", lambda: stack.state(user, "contact"))
    event = reminder(user, remind_at=at(1))
    for _ in range(2):
        stack.publish("reminders", event)
    mail.wait(address_of(user))
    wait_outcomes(stack, user)
    trigger, = triggers(stack, user)
    swept = reminder(user, "trigger", **{**event["data"]["payload"], "late_by": 3})
    for again in (trigger, event, swept, swept, trigger):
        stack.publish("reminders", again)
    for again, n in ((trigger, 3), (event, 3), (swept, 2)):
        wait_consumed(stack, again, n, "done")
    assert len(mail.to(address_of(user))) == 1
    assert told(stack, user) == [("sent", 1, False)]
    assert len(notifications(stack, user)) == 1
    assert [e["repeated"] for e in fired(stack, user)].count(False) == 1


def test_a_trigger_again_without_a_mail(stack, new_user):
    """AR10: told again is told by the same events; a line that is repeated says so."""
    user = new_user()
    schedule(stack, user)
    wait_outcomes(stack, user)
    trigger, = triggers(stack, user)
    for _ in range(2):
        stack.publish("reminders", trigger)
    wait_consumed(stack, trigger, 3, "done")
    assert len(stack.outcomes(user)) == len(notifications(stack, user)) == 1
    assert [e["repeated"] for e in fired(stack, user)] == [False, True, True]


def test_late_ones_say_so(stack, mail, new_user):
    """PF5: what is past is sent at once, and how late it is, is said."""
    user = new_user()
    address = prefer(stack, user, channels=("email", "in_app"))
    schedule(stack, user, -3900)
    letter, = mail.wait(address)
    assert "It comes 1 hour 5 minutes late" in letter.text and "1 hour 5 minutes late" in letter.html
    assert 3900 <= notifications(stack, user)[0]["data"]["payload"]["late_by"] < 4000
    other = new_user()
    stack.publish("reminders", reminder(other, "trigger", late_by=12, remind_at=at(-12)))
    wait_outcomes(stack, other)
    assert notifications(stack, other)[0]["data"]["payload"]["late_by"] == 12


def test_ids_follow_the_reminder(stack, mail, new_user):
    """OB3: the id of the request that set the reminder is in each event, in the log and in the mail's header."""
    user = new_user()
    address = prefer(stack, user)
    event = reminder(user, remind_at=at(0.5))
    event["data"]["correlation_id"] = "the-request-" + user
    stack.publish("reminders", event)
    letter, = mail.wait(address)
    assert letter.message["X-Correlation-ID"] == "the-request-" + user
    wait_outcomes(stack, user)
    for e in [*triggers(stack, user), *stack.outcomes(user)]:
        assert e["data"]["correlation_id"] == "the-request-" + user and e["traceparent"][3:35] == event["traceparent"][3:35]
    assert [e for e in stack.notifier.log("mail.sent") if e.get("correlation_id") == "the-request-" + user]


# ---- versions ----

def test_snooze(stack, mail, new_user):
    """EV3: a later version takes the job over; the earlier one, delivered again, brings the old time not back."""
    user = new_user()
    address = prefer(stack, user)
    first = reminder(user, remind_at=at(3600))
    stack.publish("reminders", first)
    said = first["data"]["payload"]
    wait_until("the job", lambda: jobs(stack, said))
    second = reminder(user, reminder_id=said["reminder_id"], version=2, remind_at=at(2), title="snoozed")
    stack.publish("reminders", second)
    stack.publish("reminders", first)
    wait_consumed(stack, first, 2)
    assert jobs(stack, said)[0][0].timestamp() == instant(second["data"]["payload"]["remind_at"])
    letter, = mail.wait(address)
    assert letter.subject == "Reminder: snoozed" and letter.message_id.startswith(f"<{said['reminder_id']}.2@")
    old = reminder(user, "trigger", **said)
    stack.publish("reminders", old)
    wait_consumed(stack, old)
    assert told(stack, user) == [("sent", 1, False)]
    assert [e["known"] for e in stack.notifier.log("reminder.passed_over") if e["reminder_id"] == said["reminder_id"]] == [2]


def test_a_cancel_published_first_wins(stack, new_user):
    """EV3: no effect, though the job had fired already; nor by what comes late."""
    user = new_user()
    event = reminder(user, remind_at=at(3600))
    stack.publish("reminders", event)
    said = event["data"]["payload"]
    wait_until("the job", lambda: jobs(stack, said))
    cancel = reminder(user, "cancelled", **{**said, "version": 2})
    trigger = reminder(user, "trigger", **said)
    for one in (cancel, trigger, event, cancel):
        stack.publish("reminders", one)
    wait_consumed(stack, cancel, 2)
    assert not jobs(stack, said) and state_of(stack, user, said)["stage"] == "cancelled"
    assert not stack.outcomes(user) and not fired(stack, user)


def test_cancelled_and_set_again(stack, new_user):
    """EV3: what is reopened fires at its new version."""
    user = new_user()
    said = schedule(stack, user, 3600)
    stack.publish("reminders", reminder(user, "cancelled", **{**said, "version": 2}))
    stack.publish("reminders", reminder(user, **{**said, "version": 3, "remind_at": at(1)}))
    sent, = wait_outcomes(stack, user)
    assert sent["data"]["sequence"] == 3


def test_older_preferences_change_nothing(stack, new_user):
    """EV6: of two events of one user the greater version counts, in whatever order they come."""
    user = new_user()
    stack.publish("task-events", preferences(user, version=5, channels=("log",)))
    old = preferences(user, version=4, channels=("in_app",))
    stack.publish("task-events", old)
    wait_consumed(stack, old)
    assert stack.state(user, "contact")["channels"] == ["log"] and stack.state(user, "contact")["version"] == 5


# ---- mail servers ----

def test_put_off_three_times_then_given_up(stack, mail, new_user):
    """RL16, FL4: 451 each time: tries after each pause, each told of; then failed, and a dead letter; others are not held up."""
    user = new_user()
    address = prefer(stack, user)
    mail.on("rcpt", "451 later", address)
    schedule(stack, user)
    wait_until("the last try", lambda: len(told(stack, user)) == 4)
    assert told(stack, user) == [("failed", 1, True), ("failed", 2, True), ("failed", 3, True), ("failed", 4, False)]
    tries = mail.tries_of(address)
    assert len(tries) == 4 and all(b - a >= p for a, b, p in zip(tries, tries[1:], PAUSES))
    assert "451" in stack.outcomes(user)[-1]["data"]["payload"]["error"]
    letter, = wait_until("the dead letter", lambda: dead_letters(stack, user))
    assert letter["id"] == triggers(stack, user)[-1]["id"]


def test_put_off_and_taken(stack, mail, new_user):
    """RL16: the second try succeeds; the other channels were used at the first, and only then."""
    user = new_user()
    address = prefer(stack, user, channels=("email", "in_app", "log"))
    mail.on("rcpt", lambda n: "450 greylisted" if n == 1 else None, address)
    schedule(stack, user)
    letter, = mail.wait(address)
    assert told(stack, user)[0] == ("failed", 1, True)
    wait_outcomes(stack, user, 2)
    assert told(stack, user) == [("failed", 1, True), ("sent", 2, False)]
    assert len(notifications(stack, user)) == len(fired(stack, user)) == 1
    failed, (first, second) = stack.outcomes(user)[0], mail.tries_of(address)
    assert round(instant(failed["data"]["payload"]["retry_at"]) - instant(failed["time"]), 6) == PAUSES[0]
    assert letter.at >= second >= first + PAUSES[0] and not dead_letters(stack, user)


TEMPORARY = {"garbage": ("rcpt", b"\xff\xfe what?\r\n"), "hangs up before the data": ("data", ""), "hangs up in the data": ("end", ""),
             "452 to the mail": ("end", "452 full"), "421": ("rcpt", "421 going away"), "a reply without end": ("rcpt", b"250-" + b"x" * 40000)}


@pytest.mark.parametrize("name", TEMPORARY)
def test_failures_that_may_pass(stack, mail, new_user, name):
    """RL16: told as such, and tried again; once the server is well, the mail goes out."""
    step, answer = TEMPORARY[name]
    user = new_user()
    address = prefer(stack, user)
    mail.on(step, lambda n: answer if n == 1 else None, address)
    schedule(stack, user)
    wait_until("it is sent", lambda: ("sent", 2, False) in told(stack, user))
    assert told(stack, user) == [("failed", 1, True), ("sent", 2, False)]
    letters = mail.to(address)
    # The server had it when it hung up, and cannot be asked: the same mail, by its id.
    assert len(letters) == (2 if name == "hangs up in the data" else 1) and len({m.message_id for m in letters}) == 1


@pytest.mark.parametrize("step, reply", [("mail", "550 not from you"), ("rcpt", "550 no such user"), ("data", "554 no"), ("end", "552 spam")])
def test_refused_for_good_and_replayed(stack, mail, new_user, step, reply):
    """RL16, EV12: a permanent failure is one try and a dead letter; that letter, replayed, sends."""
    user = new_user()
    address = prefer(stack, user)
    mail.on(step, reply, None if step == "mail" else address)
    try:
        schedule(stack, user)
        letter, = wait_until("the dead letter", lambda: dead_letters(stack, user))
    finally:
        mail.on(step, None, None if step == "mail" else address)
    assert told(stack, user) == [("failed", 1, False)] and not mail.to(address)
    other = reminder(user, "trigger", **letter["data"]["payload"])
    stack.publish("reminders", other)
    wait_consumed(stack, other, result="done")
    assert not mail.to(address), "a second trigger is no replay"
    stack.publish("reminders", letter)
    mail.wait(address)
    wait_outcomes(stack, user, 2)
    assert told(stack, user) == [("failed", 1, False), ("sent", 2, False)]


def part_of(stack, user):
    return stack.database.rows("SELECT DISTINCT part FROM sidecar.records WHERE topic = 'reminders' AND key = %s", user)[0][0]


def test_a_slow_server_holds_nobody_up(stack, mail, new_user):
    """RL16: a server that says nothing for longer than a mail may take; whoever shares the partition is on time meanwhile."""
    slow = [new_user() for _ in range(3)]
    for user in slow:
        mail.on("rcpt", 30, prefer(stack, user))
    others = [new_user() for _ in range(60)]
    for user in (*slow, *others):
        stack.publish("reminders", reminder(user, "cancelled", version=9))
    same = [u for u in others if part_of(stack, u) in {part_of(stack, s) for s in slow}]
    assert same
    for user in slow:
        schedule(stack, user, 0)
    wait_until("they hang", lambda: all(mail.tries_of(address_of(u)) for u in slow))
    for user in same:
        schedule(stack, user, 0)
    for user in same:
        wait_outcomes(stack, user)
    assert not any(stack.outcomes(u) for u in slow), "the others were told before the slow ones came to their end"
    for user in slow:
        mail.on("rcpt", None, address_of(user))
    for user in slow:
        mail.wait(address_of(user))
        wait_until("sent at the second try", lambda u=user: told(stack, u) == [("failed", 1, True), ("sent", 2, False)])
        assert "no answer in time" in stack.outcomes(user)[0]["data"]["payload"]["error"]


def test_the_server_is_down_and_comes_back(make_notifiers, new_user):
    """RL16: what is due meanwhile is sent when it is back; each other channel is on time."""
    stack, mail = make_notifiers("down", notifier__retry_delays="1s,1s,1s,1s,1s,1s,1s,1s")
    users = [new_user() for _ in range(4)]
    for user in users:
        prefer(stack, user, channels=("email", "in_app"))
    mail.stop()
    for user in users:
        schedule(stack, user)
    for user in users:
        wait_outcomes(stack, user)
        assert len(notifications(stack, user)) == 1
    mail.start()
    for user in users:
        mail.wait(address_of(user))
        wait_until("sent", lambda u=user: told(stack, u)[-1][0] == "sent")
        assert len(mail.to(address_of(user))) == 1 == len(notifications(stack, user))


# ---- who may get mail, and how much ----

def test_mails_of_a_day(make_notifiers, new_user):
    """At most so many; the others come by the other channels."""
    stack, mail = make_notifiers("limits", notifier__mails_per_day=3)
    user, other = new_user(), new_user()
    address = prefer(stack, user)
    prefer(stack, other)
    for _ in range(5):
        schedule(stack, user, 0)
    schedule(stack, other, 0)
    wait_outcomes(stack, user, 5)
    vias = [tuple(e["data"]["payload"]["via"]) for e in stack.outcomes(user)]
    assert sorted(vias) == [("email",)] * 3 + [("in_app", "log")] * 2
    assert len(mail.to(address)) == 3
    mail.wait(address_of(other))
    described = json.loads(process.run("--role=notifier", "--describe").stdout)
    assert {k["name"]: k["default"] for k in described["configuration"]}["notifier.mails_per_day"] == "200", "unless it is said"


def test_an_unconfirmed_address_gets_one_question(stack, mail, new_user):
    """And no reminder, whatever is changed around it."""
    user = new_user()
    address = f"owner-{uuid.uuid4()}@example.org"
    prefer(stack, user, confirmed=False, email=address)
    question, = mail.wait(address)
    assert question.subject == "Confirm your address" and user not in question.text + question.html
    assert question.message["List-Unsubscribe"] is None
    schedule(stack, user, 0, title="not for you")
    sent, = wait_outcomes(stack, user)
    assert sent["data"]["payload"]["via"] == ["in_app", "log"]
    for version in range(2, 6):
        event = preferences(user, version=version, confirmed=False, time_zone="UTC", email=address)
        stack.publish("task-events", event)
        stack.publish("task-events", event)
        wait_consumed(stack, event, 2)
    assert len(mail.to(address)) == 1


def test_a_storm_of_addresses(stack, mail, new_user):
    """So many questions of one user a day, and three to one address from all users together."""
    user = new_user()
    addresses = [f"victim-{i}-{user.lower()}@example.org" for i in range(12)]
    for version, address in enumerate(addresses, 1):
        stack.publish("task-events", preferences(user, version=version, confirmed=False, email=address))
    wait_until("the last one", lambda: (found := stack.state(user, "contact")) and found["version"] == 12)
    common = f"common-{user.lower()}@example.org"
    users = [new_user() for _ in range(8)]
    events = [preferences(u, confirmed=False, email=common) for u in users]
    for event in events:
        stack.publish("task-events", event)
    for event in events:
        wait_consumed(stack, event, result="done")
    wait_until("the questions", lambda: len(mail.to(common)) == 3 and sum(len(mail.to(a)) for a in addresses) == 5)
    assert [len(mail.to(a)) for a in addresses] == [1] * 5 + [0] * 7
    assert len({m.message_id for m in mail.to(common)}) == 3


def test_a_question_that_cannot_be_asked_yet(stack, mail, new_user):
    """It becomes a dead letter, and is asked when that comes again; that counts once."""
    user = new_user()
    address = address_of(user)
    mail.on("rcpt", "451 later", address)
    event = preferences(user, confirmed=False)
    stack.publish("task-events", event)
    letter, = wait_until("the dead letter", lambda: dead_letters(stack, user, "task-events"))
    assert letter["id"] == event["id"]
    mail.on("rcpt", None, address)
    wait_until("the lease is over", lambda: not stack.database.rows(
        "SELECT 1 FROM sidecar.state WHERE key LIKE %s AND expires_at > now()", f"notifier||u/{user}/confirming/%"))
    for n in (1, 2):
        stack.publish("task-events", letter)
        wait_consumed(stack, event, n, "done")
    assert len(mail.to(address)) == 1
    assert stack.database.rows("SELECT value FROM sidecar.state WHERE key LIKE %s", f"notifier||u/{user}/confirmations/%") == [('{"n":1}',)]


# ---- bad input ----

def bad_payload(**fields):
    return lambda user: reminder(user, "trigger", **fields)


POISON = {
    "no reminder": lambda u: make_event(u, "reminder.trigger", {"title": "x"}),
    "no payload": lambda u: make_event(u, "reminder.scheduled", None),
    "payload is a list": lambda u: make_event(u, "reminder.scheduled", []),
    "id is no UUID": bad_payload(reminder_id="../../contact"),
    "version is a word": bad_payload(version="one"),
    "version 0": bad_payload(version=0),
    "a long title": bad_payload(title="x" * 201),
    "no title": bad_payload(title=""),
    "title is a number": bad_payload(title=5),
    "no time": bad_payload(remind_at="soon"),
    "no zone": bad_payload(remind_at="2026-01-01T00:00:00"),
    "a due date that is none": bad_payload(due_date="2026-02-30"),
    "task is a number": bad_payload(task_id=5),
    "late before its time": bad_payload(late_by=-5),
    "channels is a word": bad_payload(channels="email"),
    "another user's": lambda u: {**reminder(u, "trigger"), "partitionkey": "somebody else"},
}


@pytest.mark.parametrize("name", POISON)
def test_poison(stack, new_user, name):
    """EV12: a dead letter at once; it holds nobody up, and has no effect."""
    user = new_user()
    poison = {**POISON[name](user), "source": "another"}
    stack.publish("reminders", poison)
    wait_consumed(stack, poison, result="invalid")
    assert [e["id"] for e in wait_until("the dead letter", lambda: dead_letters(stack, user))] == [poison["id"]]
    schedule(stack, user, 0)
    wait_outcomes(stack, user)


@pytest.mark.parametrize("fields", [{"email": "a@example.org\r\nRCPT TO:<x@example.org>"}, {"email": "a b@example.org"}, {"email": 5},
                                    {"channels": "email"}, {"email_confirmed": "yes"}])
def test_poisonous_preferences(stack, mail, new_user, fields):
    """EV12"""
    user = new_user()
    poison = {**preferences(user), "source": "another"}
    poison["data"]["payload"] |= fields
    stack.publish("task-events", poison)
    wait_consumed(stack, poison, result="invalid")
    assert stack.state(user, "contact") is None and not [r for r, _ in mail.tries if "x@example" in r]


def test_types_and_keys_nobody_knows(stack, new_user):
    """EV6: types of later versions are done at once, keys of theirs are left alone, channels of theirs left out."""
    user = new_user()
    for kind in ("reminder.snoozed", "reminder.sent", "reminder.failed", "something.else"):
        event = {**reminder(user, kind.partition(".")[2]), "source": "another"}
        event["type"] = event["data"]["event_type"] = kind
        stack.publish("reminders", event)
        wait_consumed(stack, event, result="done")
    for kind in ("task.created", "task.deleted", "task.invented"):
        event = {**make_event(user, kind, {"task": {"id": 1}}), "source": "another"}
        stack.publish("task-events", event)
        wait_consumed(stack, event, result="done")
    later = reminder(user, remind_at=at(0.5), channels=["log", "carrier_pigeon"], priority={"from": "the future"})
    stack.publish("reminders", {**later, "source": "another"})
    sent, = wait_outcomes(stack, user)
    assert sent["data"]["payload"]["via"] == ["log"]


def test_a_job_that_carries_nothing(stack):
    """DP10: it ends, with an error in the log."""
    name = f"rem-{uuid.uuid4()}"
    assert stack.api.call("POST", f"jobs/{name}", {"dueTime": "0s", "data": {"event": 5}, "overwrite": True,
                                                   "failurePolicy": {"constant": {"interval": "1s"}}}).status == 204
    wait_until("the line", lambda: [e for e in stack.notifier.log("job.fired") if e["job"] == name and e["result"] == "invalid"])
    wait_until("the job is gone", lambda: not stack.database.rows("SELECT 1 FROM sidecar.jobs WHERE name = %s", name))


# ---- what it is ----

def test_it_needs_no_database(stack):
    """RL5: none in its needs, none in its configuration, and no session of it at the server."""
    described = json.loads(process.run("--role=notifier", "--describe").stdout)
    assert described["needs"] == ["dapr", "smtp"] and described["ports"] == {"public": 8001, "ops": 8101, "dapr": 8201}
    assert not [k for k in stack.notifier.config if k.startswith("database")]
    assert not stack.database.rows("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '%notifier%'")


def test_state_is_its_users_and_ends(stack):
    """DP6: every key belongs to a user; only contacts stay for ever."""
    rows = stack.database.rows("SELECT key, expires_at IS NULL FROM sidecar.state WHERE key LIKE 'notifier||%'")
    assert len(rows) > 10
    for key, is_for_ever in rows:
        assert re.fullmatch(r"notifier\|\|u/[A-Za-z0-9._~%-]+/[a-z].*", key), key
        assert is_for_ever == key.endswith("/contact"), key


def test_users_of_any_name(stack, new_user):
    """DP6: a user may be called as a path is."""
    for user in (f"{new_user()}/../contact", f"{new_user()} 100%", f"{new_user()}||ü漢"):
        said = schedule(stack, user, 0)
        wait_outcomes(stack, user)
        keys = [k for k, in stack.database.rows("SELECT key FROM sidecar.state WHERE key LIKE %s", f"%{said['reminder_id']}%")]
        assert len(keys) == 1 and keys[0].count("/") == 3, keys


def test_secrets_and_addresses_stay_out_of_the_log(stack):
    """SE6: nor do titles."""
    lines = stack.notifier.stdout() + stack.notifier.stderr()
    for canary in ("canary-smtp-password", "5a5a5a5a", "@example.org", "Käse & Wein", "not for you", "RCPT TO"):
        assert canary not in lines


def test_metrics(stack):
    """OB4, OB7: what was sent, put off, refused, and how late."""
    seen = metrics(stack.notifier)
    assert seen['todod_reminders_total{result="sent"}'] > 10
    for name in ('todod_reminders_total{result="retry"}', 'todod_reminders_total{result="failed"}', 'todod_mails_total{result="sent"}',
                 'todod_mails_total{result="put_off"}', 'todod_mails_total{result="refused"}', "todod_confirmations_total",
                 "todod_reminders_scheduled_total", "todod_reminders_cancelled_total", "todod_reminder_late_seconds_count"):
        assert seen[name] > 0, name
