# SPDX-License-Identifier: Apache-2.0
"""
What `make bench-events` measures of time (PF5, DP10, FL4, FL6): next instances, reminders with jobs and without, the sweep, what is scheduled.

Reminders go by `in_app` (a notification on task-updates), so no mail server's speed is in the figures. How late one was is
`sent_at - remind_at`: notifier's clock, when it decided that it is sent, against the time that was wished; one machine, one clock.
A next instance is timed by the database: from the commit of the completion to that of the instance.
"""
import datetime
import json
import time
import urllib.request

from writers import Requests, paced, request

LATE_FLOOR_MS, LATE_FLOOR_SHARE, NEXT_FLOOR_MS = 120_000, 0.95, 30_000
GOAL_LATE_MS, GOAL_LATE_SWEPT_MS, GOAL_NEXT_MS, GOAL_SWEEP_S = 1000, 12_000, 1000, 1
COMPLETIONS_RATE = 50
OF_A_TASK = 10  # reminders, as many as it may have
SWEPT_DUE, SWEPT_ALL = 10_000, 1_000_000
STALLED_SECONDS = 60

NEXT = """SELECT extract(epoch FROM pg_xact_commit_timestamp(n.xmin) - pg_xact_commit_timestamp(d.xmin))::float8 * 1000
FROM todod.tasks d JOIN todod.tasks n ON n.user_id = d.user_id AND n.parent_task_id = d.id WHERE d.completed_at >= %s"""
LATE = """SELECT extract(epoch FROM r.sent_at - r.remind_at)::float8 * 1000 FROM todod.reminders r
JOIN todod.tasks t ON t.user_id = r.user_id AND t.id = r.task_id WHERE t.title = %s AND r.status = 3"""
# As a service could not write them: without the checks of foreign keys, which take longer than all the rest.
MANY = ("SET session_replication_role = replica",
        """INSERT INTO todod.reminders (user_id, task_id, id, remind_at, channels)
SELECT t.user_id, t.id, gen_random_uuid(), now() + interval '1 year' + n * interval '1 second', 2
FROM (SELECT user_id, id FROM todod.tasks WHERE id < 20000000 ORDER BY id LIMIT {}) t, generate_series(1, {}) n""",
        "VACUUM ANALYZE todod.reminders")
JOBS = """INSERT INTO sidecar.jobs (app_id, name, tick_at, due_at, ticks_left, data, retry_ms)
SELECT app_id, 'rem-' || gen_random_uuid(), tick_at + interval '30 days', due_at + interval '30 days', ticks_left, data, retry_ms
FROM (SELECT * FROM sidecar.jobs WHERE app_id = 'notifier' LIMIT 1) one, generate_series(1, %s)"""
SOME_DUE = """UPDATE todod.reminders r SET remind_at = now() - interval '2 seconds' FROM
(SELECT user_id, task_id, min(id::text)::uuid AS id FROM todod.reminders WHERE task_id < 20000000 GROUP BY 1, 2 ORDER BY 2 LIMIT %d) d
WHERE r.user_id = d.user_id AND r.task_id = d.task_id AND r.id = d.id"""
# A tick takes the lease for nine seconds; one every ten.
SINCE_TICK = """SELECT extract(epoch FROM now() - until)::float8 + 9 FROM todod.leases WHERE name = 'reminder-sweep'"""


def rfc3339(seconds):
    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else None


def create(user, token, body):
    return request("POST", f"/api/{user}/tasks", token, body)


class Times:
    """Of one deployment. bench: what runs it, and keeps figures and floors."""

    def __init__(self, bench, seconds):
        self.bench, self.d, self.database, self.users = bench, bench.d, bench.database, bench.users
        self.share = min(1, seconds / 60)
        self.rate = 100  # of scheduling, until it is known
        self.seconds = seconds

    def count(self, n):
        """A whole number of tasks with all their reminders."""
        return max(100, int(n * self.share) // OF_A_TASK * OF_A_TASK)

    def write(self, texts, pace=None):
        """texts: [(user, request)]; each is one write whose events the trail gets."""
        by_user = {}
        for user, text in texts:
            by_user.setdefault(user, []).append(text)
        made = []
        with self.bench.writers(lambda users: made.append(Requests(by_user, users)) or made[-1]) as w:
            w.run(None, pace or (lambda sent: 64), depth=1 if pace else 8)
        self.bench.written += w.acknowledged
        return [json.loads(body) for source in made for body in source.answers]

    # ---- next instances ----

    def completions(self):
        n = int(COMPLETIONS_RATE * self.seconds / 2)
        due = rfc3339(time.time() + 86400)
        tasks = self.write([(user, create(user, token, {"title": "daily", "due_date": due, "recurrence": "daily"}))
                            for user, token in (self.users[i % len(self.users)] for i in range(n))])
        self.bench.drain()
        since, tokens = self.bench.now(), dict(self.users)
        self.write([(t["user_id"], request("PATCH", f"/api/{t['user_id']}/tasks/{t['id']}/complete", tokens[t["user_id"]],
                                           {"completed": True})) for t in tasks], paced(COMPLETIONS_RATE))
        found = self.wait_for(lambda: [row[0] for row in self.database.rows(NEXT, since)], n)
        # Each next instance is an event of its own, a task.created.
        self.bench.written += len(found)
        self.bench.drain()
        self.bench.figures |= {"next n": n, "next missing": n - len(found), "next p50": percentile(found, 0.5),
                               "next p99": percentile(found, 0.99), "next max": max(found, default=None)}
        self.bench.say(f"{n} completions at {COMPLETIONS_RATE}/s: next instance p50 {percentile(found, 0.5):.0f}, p99 "
                       f"{percentile(found, 0.99):.0f}, at most {max(found):.0f} ms; {n - len(found)} missing")

    @staticmethod
    def wait_for(look, n):
        """Until there are n, or nothing has come for a while."""
        found, changed = look(), time.monotonic()
        while len(found) < n and time.monotonic() - changed < STALLED_SECONDS:
            time.sleep(0.5)
            before, found = len(found), look()
            if len(found) != before:
                changed = time.monotonic()
        return found

    # ---- reminders ----

    def schedule(self, title, n, first, seconds):
        """n reminders from first on, evenly over so many seconds; neighbours belong to different users and tasks."""
        n_tasks = n // OF_A_TASK
        texts = []
        for i in range(n_tasks):
            user, token = self.users[i % len(self.users)]
            reminders = [{"remind_at": rfc3339(first + (k * n_tasks + i) * seconds / n), "channels": ["in_app"]}
                         for k in range(OF_A_TASK)]
            texts.append((user, create(user, token, {"title": title, "reminders": reminders})))
        self.write(texts)

    def is_scheduled(self):
        """Whether notifier has read all that was told."""
        return (not self.database.value("SELECT count(*) FROM todod.outbox WHERE topic = 'reminders'")
                and self.d.lag("notifier", ["reminders"]) == 0)

    def schedule_in_time(self, title, n, seconds):
        """As schedule, beginning when all should be scheduled; the time of the first."""
        started = time.time()
        first = started + 5 + 1.3 * n / self.rate
        self.schedule(title, n, first, seconds)
        while time.time() < first - 1 and not self.is_scheduled():
            time.sleep(0.2)
        if self.is_scheduled():
            self.rate = max(self.rate, n / (time.time() - started))
        else:
            self.bench.say("not all were scheduled before the first was due; how late they are is counted all the same")
        return first

    def lateness(self, name, title, n, until):
        time.sleep(max(0, until - time.time()))
        late = self.wait_for(lambda: [row[0] for row in self.database.rows(LATE, title)], n)
        self.bench.written += len(late)  # that a reminder is sent is a change of its task
        self.bench.figures |= {f"{name} n": n, f"{name} missing": n - len(late), f"{name} p50": percentile(late, 0.5),
                               f"{name} p99": percentile(late, 0.99), f"{name} max": max(late, default=None),
                               f"{name} early": sum(ms < 0 for ms in late),
                               f"{name} in time": sum(ms <= LATE_FLOOR_MS for ms in late) / n}
        self.bench.say(f"{name}: {n} reminders, {n - len(late)} missing; late p50 {percentile(late, 0.5):.0f}, p99 "
                       f"{percentile(late, 0.99):.0f}, at most {max(late):.0f} ms")

    def spread(self, seconds):
        """A thousand, evenly over the time of the measurement that begins now."""
        self.spread_n = self.count(1000)
        self.bench.figures["scheduled before MiB"] = self.d.memory_mib()["notifier-0"]
        self.spread_until = self.schedule_in_time("spread", self.spread_n, seconds - 5) + seconds - 5

    def spread_late(self):
        self.lateness("spread", "spread", self.spread_n, self.spread_until)

    def due_within_a_minute(self):
        n, seconds = self.count(10_000), 60 * self.share
        first = self.schedule_in_time("a minute", n, seconds)
        self.bench.figures["scheduling rate"] = self.rate
        self.bench.figures["scheduled MiB"] = self.d.memory_mib()["notifier-0"]
        self.lateness("due", "a minute", n, first + seconds)

    def without_jobs(self):
        """As if the jobs were lost after they were made: the sweep finds what is due."""
        n, seconds = self.count(1000), 30 * self.share
        first = self.schedule_in_time("dead", n, seconds)
        self.database.rows("DELETE FROM sidecar.jobs WHERE app_id = 'notifier'")
        self.lateness("swept", "dead", n, first + seconds)

    # ---- much of it ----

    def sweep(self):
        due, everything = self.count(SWEPT_DUE), self.count(SWEPT_ALL)
        self.bench.psql(*(f"--command={sql.format(everything // OF_A_TASK, OF_A_TASK)}" for sql in MANY))
        while not 0.5 < (self.database.value(SINCE_TICK) or 0) < 3:
            time.sleep(0.1)
        self.database.rows(SOME_DUE % due)
        started = time.monotonic()
        self.tick()
        took = time.monotonic() - started
        swept = self.database.value("SELECT count(*) FROM todod.reminders WHERE task_id < 20000000 AND (triggers > 0 OR status = 3)")
        self.bench.figures |= {"sweep of": everything, "sweep due": due, "sweep swept": swept, "sweep seconds": took}
        self.bench.say(f"a sweep over {everything} reminders: {swept} of {due} that are due in {took:.2f} s")
        self.wait_for(lambda: self.database.rows("SELECT 1 FROM todod.reminders WHERE task_id < 20000000 AND status = 3"), due)
        self.bench.written += due
        self.bench.drain()
        self.database.rows("DELETE FROM todod.reminders WHERE task_id < 20000000")

    def tick(self):
        """What the sidecar posts every ten seconds, by us."""
        recurrer = self.d.of("recurrer")
        call = urllib.request.Request(f"http://127.0.0.1:{recurrer.callback_port}/cron-reminder", b"", method="POST",
                                      headers={"dapr-api-token": self.d.tokens["recurrer"][1]})
        with urllib.request.urlopen(call, timeout=60) as answer:
            assert answer.status == 200, answer.status

    def scheduled(self):
        """
        100,000 jobs of reminders that are far away. One is made by an event; the others are copies, straight in the sidecar's
        table: notifier has had its part in as many as the measurements before scheduled, and keeps nothing of any.
        """
        n = self.count(100_000)
        self.schedule("far away", OF_A_TASK, time.time() + 30 * 86400, 86400)
        self.wait_for(lambda: self.is_scheduled() and [1] or [], 1)
        self.database.rows(JOBS, n)
        memory = self.d.memory_mib()
        self.bench.figures |= {"jobs": n, "jobs notifier MiB": memory["notifier-0"], "jobs sidecar MiB": memory["sidecar"]}
        self.bench.say(f"{n} jobs: notifier has {memory['notifier-0']:.1f} MiB, sidecar {memory['sidecar']:.1f}")

    # ---- what must hold ----

    def checks(self):
        f = self.bench.figures
        if "next n" in f:
            yield f["next missing"] == 0 and f["next max"] <= NEXT_FLOOR_MS, \
                f"{f['next missing']} next instances missing, the slowest after {f['next max']} ms, at most {NEXT_FLOOR_MS}"
        for name in ("spread", "due", "swept"):
            if f"{name} n" in f:
                yield f[f"{name} in time"] >= LATE_FLOOR_SHARE and f[f"{name} early"] == 0, \
                    (f"{name}: {f[f'{name} in time']:.1%} of the reminders within two minutes, at least {LATE_FLOOR_SHARE:.0%}; "
                     f"{f[f'{name} early']} early")
