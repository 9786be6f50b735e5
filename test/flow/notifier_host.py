# SPDX-License-Identifier: Apache-2.0
"""notifier beside the embedded sidecar, with chat-api and mail server or without, and what tests ask of them."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import uuid

from cryptography.hazmat.primitives.asymmetric import ed25519

import process
from conftest import pem_of
from event_schemas import validate
from process import wait_until
from sidecar_host import Sidecar

LINK_KEY = "5a" * 32


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Notifier(process.Daemon):
    role = "notifier"


class Place:
    """Where an app of the sidecar listens: a daemon that is started later."""

    def __init__(self):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"


class Stack:
    """A sidecar for so many notifiers, a chat-api, and whatever other apps are given."""

    def __init__(self, directory, database, mail=None, notifiers=1, apps=(), crons="", secrets=None, **config):
        self.directory, self.database, self.mail = str(directory), database, mail
        os.makedirs(self.directory, exist_ok=True)
        self.secrets = {"email": {"link-key": LINK_KEY}, "smtp": {"password": "canary-smtp-password"}, **(secrets or {})}
        secrets_file = os.path.join(self.directory, "secrets.json")
        with open(secrets_file, "w", encoding="utf-8") as f:
            json.dump(self.secrets, f)
        self.places = [Place() for _ in range(notifiers)]
        self.api_place = Place()
        database.let_log_in("todod_sidecar")
        self.sidecar = Sidecar(os.path.join(self.directory, "sidecar"), database,
                               [*(("notifier", p) for p in self.places), ("chat-api", self.api_place), *apps],
                               sidecar__secrets_file=secrets_file, sidecar__crons=crons).start()
        settings = {"smtp.url": f"smtp://127.0.0.1:{mail.port}" if mail else "", "smtp.tls": "false",
                    "smtp.from": "todod@sink.example.org", "notifier.lease": "60s", "notifier.patience": "1s", **config}
        self.notifiers = [Notifier(os.path.join(self.directory, f"notifier-{i}"),
                                   {**{k.replace("__", "."): v for k, v in settings.items()}, "dapr.port": p.port,
                                    "dapr.url": f"http://127.0.0.1:{self.sidecar.api('notifier', i).port}"})
                          for i, p in enumerate(self.places)]
        self.api = self.sidecar.api("notifier")

    def start(self, *numbers):
        for i in numbers or range(len(self.notifiers)):
            self.notifiers[i].start()
        return self

    @property
    def notifier(self):
        return self.notifiers[0]

    def chat_api_config(self):
        """For make_daemon."""
        return {"dapr__url": f"http://127.0.0.1:{self.sidecar.api('chat-api').port}", "dapr__port": self.api_place.port,
                "database__relay_url": self.database.url.replace("postgres@", "todod_relay@")}

    def stop(self):
        self.check_events()
        failures = []
        for daemon in [*self.notifiers, self.sidecar]:
            try:
                daemon.stop()
            except AssertionError as e:
                failures.append(str(e))
        assert not failures, "\n".join(failures)
        assert self.mail is None or not self.mail.violations, self.mail.violations

    def check_events(self):
        """Whatever notifier published fits its schema."""
        for topic in ("reminders", "task-updates"):
            for event in self.published(topic):
                if event["source"] == "notifier":
                    validate(topic, event)

    # ---- what is published ----

    def publish(self, topic, event):
        answer = self.sidecar.api("chat-api").publish(topic, event, event["data"]["user_id"])
        assert answer.status == 204, answer

    def post_at_once(self, path, event):
        """To every notifier at the same moment, as a sidecar posts: two that share a partition for a moment."""
        def post(port):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            with contextlib.closing(connection):
                connection.request("POST", path, json.dumps(event), {"Content-Type": "application/cloudevents+json"})
                return connection.getresponse().status

        with concurrent.futures.ThreadPoolExecutor(len(self.places)) as pool:
            assert set(pool.map(post, [p.port for p in self.places])) == {200}

    def published(self, topic, user=None, kind=None):
        """Records of a topic as they are stored, oldest first, each id once."""
        rows = self.database.rows("SELECT body FROM sidecar.records WHERE topic = %s ORDER BY part, pos", topic)
        events = {}
        for (body,) in rows:
            event = json.loads(bytes(body))
            if (user is None or event["data"]["user_id"] == user) and (kind is None or event["type"] == kind):
                events.setdefault(event["id"], event)
        return list(events.values())

    def outcomes(self, user):
        """(type, attempt, ...) of what notifier told of a user's reminders."""
        return [e for e in self.published("reminders", user)
                if e["source"] == "notifier" and e["type"] in ("reminder.sent", "reminder.failed")]

    def state(self, user, what):
        key = f"notifier||u/{user}/{what}"
        rows = self.database.rows("SELECT value FROM sidecar.state WHERE key = %s", key)
        return json.loads(rows[0][0]) if rows else None


class Whole(Stack):
    """
    With chat-api, recurrers that sweep each second, and the relays: everything between a request and its mail. auditor: with one that
    looks for dead letters each second, and replays them so long after they came.
    """

    def __init__(self, directory, database, make_daemon, mail, recurrers=1, auditor=None, **more):
        self.recurrer_places, self.auditor_place = [Place() for _ in range(recurrers)], Place()
        for role in ("todod_relay", "todod_recurrer", "todod_sweeper", "todod_audit_writer", "todod_audit_checker"):
            database.let_log_in(role)
        checkpoint_key = pem_of(ed25519.Ed25519PrivateKey.generate()).decode()
        super().__init__(directory, database, mail, apps=[*(("recurrer", p) for p in self.recurrer_places), ("auditor", self.auditor_place)],
                         crons="recurrer/cron-reminder=@every 1s; auditor/cron-checkpoint=@every 1s; auditor/cron-upkeep=@every 1s",
                         secrets={"audit": {"kek": "5f" * 32, "checkpoint-key": checkpoint_key}}, **more)
        self.auditors = [make_daemon(database, start=False, database__url=self.url("todod_audit_writer"), dapr__port=self.auditor_place.port,
                                     audit__checker_url=self.url("todod_audit_checker"), audit__replay_after=auditor)] if auditor else []
        for daemon in self.auditors:
            daemon.role = "auditor"
        self.chat_api = make_daemon(database, start=False, **self.chat_api_config())
        self.recurrers = [make_daemon(database, start=False, **self.recurrer_config(i)) for i in range(recurrers)]
        for daemon in self.recurrers:
            daemon.role = "recurrer"

    def url(self, role):
        return self.database.url.replace("postgres@", f"{role}@")

    def recurrer_config(self, number):
        return {"dapr__url": f"http://127.0.0.1:{self.sidecar.api('recurrer', number).port}", "dapr__port": self.recurrer_places[number].port,
                "database__url": self.url("todod_recurrer"), "recurrer__sweeper_url": self.url("todod_sweeper"),
                "database__relay_url": self.url("todod_relay")}

    @property
    def roles(self):
        return [self.chat_api, *self.recurrers, *self.notifiers, *self.auditors]

    def start_all(self):
        """The sidecar has other ports each time it starts."""
        apis = [("chat-api", 0), *(("recurrer", i) for i in range(len(self.recurrers))), *(("notifier", i) for i in range(len(self.notifiers))),
                ("auditor", 0)]
        for daemon, (app, number) in zip(self.roles, apis):
            daemon.config["dapr.url"] = f"http://127.0.0.1:{self.sidecar.api(app, number).port}"
            daemon.start()
        return self

    def stop(self):
        for daemon in (self.chat_api, *self.recurrers, *self.auditors):
            daemon.stop()
        super().stop()

    def unsettled(self):
        """What is not published, delivered and dealt with: nothing, when nothing more follows from what was done."""
        return self.database.value("SELECT count(*) FROM todod.outbox") + self.database.value("""
            SELECT count(*) FROM sidecar.records r, unnest(ARRAY['recurrer', 'notifier']) AS g (name)
            WHERE r.topic IN ('task-events', 'reminders') AND NOT EXISTS (SELECT FROM sidecar.progress p WHERE p.topic = r.topic
                AND p.part = r.part AND p.consumer_group = g.name AND p.next_pos > r.pos)""")

    def wait_settled(self):
        wait_until("everything is delivered", lambda: self.unsettled() == 0 and self.unsettled() == 0)


def new_event_id():
    """As those of todod: version 7."""
    text = str(uuid.uuid4())
    return f"{text[:14]}7{text[15:]}"


def make_event(user, kind, payload, task_id="1", sequence=1, **more):
    event_id = new_event_id()
    stamp = {"time": "2026-01-01T00:00:00Z", "trace": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"}
    return {"specversion": "1.0", "id": event_id, "source": "chat-api", "type": kind, "subject": task_id, "time": stamp["time"],
            "datacontenttype": "application/json", "partitionkey": user, "traceparent": stamp["trace"], "traceid": stamp["trace"],
            "data": {"event_id": event_id, "event_type": kind, "user_id": user, "task_id": task_id, "timestamp": stamp["time"],
                     "sequence": sequence, "correlation_id": f"request-of-{event_id}", "causation_id": None,
                     "metadata": {"source": "chat-api", "version": "v1"}, "payload": payload}, **more}


def reminder(user, kind="scheduled", reminder_id=None, version=1, **fields):
    payload = {"reminder_id": reminder_id or str(uuid.uuid4()), "task_id": "1", "title": "Buy milk", "remind_at": "2026-01-01T00:00:00Z",
               "due_date": None, "time_zone": None, "channels": None, "version": version, **fields}
    return make_event(user, f"reminder.{kind}", payload, sequence=version)


def preferences(user, version=1, confirmed=True, channels=("email",), email=None, time_zone="Europe/Berlin"):
    payload = {"email": email or f"{user.lower()}@example.org", "time_zone": time_zone, "channels": list(channels), "locale": None,
               "email_confirmed": confirmed}
    event = make_event(user, "preferences.changed", payload, sequence=version)
    event["data"]["task_id"], event["subject"] = None, user
    return event
