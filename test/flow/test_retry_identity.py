# SPDX-License-Identifier: Apache-2.0
"""An event never changes: also not the trigger of a further try, which is made again when notifier is asked again."""
import json

import pytest

from mail_host import MailHost
from notifier_host import Stack
from process import wait_until
from test_notifier import prefer, schedule, told, wait_outcomes


@pytest.fixture(scope="module")
def stack(make_database, tmp_path_factory):
    host = MailHost()
    made = Stack(tmp_path_factory.mktemp("identity"), make_database("notifier_identity"), host, notifier__retry_delays="1s,1s,1s",
                 notifier__lease="20s", smtp__timeout="19s", smtp__step_timeout="18s").start()
    yield made
    made.stop()
    host.stop()


def records_of_try(stack, user, attempt):
    """All triggers of a try, as they lie on the topic: [(id, what an event is told apart by)]"""
    rows = stack.database.rows("SELECT body FROM sidecar.records WHERE topic = 'reminders' ORDER BY part, pos")
    events = [json.loads(bytes(body)) for (body,) in rows]
    return [(e["id"], [e[k] for k in ("type", "source", "subject", "time", "data")]) for e in events
            if e["type"] == "reminder.trigger" and e["data"]["user_id"] == user and e["data"]["payload"].get("attempt") == attempt]


@pytest.mark.parametrize("n_failed", [1, 2])
def test_a_try_that_is_asked_for_again(stack, new_user, n_failed):
    """EV11, RL16: some tries were put off, the next one is under way, and the first one's trigger is delivered once more: the next
    one's is published again. What has the same id is the same event, else the trail would not take it."""
    user, mail = new_user(), stack.mail
    address = prefer(stack, user)
    mail.on("rcpt", lambda n: "451 later" if n <= n_failed else 6 if n == n_failed + 1 else None, address)
    schedule(stack, user, -3600)
    wait_until("the next try", lambda: len(mail.tries_of(address)) == n_failed + 1)
    stack.post_at_once("/events/reminders", stack.published("reminders", user, "reminder.trigger")[0])
    wait_until("it is published again", lambda: len(records_of_try(stack, user, n_failed + 1)) >= 2)
    wait_outcomes(stack, user, n_failed + 1)
    assert told(stack, user) == [("failed", n + 1, True) for n in range(n_failed)] + [("sent", n_failed + 1, False)]
    assert len(mail.to(address)) == 1
    found = records_of_try(stack, user, n_failed + 1)
    for event_id, content in found:
        assert {json.dumps(c, sort_keys=True) for i, c in found if i == event_id} == {json.dumps(content, sort_keys=True)}
