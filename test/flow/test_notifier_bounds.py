# SPDX-License-Identifier: Apache-2.0
"""notifier at its bounds: no place for a mail, no more mails in a day, a state store that is away at the wrong moment; see docs/reminders.md."""
import threading

import pytest

from mail_host import MailHost
from notifier_host import Stack
from process import wait_until
from test_notifier import address_of, notifications, prefer, schedule, told, wait_outcomes


@pytest.fixture
def make_notifiers(make_database, tmp_path_factory):
    """A function: a stack of the test's own, with a mail server of its own, and what stands before its sidecar."""
    made = []

    def make(name, **config):
        host = MailHost()
        stack = Stack(tmp_path_factory.mktemp(name), make_database(f"notifier_{name}"), host, **config)
        made.append((stack, host))
        stack.start()
        return stack, host

    yield make
    for stack, host in made:
        stack.stop()
        host.stop()


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
