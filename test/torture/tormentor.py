# SPDX-License-Identifier: Apache-2.0
"""
Kills processes, each in its own rhythm, and starts them again as a supervisor would. A rhythm counts from when the process is
ready: how long it may live until it is killed, drawn anew each time.
"""
import collections
import random
import threading
import time

import psycopg2

import real_stack
from database import Database

READY_SECONDS = 60
MAIL_AWAY_SECONDS = 3
# (least, most) seconds of a life, by the beginning of a process's name; the first that fits. New roles need a line here only if
# theirs is another rhythm.
RHYTHMS = {
    # Consumers of a group share its partitions again when one of them has been silent for 10 s; in a shorter rhythm nothing
    # would be delivered until the end, and that would be all that is tested.
    "daprd-": (12, 40),
    "kafka": (20, 60),
    # Needs 20 s after a kill until it lets sidecars in.
    "scheduler": (40, 90),
    "sentry": (40, 90),
    "postgres": (8, 20),
    "mail": (2, 6),
    "": (1, 5),
}


def rhythm_of(name):
    return next(rhythm for prefix, rhythm in RHYTHMS.items() if name.startswith(prefix))


class Victim(threading.Thread):
    """
    One process: killed and started again. exits: codes with which it ended by itself. downs: [from, to] of each time that it was
    away or not ready yet; to None: still.
    """

    def __init__(self, name, process, seed, before_start=None):
        super().__init__(daemon=True, name=f"tormentor-{name}")
        self.victim, self.process, self.before_start = name, process, before_start
        self.random = random.Random(f"{seed}/{name}")
        self.stopped, self.paused = threading.Event(), threading.Event()
        self.lock = threading.Lock()  # who kills it or starts it
        self.kills = 0
        self.exits, self.failure = [], None
        self.downs = []

    def is_ready(self):
        port = getattr(self.process, "ops_port", None)
        if port is not None:
            return real_stack.http_status(f"http://127.0.0.1:{port}/readyz") == 200
        ready = getattr(self.process, "is_ready", None)
        return ready() if ready else self.process.is_alive()

    def start_again(self):
        if self.before_start:
            self.before_start(self.random)
        try:
            self.process.start(wait=False)
        except AssertionError:  # it ended before it listened; look() sees that
            pass

    def look(self):
        """Starts it again when it ended by itself, as one does that waited in vain for what it needs."""
        with self.lock:
            if self.process.is_alive():
                return
            if hasattr(self.process, "process"):
                self.exits.append(self.process.process.returncode)
            self.note_down()
            self.start_again()

    def kill(self):
        self.note_down()
        self.process.kill()
        self.kills += 1

    def note_down(self):
        if not self.downs or self.downs[-1][1] is not None:
            self.downs.append([time.time(), None])

    def note_up(self):
        if self.downs and self.downs[-1][1] is None:
            self.downs[-1][1] = time.time()

    def spans(self):
        return [(self.victim, begin, end or time.time()) for begin, end in self.downs]

    def wait(self, seconds, until=lambda: False):
        """Whether it is to go on. Ends early when `until` says so."""
        deadline = time.monotonic() + seconds
        while not self.stopped.is_set() and time.monotonic() < deadline:
            self.look()
            if until():
                break
            self.stopped.wait(0.05)
        return not self.stopped.is_set()

    def run(self):
        try:
            while self.wait(READY_SECONDS, self.is_ready):
                self.note_up()
                if not self.wait(self.random.uniform(*rhythm_of(self.victim))) or self.paused.is_set():
                    continue
                with self.lock:
                    self.kill()
                    if self.victim == "mail":
                        self.stopped.wait(self.random.uniform(0, MAIL_AWAY_SECONDS))
                    self.start_again()
        except Exception as e:  # pylint: disable=broad-except
            self.failure = f"{self.name}: {e!r}"


class Tormentor:
    """Of all processes of a deployment."""

    def __init__(self, deployment, seed):
        self.database = Database(deployment.database.cluster_url, deployment.database.name)
        hooks = {"sidecar": self.rewind}
        self.victims = [Victim(name, process, seed, hooks.get(name)) for name, process in deployment.processes.items()]
        self.rewound = 0
        self.mail = deployment.mail

    def rewind(self, rng):
        """While the embedded sidecar is dead: its groups read on from a little before where they were, as after a restore."""
        if rng.random() < 0.5:
            return
        try:
            self.rewound += self.database.value(
                """WITH moved AS (UPDATE sidecar.progress p SET next_pos = greatest(0, next_pos - %s) WHERE next_pos > 0 RETURNING 1)
                SELECT count(*) FROM moved""", rng.randrange(1, 30))
        except psycopg2.Error:
            pass  # it is being killed as well

    def start(self):
        """The mail server takes its time as well: each seventh recipient is asked to come again."""
        self.mail.on("rcpt", lambda n: "451 not now" if n % 7 == 0 else None)
        for victim in self.victims:
            victim.start()
        return self

    def pause(self, is_paused):
        for victim in self.victims:
            (victim.paused.set if is_paused else victim.paused.clear)()

    def take_away(self, name, seconds):
        """One is gone for a while, and nothing else is done to anybody."""
        victim = next(v for v in self.victims if v.victim == name)
        self.pause(True)
        with victim.lock:
            victim.kill()
            time.sleep(seconds)
            victim.start_again()
        self.pause(False)

    def stop(self):
        self.mail.on("rcpt", None)
        for victim in self.victims:
            victim.stopped.set()
        for victim in self.victims:
            victim.join()
        for victim in self.victims:  # what was killed last is up again
            victim.look()
        self.database.close()

    def note_up(self):
        """All are ready again."""
        for victim in self.victims:
            victim.note_up()

    def spans(self):
        """(name, from, to) of all times in which one of them was away."""
        return [span for victim in self.victims for span in victim.spans()]

    def failures(self):
        return [v.failure for v in self.victims if v.failure]

    def kills(self):
        return collections.Counter({v.victim: v.kills for v in self.victims})
