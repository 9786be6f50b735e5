# SPDX-License-Identifier: Apache-2.0
"""The users' mailboxes: their addresses are confirmed before it begins, and in the end what came is read."""
import json
import re

from effects import Effect
from process import wait_until

SECONDS = 60
LINK = re.compile(r"/api/email/confirm\?t=[\w.-]+")
REMINDER = re.compile(r"<([0-9a-f-]{36})\.(\d+)@sink\.example\.org>")
SUBJECT = "Reminder: "


class Mailboxes:
    """Of all users; by notifications come the reminders of those that are named in `on_screen`."""

    def __init__(self, deployment, on_screen=()):
        self.d, self.on_screen = deployment, set(on_screen)
        self.users = {}  # address -> user
        self.strange = []  # mails that are none of these

    def open(self, apis):
        """As users do: the address, the mail, the link in it."""
        for api in apis:
            if api.user in self.on_screen:
                api.prefer(channels=["in_app"])
            else:
                self.users[f"{api.user}@example.org"] = api.user
                api.prefer(email=f"{api.user}@example.org", channels=["email"])
        by_name = {api.user: api for api in apis}
        for address, user in self.users.items():
            link = LINK.search(self.d.mail.wait(address, seconds=SECONDS)[0].text)[0]
            answer = by_name[user].request("GET", link, token=None)
            assert answer.status == 200, answer

    def wait_known(self):
        """Until notifier knows them."""
        for what, is_done in (("preferences are published", lambda: self.d.database.value("SELECT count(*) FROM todod.outbox") == 0),
                              ("preferences are known", lambda: self.d.lag("notifier", ["task-events"]) == 0)):
            wait_until(what, is_done, SECONDS)

    def effects(self):
        return [*self.of_mails(), *self.of_screens()]

    def of_mails(self):
        for mail in list(self.d.mail.mails):
            name = REMINDER.fullmatch(mail.message_id or "")
            if name is None:
                if not LINK.search(mail.text):
                    self.strange.append(mail)
                continue
            yield Effect("mail", self.users.get(mail.recipient, mail.recipient), name[1], int(name[2]), mail.at, mail.message_id,
                         mail.subject.removeprefix(SUBJECT))

    def of_screens(self):
        if not self.on_screen:
            return
        for body, at in self.d.database.rows("SELECT body, extract(epoch FROM created_at)::float8 FROM sidecar.records "
                                             "WHERE topic = 'task-updates'"):
            event = json.loads(bytes(body))
            data = event["data"]
            if event["type"] == "notification" and data["user_id"] in self.on_screen:
                yield Effect("notification", data["user_id"], data["payload"]["reminder_id"], data["sequence"], at, event["id"],
                             data["payload"]["title"])
