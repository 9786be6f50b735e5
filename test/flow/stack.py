# SPDX-License-Identifier: Apache-2.0
"""chat-api and recurrers beside an embedded sidecar on one database: real processes, as `make run-all` has them."""
import collections
import contextlib
import http.client
import json
import socket

from database import url_of
from process import wait_until

LOGINS = ("todod_recurrer", "todod_sweeper", "todod_relay", "todod_sidecar")
Peer = collections.namedtuple("Peer", "address")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def post(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", path, body, {"Content-Type": "application/cloudevents+json"})
        response = connection.getresponse()
        response.read()
        return response.status


class Stack:
    """recurrers: how many there are. All are started unless start=False; what tests break they start again."""

    def __init__(self, database, make_daemon, make_sidecar, recurrers=1, crons="", start=True, recurrer_env=None,
                 recurrer_binary=None):
        self.database = database
        for role in LOGINS:
            database.let_log_in(role)
        self.ports = {name: [free_port() for _ in range(n)] for name, n in (("chat-api", 1), ("recurrer", recurrers))}
        apps = [(name, Peer(f"127.0.0.1:{port}")) for name, ports in self.ports.items() for port in ports]
        self.sidecar = make_sidecar(apps, database, sidecar__crons=crons)
        self.api = self.make(make_daemon, "chat-api", 0)
        more = {k: v for k, v in (("env", recurrer_env), ("binary", recurrer_binary)) if v is not None}
        self.recurrers = [self.make(make_daemon, "recurrer", i, **more) for i in range(recurrers)]
        if start:
            self.start()

    def make(self, make_daemon, role, number, **more):
        api_port = [e["port"] for e in self.sidecar.log("http.listening")
                    if e["listener"] == "sidecar" and e.get("app_id") == role][number]

        def url(database_role):
            return url_of(self.database.cluster_url, self.database.name, database_role)

        config = {"dapr__url": f"http://127.0.0.1:{api_port}", "dapr__port": self.ports[role][number],
                  "database__relay_url": url("todod_relay")}
        if role == "recurrer":
            config.update(database__url=url("todod_recurrer"), recurrer__sweeper_url=url("todod_sweeper"))
        daemon = make_daemon(self.database, start=False, **config, **more)
        daemon.role = role
        return daemon

    def start(self):
        for daemon in (self.api, *self.recurrers):
            daemon.start()

    def stop(self):
        for daemon in (*self.recurrers, self.api, self.sidecar):
            daemon.stop()

    # ---- the sidecar's part, by hand ----

    def tick(self, number=0, cron="cron-reminder"):
        assert post(self.ports["recurrer"][number], f"/{cron}", None) == 200

    def deliver(self, event, topic="task-events", number=0):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        return post(self.ports["recurrer"][number], f"/events/{topic}", body)

    def publish(self, event, topic="reminders"):
        """As a peer that publishes by itself."""
        assert self.sidecar.api("recurrer").publish(topic, event, content_type="application/cloudevents+json",
                                                    query=f"metadata.partitionKey={event['partitionkey']}").status == 204

    def records(self, user, *topics):
        """The events of a user in the order they were published, by topic."""
        return [json.loads(bytes(body)) for topic in topics or ("task-events",) for (body,) in self.database.rows(
            "SELECT body FROM sidecar.records WHERE topic = %s AND key = %s ORDER BY pos", topic, user)]

    def settled(self, user=None):
        """Nothing is left to do: every event was published and delivered, every task is settled."""
        where = "" if user is None else " WHERE user_id = %s"
        params = () if user is None else (user,)

        def look():
            if self.database.value(f"SELECT count(*) FROM todod.outbox{where}", *params):
                return False
            if self.database.value("""SELECT count(*) FROM sidecar.records r WHERE r.topic IN ('task-events', 'reminders')
                    AND NOT EXISTS (SELECT FROM sidecar.progress p WHERE p.topic = r.topic AND p.part = r.part
                    AND p.consumer_group = 'recurrer' AND p.next_pos > r.pos)"""):
                return False
            return self.database.value(f"SELECT count(*) FROM todod.outbox{where}", *params) == 0
        wait_until("everything delivered", look)
