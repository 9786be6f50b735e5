# SPDX-License-Identifier: Apache-2.0
"""notifier at its bounds: no place for a mail, no more mails in a day, a state store that is away at the wrong moment; see docs/reminders.md."""
import itertools
import threading
import time

import pytest

from api_client import metrics
from mail_host import MailHost
from notifier_host import Stack, preferences, reminder
from process import wait_until
from sidecar_proxy import LOST, REFUSED, SidecarProxy
from test_notifier import (address_of, at, dead_letters, instant, jobs, notifications, prefer, schedule, told, triggers, wait_consumed,
                           wait_outcomes)


NUMBERS = itertools.count(1)  # of databases


@pytest.fixture
def make_notifiers(make_database, tmp_path_factory):
    """A function: a stack of the test's own, with a mail server of its own, and what stands before its sidecar."""
    made = []

    def make(name, **config):
        name = f"bounds_{name}_{next(NUMBERS)}"
        host = MailHost()
        stack = Stack(tmp_path_factory.mktemp(name), make_database(f"notifier_{name}"), host, **config)
        stack.proxy = SidecarProxy(stack.sidecar.api("notifier").port)
        stack.notifier.config["dapr.url"] = stack.proxy.url
        made.append((stack, host))
        stack.start()
        return stack, host

    yield make
    for stack, host in made:
        stack.stop()
        stack.proxy.stop()
        host.stop()


def sweep(stack, said, user):
    """What recurrer publishes when nobody told what became of a reminder: another event each time."""
    event = reminder(user, "trigger", **{**said, "late_by": 1})
    stack.publish("reminders", event)
    return event


# ---- places ----

def test_no_more_than_so_many_at_a_time(make_notifiers, new_user):
    """RL16: whoever finds no place for its mail comes again, which is no try: nothing fails that no server refused, however few tries
    there are; screens and log are told at once, and once."""
    stack, mail = make_notifiers("crowd", smtp__max_connections=2, notifier__patience="1ms", notifier__retry_delays="")
    users = [new_user() for _ in range(8)]
    for user in users:
        prefer(stack, user, channels=("email", "in_app"))
    gate = threading.Event()
    mail.on("rcpt", lambda _: (gate.wait(60), None)[1])
    for user in users:
        schedule(stack, user, 0)
    wait_until("two have a place, six have none", lambda: len(mail.tries) == 2 and len(
        {e["reminder_id"] for e in stack.notifier.log("reminder.no_place")}) == 6)
    for user in users:
        wait_until("its screens are told", lambda u=user: notifications(stack, u))
    gate.set()
    for user in users:
        mail.wait(address_of(user))
        wait_outcomes(stack, user)
        assert told(stack, user) == [("sent", 1, False)]
        assert len(mail.to(address_of(user))) == len(notifications(stack, user)) == 1


# ---- versions ----

def test_snoozed_while_its_mail_is_put_off(make_notifiers, new_user):
    """EV3: between what became of the first version's mail and the job of its next try: the job of the second version stays as it is."""
    stack, mail = make_notifiers("snooze", notifier__patience="1ms", notifier__retry_delays="1h")
    user, is_held, gate = new_user(), threading.Event(), threading.Event()
    address = prefer(stack, user)

    def judge(text):
        if "/pause/1.1" in text and not is_held.is_set():
            is_held.set()
            gate.wait(30)

    stack.proxy.judge = judge
    mail.on("rcpt", lambda n: (time.sleep(0.3), "451 later")[1] if n == 1 else None, address)
    said = schedule(stack, user, 0)
    assert is_held.wait(60)
    snoozed = {**said, "version": 2, "remind_at": at(3)}
    stack.publish("reminders", reminder(user, **snoozed))
    wait_until("the job of the second", lambda: [j for j, in jobs(stack, said) if j.timestamp() == instant(snoozed["remind_at"])])
    gate.set()
    wait_outcomes(stack, user)
    letter, = mail.wait(address)
    assert letter.message_id.startswith(f"<{said['reminder_id']}.2@") and letter.at >= instant(snoozed["remind_at"])
    wait_outcomes(stack, user, 2)
    assert told(stack, user) == [("failed", 1, True), ("sent", 1, False)]


# ---- lateness ----

def test_lateness_is_that_of_the_first_effect(make_notifiers, new_user):
    """OB4, PF5: once for each reminder, when something of it has reached its user; time and tries at the mail server are in it."""
    stack, mail = make_notifiers("late", notifier__retry_delays="1s,1s")

    def observed():
        seen = metrics(stack.notifier)
        return seen.get("todod_reminder_late_seconds_count", 0), seen.get("todod_reminder_late_seconds_sum", 0)

    def remind(channels):
        user = new_user()
        address = prefer(stack, user)
        mail.on("rcpt", lambda n: "451 later" if n <= 2 else None, address)
        schedule(stack, user, 0, channels=channels)
        wait_until("it is sent", lambda: told(stack, user) and told(stack, user)[-1][0] == "sent")
        return told(stack, user)[-1][1]

    assert remind(["email"]) == 3
    count, seconds = wait_until("it is observed", lambda: (found := observed()) and found[0] and found)
    assert count == 1 and seconds >= 2
    assert remind(["in_app"]) == 1
    wait_until("it is observed", lambda: observed()[0] == 2)
    assert remind(["email", "in_app"]) == 3
    assert observed()[0] == 3


# ---- mails of a day ----

def test_tries_are_no_mails(make_notifiers, new_user):
    """RL14: a mail that is tried again and again is one of the day's; nor is one that is tried again after the last left out."""
    stack, mail = make_notifiers("day", notifier__mails_per_day=3, notifier__retry_delays="1s,1s,1s")
    user = new_user()
    address = prefer(stack, user)
    mail.on("rcpt", lambda n: "451 later" if n <= 3 else None, address)
    schedule(stack, user, 0)
    mail.wait(address)
    for n in (2, 3, 4):
        schedule(stack, user, 0)
        wait_until("it is told", lambda n=n: len([o for o in told(stack, user) if o[0] == "sent"]) == n)
    vias = [tuple(e["data"]["payload"]["via"]) for e in stack.outcomes(user) if e["type"] == "reminder.sent"]
    assert vias == [("email",)] * 3 + [("in_app", "log")] and len(mail.to(address)) == 3


def test_changed_while_the_limit_is_found(make_notifiers, new_user):
    """RL14: past the day's mails, and the state was written by others meanwhile: it is told all the same."""
    stack, _ = make_notifiers("limit", notifier__mails_per_day=0)
    user, touched = new_user(), []
    prefer(stack, user)

    def judge(text):
        if '"stage":"sent"' in text and not touched:
            touched.append(text)
            stack.database.rows("UPDATE sidecar.state SET etag = gen_random_uuid() WHERE key ~ %s", f"u/{user}/rem/[^/]+$")

    stack.proxy.judge = judge
    schedule(stack, user, 0)
    sent, = wait_outcomes(stack, user)
    assert touched and sent["data"]["payload"]["via"] == ["in_app", "log"]


@pytest.mark.parametrize("verdict", [REFUSED, LOST])
def test_a_count_that_stumbles(make_notifiers, new_user, verdict):
    """RL14: the delivery comes again and is not taken for somebody else's: nobody waits for a lease."""
    stack, mail = make_notifiers("count")
    user, failed = new_user(), []
    address = prefer(stack, user)

    def judge(text):
        if text.startswith("POST") and f"u/{user}/mails/" in text and not failed:
            failed.append(text)
            return verdict
        return None

    stack.proxy.judge = judge
    schedule(stack, user, 0)
    mail.wait(address)
    wait_outcomes(stack, user)
    assert failed and told(stack, user) == [("sent", 1, False)]


# ---- a state store that is away ----

@pytest.mark.parametrize("patience", ["1s", "1ms"])
def test_the_store_is_away_when_the_server_takes_it(make_notifiers, new_user, patience):
    """AR10: for longer than the lease, whether the delivery waits for the mail or not: what has happened is kept until it can be written,
    and nobody sends it again meanwhile."""
    stack, mail = make_notifiers("away", notifier__lease="3s", smtp__timeout="2s", notifier__patience=patience)
    user = new_user()
    address = prefer(stack, user)
    is_away, refused = threading.Event(), []

    def judge(text):
        if not is_away.is_set() or "/state/" not in text:
            return None
        refused.append(time.monotonic())
        return REFUSED

    stack.proxy.judge = judge
    mail.on("end", lambda _: (is_away.set(), time.sleep(0.2))[1], address)
    said = schedule(stack, user, 0)
    mail.wait(address)
    trigger, = wait_until("the trigger", lambda: triggers(stack, user))
    wait_consumed(stack, trigger)
    wait_until("the lease is over", lambda: refused and time.monotonic() > refused[0] + 4)
    swept = [sweep(stack, said, user) for _ in range(3)]
    wait_until("the sweep meets no store", lambda: [e for e in stack.notifier.log("event.consumed") if e["event_id"] == swept[0]["id"]])
    is_away.clear()
    wait_outcomes(stack, user)
    for event in swept:
        wait_consumed(stack, event, result="done")
    assert told(stack, user) == [("sent", 1, False)]
    assert len(mail.to(address)) == 1


@pytest.mark.parametrize("writes", [1, 12])
def test_others_write_whenever_it_is_to_be_told(make_notifiers, new_user, writes):
    """AR10: the mail is out: that is written in the end, however often the state has changed since it was read."""
    stack, mail = make_notifiers("contended")
    user, seen = new_user(), []
    address = prefer(stack, user)

    def judge(text):
        if '"stage":"sent"' in text and len(seen) < writes:
            seen.append(text)
            stack.database.rows("UPDATE sidecar.state SET etag = gen_random_uuid() WHERE key ~ %s", f"u/{user}/rem/[^/]+$")

    stack.proxy.judge = judge
    schedule(stack, user, 0)
    wait_outcomes(stack, user)
    assert len(seen) == writes and told(stack, user) == [("sent", 1, False)] and len(mail.to(address)) == 1


# ---- questions to an address ----

def ask(stack, user, version=1):
    event = preferences(user, version=version, confirmed=False)
    stack.publish("task-events", event)
    return event, address_of(user)


def end_lease(stack, user):
    """As time would, after a minute."""
    stack.database.rows("UPDATE sidecar.state SET expires_at = now() WHERE key LIKE %s", f"notifier||u/{user}/confirming/%")


@pytest.mark.parametrize("verdict", [REFUSED, LOST])
@pytest.mark.parametrize("step", ["PUT u/email/asked/", "PUT u/USER/confirming/", "GET u/USER/confirm/"])
def test_a_question_and_a_store_that_stumbles(make_notifiers, new_user, step, verdict):
    """RL14, EV12: once, at any step: the question is asked, once, though nobody changes anything."""
    stack, mail = make_notifiers("stumble")
    user, failed = new_user(), []
    method, _, key = step.replace("USER", user).partition(" ")

    def judge(text):
        hits = text.startswith({"PUT": "POST", "GET": "GET"}[method]) and f"{key}" in text and "/state/" in text and not failed
        if hits:
            failed.append(text)
        return verdict if hits else None

    stack.proxy.judge = judge
    event, address = ask(stack, user)
    wait_until("it is asked, or a dead letter", lambda: mail.to(address) or dead_letters(stack, user, "task-events"))
    for letter in dead_letters(stack, user, "task-events"):
        end_lease(stack, user)
        stack.publish("task-events", letter)
        mail.wait(address)
    stack.publish("task-events", event)
    wait_consumed(stack, event, 2, "done")
    assert failed and len(mail.to(address)) == 1


def test_an_address_in_many_spellings(make_notifiers, new_user):
    """RL14: servers deliver them all to the same mailbox: three in seven days from all users together, however they write it."""
    stack, mail = make_notifiers("spellings")
    events = []
    for spelling in itertools.islice(itertools.product("vV", "iI", "cC"), 8):
        event = preferences(new_user(), confirmed=False, email=f"{''.join(spelling)}tim@{spelling[0]}.Example.org")
        stack.publish("task-events", event)
        wait_consumed(stack, event, result="done")
        events.append(event)
    assert len(mail.mails) == 3


@pytest.mark.parametrize("patience", ["8s", "1ms"])
def test_killed_while_a_question_waits_for_the_server(make_notifiers, new_user, patience):
    """RL14, EV12: whether its delivery was acknowledged or not, the event is a dead letter then; replayed when the lease is over, it asks."""
    stack, mail = make_notifiers("killed", notifier__lease="60s", notifier__patience=patience)
    user = new_user()
    gate = threading.Event()
    mail.on("rcpt", lambda _: (gate.wait(60), "")[1])
    event, address = ask(stack, user)
    wait_until("it waits", lambda: mail.tries_of(address))
    if patience == "1ms":
        wait_consumed(stack, event, result="done")
    stack.notifier.kill()
    gate.set()
    mail.on("rcpt", None)
    stack.start()
    letter, = wait_until("the dead letter", lambda: dead_letters(stack, user, "task-events"))
    assert letter["id"] == event["id"] and not mail.to(address)
    end_lease(stack, user)
    for n in (1, 2):
        stack.publish("task-events", letter)
        mail.wait(address)
        wait_consumed(stack, event, n, "done")
    assert len(mail.to(address)) == 1
