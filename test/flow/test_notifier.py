# SPDX-License-Identifier: Apache-2.0
"""notifier: reminders from their events alone, on the embedded sidecar, with a strict mail server; see docs/reminders.md."""
import datetime
import time
import uuid

import pytest

from mail_host import MailHost
from notifier_host import Stack, make_event, preferences, reminder
from process import wait_until


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
                 notifier__retry_delays="1s,2s,3s", notifier__lease="5s", smtp__timeout="4s").start()
    yield made
    made.stop()


def prefer(stack, user, **fields):
    stack.publish("task-events", preferences(user, **fields))
    wait_until("the contact", lambda: stack.state(user, "contact"))
    return f"{user.lower()}@example.org"


def schedule(stack, user, seconds=1, **fields):
    event = reminder(user, remind_at=at(seconds), **fields)
    stack.publish("reminders", event)
    return event["data"]["payload"]


def wait_outcomes(stack, user, n=1):
    return wait_until(f"{n} outcomes", lambda: (found := stack.outcomes(user)) and len(found) >= n and found)


def test_one_reminder_by_mail(stack, mail, new_user):
    """DP10, PF5: a job for the exact time, one mail at it, never before it, and what became of it."""
    user = new_user()
    address = prefer(stack, user)
    said = schedule(stack, user, 2, title="Käse & Wein", due_date="2026-07-04")
    job = wait_until("the job", lambda: stack.database.rows(
        "SELECT due_at FROM sidecar.jobs WHERE name = %s", f"rem-{said['reminder_id']}"))
    assert job[0][0].timestamp() == instant(said["remind_at"])
    letter, = mail.wait(address)
    assert letter.at >= instant(said["remind_at"])
    assert letter.subject == "Reminder: Käse & Wein"
    assert letter.message_id == f"<{said['reminder_id']}.1@sink.example.org>"
    sent, = wait_outcomes(stack, user)
    assert sent["type"] == "reminder.sent" and sent["data"]["payload"]["via"] == ["email"]
