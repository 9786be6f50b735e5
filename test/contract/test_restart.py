# SPDX-License-Identifier: Apache-2.0
"""EV11: instances, and what dies: every event still reaches its group, at least once, in order of its key."""
import base64
import json
import threading
import time
import uuid

import pytest

from app import wait_until
from client import new_event


class Sender(threading.Thread):
    """Publishes events of several users until told to stop; what was answered 204 counts."""

    def __init__(self, publisher, topic, users=6, pause=0.02):
        super().__init__(daemon=True)
        self.publisher, self.topic, self.users, self.pause = publisher, topic, users, pause
        self.run_id = str(uuid.uuid4())
        self.sent = []
        self.stopped = threading.Event()
        self.refused = 0

    def run(self):
        n = 0
        while not self.stopped.is_set():
            user = n % self.users
            event = new_event(subject=f"{self.run_id}/{user}/{n}")
            try:
                if self.publisher.publish(self.topic, event, f"user-{user}").status == 204:
                    self.sent.append(event["id"])
                else:
                    self.refused += 1
            except OSError:
                self.refused += 1
            n += 1
            time.sleep(self.pause)

    def finish(self):
        self.stopped.set()
        self.join(60)
        assert self.sent
        return set(self.sent)


def delivered(apps, topic, run_id):
    return [json.loads(r.body) for app in apps for r in app.to(f"/events/{topic}") if run_id.encode() in r.body]


def dead(apps, topic, run_id):
    raw = [base64.b64decode(e["data_base64"]) for app in apps for e in app.events(f"/events/dlq.{topic}")]
    return {json.loads(r)["id"] for r in raw if run_id.encode() in r}


def first_seen_in_order(events):
    """Whether the first delivery of each event of a user came in the order they were published."""
    seen, last = set(), {}
    for event in events:
        if event["id"] in seen:
            continue
        seen.add(event["id"])
        _, user, n = event["subject"].split("/")
        if int(n) < last.get(user, -1):
            return False
        last[user] = int(n)
    return True


def test_two_instances(run_app, publisher, note):
    """Two instances of one app share its events"""
    first, _ = run_app("contract-pair", ["pair"], name="contract-pair-1")
    second, _ = run_app("contract-pair", ["pair"], name="contract-pair-2")
    sender = Sender(publisher, "t-pair", users=40)
    sender.start()
    wait_until("both have some", lambda: len(first.to("/events/t-pair")) > 20 and len(second.to("/events/t-pair")) > 20)
    ids = sender.finish()
    wait_until("all arrived", lambda: ids <= {e["id"] for e in delivered([first, second], "t-pair", sender.run_id)})
    counts = [len(delivered([one], "t-pair", sender.run_id)) for one in (first, second)]
    note(f"{len(ids)} events: {counts[0]} + {counts[1]}")


def test_instance_dies(run_app, publisher, note):
    """An instance that is killed leaves its partitions to the other one"""
    first, _ = run_app("contract-heirs", ["heirs"], name="contract-heirs-1")
    second, doomed = run_app("contract-heirs", ["heirs"], name="contract-heirs-2")
    sender = Sender(publisher, "t-heirs", users=40)
    sender.start()
    wait_until("the second has some", lambda: len(second.to("/events/t-heirs")) > 20)
    doomed.kill()
    killed = time.monotonic()
    time.sleep(1)
    ids = sender.finish()
    wait_until("all arrived", lambda: ids <= {e["id"] for e in delivered([first, second], "t-heirs", sender.run_id)}, 90)
    note(f"all of {len(ids)} events {time.monotonic() - killed:.0f} s after the kill")


def test_app_dies(run_app, publisher, note):
    """A subscriber that is away for a short time loses nothing: its sidecar stops delivering"""
    app, side = run_app("contract-app-down", ["app-down/"], health=True)
    sender = Sender(publisher, "t-app-down")
    sender.start()
    app.wait("/events/t-app-down", 20)
    app.stop()
    time.sleep(12)
    app.start()
    time.sleep(1)
    ids = sender.finish()

    def arrived():
        events = {e["id"] for e in delivered([app], "t-app-down", sender.run_id)}
        return ids <= events | dead([app], "t-app-down", sender.run_id)
    wait_until("all arrived or are dead letters", arrived, 120)
    buried = dead([app], "t-app-down", sender.run_id)
    events = delivered([app], "t-app-down", sender.run_id)
    note(f"{len(ids)} events, app away 12 s: {len(events) - len({e['id'] for e in events})} delivered twice, "
         f"{len(buried & ids)} dead letters")
    assert buried or first_seen_in_order(events)
    assert side.process.is_alive()


def test_app_dies_unwatched(run_app, publisher, note):
    """Without the app's health check, what meets no app for longer than the retries is a dead letter"""
    app, _ = run_app("contract-app-away", ["app-away/"])
    sender = Sender(publisher, "t-app-away", pause=0.1)
    sender.start()
    app.wait("/events/t-app-away", 10)
    app.stop()
    time.sleep(12)
    app.start()
    ids = sender.finish()

    def arrived():
        events = {e["id"] for e in delivered([app], "t-app-away", sender.run_id)}
        return ids <= events | dead([app], "t-app-away", sender.run_id)
    wait_until("all arrived or are dead letters", arrived, 120)
    note(f"{len(ids)} events, app away 12 s: {len(dead([app], 't-app-away', sender.run_id) & ids)} dead letters")


@pytest.mark.parametrize("how, topic", [("kill", "sidecar-down/"), ("stop", "sidecar-stop/")])
def test_sidecar_dies(run_app, publisher, how, topic, note):
    """A sidecar that is killed, or stopped, and started again loses nothing and keeps the order"""
    name = "t-" + topic.rstrip("/")
    app, side = run_app("contract-" + topic.rstrip("/"), [topic])
    sender = Sender(publisher, name)
    sender.start()
    for _ in range(2):
        before = len(app.to(f"/events/{name}"))
        app.wait(f"/events/{name}", before + 20, 90)
        getattr(side, how)()
        side.start()
    ids = sender.finish()
    wait_until("all arrived", lambda: ids <= {e["id"] for e in delivered([app], name, sender.run_id)}, 120)
    events = delivered([app], name, sender.run_id)
    assert first_seen_in_order(events)
    assert not dead([app], name, sender.run_id)
    note(f"{how} twice, {len(ids)} events: {len(events) - len({e['id'] for e in events})} delivered twice")


def test_broker_dies(backend, run_app, publisher, note):
    """A broker that is killed and started again loses nothing that was acknowledged, and needs no restart of others"""
    app, _ = run_app("contract-broker", ["broker"])
    sender = Sender(publisher, "t-broker")
    sender.start()
    app.wait("/events/t-broker", 20, 90)
    backend.kill_broker()
    time.sleep(3)
    backend.start_broker()
    back = time.monotonic()
    before = len(sender.sent)
    wait_until("publishing works again", lambda: len(sender.sent) > before + 50, 120)
    working = time.monotonic() - back
    ids = sender.finish()
    wait_until("all arrived", lambda: ids <= {e["id"] for e in delivered([app], "t-broker", sender.run_id)}, 120)
    events = delivered([app], "t-broker", sender.run_id)
    note(f"{len(ids)} acknowledged, {sender.refused} refused; publishing again {working:.0f} s after, all delivered "
         f"{time.monotonic() - back:.0f} s after; {len(events) - len({e['id'] for e in events})} delivered twice")


def test_publishing_sidecar_dies(backend, shared, note):
    """What a sidecar acknowledged before it was killed is delivered"""
    app, _ = shared
    doomed = backend.sidecar("contract-doomed").start()
    sender = Sender(doomed, "t-event", pause=0)
    sender.start()
    wait_until("some were taken", lambda: len(sender.sent) > 100)
    doomed.kill()
    ids = sender.finish()
    wait_until("all arrived", lambda: ids <= {e["id"] for e in delivered([app], "t-event", sender.run_id)})
    note(f"{len(ids)} acknowledged")
