# SPDX-License-Identifier: Apache-2.0
"""
From a task to a mail, through everything: chat-api, its outbox, the sidecar, notifier, recurrer, a mail server; and the links in
mails, followed by whoever has them.
"""
import re
import time

import jwt
import pytest

from mail_host import MailHost
from notifier_host import LINK_KEY, Stack
from process import wait_until
from test_notifier import at, instant

LINK = re.compile(r"/api/email/\w+\?t=[\w.-]+")


@pytest.fixture(scope="module")
def mail():
    host = MailHost()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def stack(make_database, make_daemon, tmp_path_factory, mail):
    database = make_database("links")
    database.let_log_in("todod_relay")
    made = Stack(tmp_path_factory.mktemp("links"), database, mail).start()
    made.chat_api = make_daemon(database, **made.chat_api_config())
    yield made
    made.chat_api.stop()
    made.stop()


@pytest.fixture
def user(stack, connect_api):
    return connect_api(stack.chat_api)


def address_of(user):
    return f"{user.user.lower()}@example.org"


def link_in(text):
    return LINK.search(text)[0]


def follow(user, link, method="GET"):
    """Without a token, as a browser does."""
    return user.request(method, link, token=None)


def confirm(user, mail, **more):
    address = address_of(user)
    user.prefer(email=address, **more)
    letter = mail.wait(address)[-1]
    answer = follow(user, link_in(letter.text))
    assert answer.status == 200 and answer.json["email_confirmed"] is True
    return letter


def preferences_of(user):
    return user.get(user.at("preferences")).json


def wait_contact(stack, user, **wanted):
    wait_until("notifier knows", lambda: (c := stack.state(user.user, "contact")) and wanted.items() <= c.items())


def test_from_a_task_to_a_mail(stack, mail, user):
    """EV3, FT2, DP10, PF5: address, confirmation, a task with a due date, and its reminder in the mailbox."""
    confirm(user, mail, channels=["email"], time_zone="Asia/Tokyo")
    wait_contact(stack, user, email_confirmed=True)
    task = user.create("Buy milk", due_date=at(2), headers={"X-Request-Id": "set-by-" + user.user})
    letter = mail.wait(address_of(user), 2)[-1]
    assert letter.at >= instant(task["reminders"][0]["remind_at"])
    assert letter.subject == "Reminder: Buy milk" and "(Asia/Tokyo)" in letter.text
    assert letter.message["X-Correlation-ID"] == "set-by-" + user.user
    assert link_in(letter.message["List-Unsubscribe"]).startswith("/api/email/unsubscribe?t=")


def test_nothing_wanted_nothing_sent(stack, user):
    """EV3: no reminder, no job."""
    task = user.create("quiet", due_date=at(3600), reminders=[])
    marker = user.create("loud", due_date=at(3600))
    wait_until("the other's job", lambda: stack.database.rows(
        "SELECT 1 FROM sidecar.jobs WHERE name = %s", f"rem-{marker['reminders'][0]['id']}"))
    assert task["reminders"] == []
    assert not [e for e in stack.published("reminders", user.user) if e["data"]["task_id"] == str(task["id"])]


def test_completing_deletes_the_job(stack, user):
    """EV3: so do clearing the date and deleting; snoozing moves it."""
    tasks = [user.create(f"t{i}", due_date=at(3600)) for i in range(4)]
    names = [f"rem-{t['reminders'][0]['id']}" for t in tasks]

    def due(name):
        rows = stack.database.rows("SELECT due_at FROM sidecar.jobs WHERE name = %s", name)
        return rows[0][0].timestamp() if rows else None

    wait_until("the jobs", lambda: all(due(n) for n in names))
    user.complete(tasks[0])
    user.update(tasks[1], due_date=None)
    user.delete(tasks[2])
    later = at(7200)
    snoozed = user.request("PATCH", f"{user.path(tasks[3])}/reminders/{tasks[3]['reminders'][0]['id']}", {"remind_at": later})
    assert snoozed.status == 200
    wait_until("they are gone", lambda: not any(due(n) for n in names[:3]))
    wait_until("it has moved", lambda: due(names[3]) == instant(later))


def test_confirm_is_safe_to_repeat(stack, mail, user):
    """A link can be followed again; looked at with HEAD it does nothing; who has it needs no token."""
    address = address_of(user)
    user.prefer(email=address)
    letter, = mail.wait(address)
    link = link_in(letter.text)
    assert link_in(letter.html) == link
    assert follow(user, link, "HEAD").status == 200
    assert preferences_of(user)["email_confirmed"] is False
    for _ in range(3):
        assert follow(user, link).status == 200
        assert preferences_of(user)["email_confirmed"] is True
    assert preferences_of(user)["version"] == 2
    wait_contact(stack, user, email_confirmed=True, version=2)
    assert len(mail.to(address)) == 1


def test_a_link_is_for_one_address(mail, user):
    """After the address is another one, or none, it is gone, and confirms nothing."""
    address = address_of(user)
    user.prefer(email=address)
    link = link_in(mail.wait(address)[0].text)
    user.prefer(email="other-" + address)
    assert follow(user, link).status == 410
    assert preferences_of(user)["email_confirmed"] is False
    user.prefer(email=None)
    assert follow(user, link).status == 410
    user.prefer(email=address)
    assert follow(user, link).status == 200 and preferences_of(user)["email_confirmed"] is True


def test_unsubscribe(stack, mail, user):
    """The link in the header has the address forgotten, once and for all who ask again; the reminder goes another way."""
    confirm(user, mail, channels=["email"])
    wait_contact(stack, user, email_confirmed=True)
    user.create("first", due_date=at(1))
    letter = mail.wait(address_of(user), 2)[-1]
    link = link_in(letter.message["List-Unsubscribe"])
    assert follow(user, link, "HEAD").status == 200 and preferences_of(user)["email"] == address_of(user)
    for _ in range(2):
        answer = follow(user, link)
        assert answer.status == 200 and answer.json["email_confirmed"] is False
        assert preferences_of(user)["email"] is None
    wait_contact(stack, user, email=None)
    user.create("second", due_date=at(1))
    wait_until("told", lambda: len(stack.outcomes(user.user)) == 2)
    assert stack.outcomes(user.user)[-1]["data"]["payload"]["via"] == ["in_app", "log"]
    assert len(mail.to(address_of(user))) == 2
    assert follow(user, link.replace("unsubscribe", "confirm")).status == 410


def forged(user, key=LINK_KEY, **changes):
    claims = {"p": "confirm", "u": user.user, "a": "x" * 22, "x": int(time.time()) + 1000, **changes}
    return jwt.encode(claims, key, algorithm="HS256")


def test_links_that_are_none(mail, user):
    """SE1: 410, and nothing changes; whoever signed them, whatever is cut off, put in or out of date."""
    address = address_of(user)
    user.prefer(email=address)
    good = link_in(mail.wait(address)[0].text).partition("?t=")[2]
    head, payload, signature = good.split(".")
    claims = jwt.decode(good, LINK_KEY, algorithms=["HS256"])
    bad = ["", "x", good[:-1], good + "A", f"{head}.{payload}.", f"{head}.{payload}", good.replace(".", ".."), user.token,
           jwt.encode(claims, "another key of thirty-two bytes!", algorithm="HS256"), jwt.encode(claims, None, algorithm="none"),
           forged(user, a=claims["a"], x=int(time.time()) - 1), forged(user, p="unsubscribe", a=claims["a"]), forged(user),
           forged(user, a=claims["a"], u="somebody else"), forged(user, a=claims["a"], p="x"), "A" * 8000, head + "." + payload + "." + "A" * 43]
    for token in bad:
        answer = follow(user, f"/api/email/confirm?t={token}")
        assert answer.status in (410, 414) if len(token) > 4000 else answer.status == 410, (token, answer)
    assert follow(user, "/api/email/confirm").status == 410
    assert follow(user, "/api/email/confirm?t=a&t=b").status == 422
    assert preferences_of(user)["email_confirmed"] is False and preferences_of(user)["version"] == 1
    assert user.request("POST", f"/api/email/confirm?t={good}", token=None).status == 405


def test_links_without_a_sidecar(make_database, make_daemon, connect_api):
    """503: the key cannot be read; everything else of chat-api works."""
    daemon = make_daemon(make_database("links_alone"), dapr__url="")
    api = connect_api(daemon)
    assert follow(api, "/api/email/confirm?t=x").status == 503
    assert api.create("works")["title"] == "works"
    daemon.stop()


def test_chat_api_sends_nothing(make_database, make_daemon, tmp_path_factory, connect_api):
    """RL2, RL15, AR8: notifier is away: no mail, no job, no notification, though reminders are due; all of it when it is back."""
    database = make_database("links_no_notifier")
    database.let_log_in("todod_relay")
    host = MailHost()
    stack = Stack(tmp_path_factory.mktemp("no_notifier"), database, host)
    daemon = make_daemon(database, **stack.chat_api_config())
    api = connect_api(daemon)
    api.prefer(email=address_of(api), channels=["email", "in_app"])
    api.create("due", due_date=at(0.5))
    soon = instant(api.create("soon", due_date=at(1))["due_date"])
    wait_until("the events are out", lambda: len(stack.published("reminders", api.user)) == 2)
    wait_until("its time is over", lambda: time.time() > soon + 0.5)
    assert not host.mails and not host.tries
    assert not stack.database.rows("SELECT 1 FROM sidecar.jobs") and not stack.published("task-updates", api.user, "notification")
    stack.start()
    host.wait(address_of(api))
    wait_until("told", lambda: len(stack.outcomes(api.user)) == 2)
    daemon.stop()
    stack.stop()
    host.stop()
