# SPDX-License-Identifier: Apache-2.0
"""
chat-api and recurrers beside an embedded sidecar on one database: real processes, as `make run-all` has them. Without
relays nothing is published: a test reads events from the outbox and delivers them itself, in the order and as often as it
likes, the way the sidecar would.
"""
import collections
import contextlib
import http.client
import json
import re
import socket
import uuid

from api_client import ops
from database import url_of
from event_schemas import validate
from process import wait_until
from sidecar_host import Sidecar

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
    def __init__(self, database, make_daemon, directory, recurrers=1, relays=True, crons="", start=True, **recurrer):
        self.database = database
        for role in LOGINS:
            database.let_log_in(role)
        self.ports = {name: [free_port() for _ in range(n)] for name, n in (("chat-api", 1), ("recurrer", recurrers))}
        apps = [(name, Peer(f"127.0.0.1:{port}")) for name, ports in self.ports.items() for port in ports]
        self.sidecar = Sidecar(str(directory), database, apps, sidecar__crons=crons).start()
        self.relays = relays
        self.api = self.make(make_daemon, "chat-api", 0)
        self.recurrers = [self.make(make_daemon, "recurrer", i, **recurrer) for i in range(recurrers)]
        if start:
            for daemon in (self.api, *self.recurrers):
                daemon.start()

    def url(self, database_role):
        return url_of(self.database.cluster_url, self.database.name, database_role)

    def make(self, make_daemon, role, number, **more):
        api_port = [e["port"] for e in self.sidecar.log("http.listening")
                    if e["listener"] == "sidecar" and e.get("app_id") == role][number]
        config = {"dapr__url": f"http://127.0.0.1:{api_port}", "dapr__port": self.ports[role][number],
                  "database__relay_url": self.url("todod_relay") if self.relays else None}
        if role == "recurrer":
            config.update(database__url=self.url("todod_recurrer"), recurrer__sweeper_url=self.url("todod_sweeper"))
        daemon = make_daemon(self.database, start=False, **{**config, **more})
        daemon.role = role
        return daemon

    def stop(self):
        for daemon in (*self.recurrers, self.api, self.sidecar):
            daemon.stop()
        for topic, body in self.database.rows("SELECT topic, body FROM sidecar.records WHERE topic NOT LIKE 'dlq.%'"):
            validate(topic, json.loads(bytes(body)))

    # ---- the sidecar's part, by hand ----

    def tick(self, number=0, cron="cron-reminder"):
        return post(self.ports["recurrer"][number], f"/{cron}", None)

    def deliver(self, event, topic="task-events", number=0):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        return post(self.ports["recurrer"][number], f"/events/{topic}", body)

    def outbox(self, user, topic="task-events"):
        """What waits to be published."""
        return [json.loads(event) for (event,) in self.database.rows(
            "SELECT event FROM todod.outbox WHERE user_id = %s AND topic = %s ORDER BY id", user, topic)]

    def deliver_all(self, user, times=1):
        """All that waits, each so many times in a row, until handling it leaves nothing new."""
        seen = set()
        while True:
            new = [e for e in self.outbox(user) if e["id"] not in seen]
            if not new:
                return
            for event in new:
                seen.add(event["id"])
                assert {self.deliver(event) for _ in range(times)} == {200}

    # ---- with relays ----

    def publish(self, event, topic="reminders"):
        """As a peer that publishes by itself."""
        answer = self.sidecar.api("recurrer").publish(topic, event, content_type="application/cloudevents+json",
                                                      query=f"metadata.partitionKey={event['partitionkey']}")
        assert answer.status == 204, answer

    def records(self, user, topic="task-events"):
        """What was published of a user, in that order."""
        return [json.loads(bytes(body)) for (body,) in self.database.rows(
            "SELECT body FROM sidecar.records WHERE topic = %s AND key = %s ORDER BY pos", topic, user)]

    def all_settled(self):
        """Every event was published and delivered, and what recurrers made of it too."""
        def waiting():
            return self.database.value("SELECT (SELECT count(*) FROM todod.outbox)") + self.database.value("""
                SELECT count(*) FROM sidecar.records r WHERE r.topic IN ('task-events', 'reminders')
                AND NOT EXISTS (SELECT FROM sidecar.progress p WHERE p.topic = r.topic AND p.part = r.part
                AND p.consumer_group = 'recurrer' AND p.next_pos > r.pos)""")
        wait_until("everything is delivered", lambda: waiting() == 0 and waiting() == 0)

    def unsettled(self, user):
        return self.database.value("SELECT count(*) FROM todod.unsettled_tasks WHERE user_id = %s", user)

    def look_now(self, user):
        """As if the time had come when the sweep looks at tasks that no event settled."""
        self.database.rows("UPDATE todod.unsettled_tasks SET look_at = now() WHERE user_id = %s", user)

    def metric(self, name, number=0):
        return sum(float(line.split()[-1]) for line in ops(self.recurrers[number], "/metrics")[1].splitlines()
                   if re.match(rf"{name}[ {{]", line))


def done(api, task):
    answer = api.complete(task, {"completed": True})
    assert answer.status == 200, answer
    return answer.json


def reopened(api, task):
    answer = api.complete(task, {"completed": False})
    assert answer.status == 200, answer
    return answer.json


def after(api, task):
    """The instances after a task."""
    return [t for t in api.list() if t["parent_task_id"] == task["id"]]


def next_of(api, task):
    """The instance after a task, which has to come."""
    (found,) = wait_until("the next instance", lambda: after(api, task))
    return found


def recurring(api, title="water", due_date="2031-03-03", recurrence="daily", **fields):
    return api.create(title, due_date=due_date, recurrence=recurrence, **fields)


def everything(stack, api):
    """All rows of a user, and how many events there are."""
    return [stack.database.rows(f"SELECT * FROM todod.{table} WHERE user_id = %s ORDER BY 1, 2", api.user)
            for table in ("tasks", "reminders", "task_tags", "user_counters", "deleted_tasks", "unsettled_tasks")] + [
                stack.database.value("SELECT count(*) FROM todod.outbox WHERE user_id = %s", api.user)]


def wake_up(api, task, kind="task.completed", **more):
    """An event as others may write it, of an id of its own."""
    event_id = str(uuid.uuid4())
    return {"specversion": "1.0", "id": event_id, "source": "another", "type": kind, "partitionkey": api.user,
            "data": {"event_id": event_id, "event_type": kind, "user_id": api.user, "task_id": str(task["id"]), **more}}
