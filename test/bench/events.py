#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`make bench-events`: from the write of a task to its row in the audit trail, and from a time to what happens then; on the
embedded sidecar and on a real Dapr.

What is counted is events of the topic task-events that have become rows of the trail. Each such write also makes one of
task-updates, which the relay and the broker carry too, and which nobody subscribes to here: the relay publishes twice what is
counted. Both stacks go through the same, one after the other, each with all roles and a PostgreSQL of its own; STEPS says what
the real one leaves out. auditor, recurrer and notifier read task-events, each in a group of its own.

  1. 110 writes a second for five minutes. PF2, the mission's floor: 100 events a second, none lost. Meanwhile 1,000 reminders
     become due, evenly.
  2. As fast as the trail keeps up for a minute, with at most 1,000 events under way; then half of that rate.
  3. 100,000 events that wait while the sidecars are down: the time to drain, and the order they come in.
  4. Creates by wrk, with nothing else running and with all of it, beside pgbench doing the same.
  5. Next instances at 50 completions a second; 10,000 reminders due within a minute; 1,000 whose jobs are gone; the sweep over
     1,000,000; 100,000 jobs (times.py).
  6. What everything takes when nothing happens, and memory.

Times from commit to commit are the database's own (track_commit_timestamp), of creates. The tables are printed, and written to
build/bench-events.md for docs/performance.md. In the environment:

  BENCH_SECONDS=60            how long a measurement takes; the others follow from it: 5 is a try and nothing to keep
  BENCH_STACKS=embedded,dapr  which of them

It fails when the floor is missed (PF2, FL1): an event is lost, doubled or out of order; less than 100 a second; publishing takes 50 ms or
more (p99, from commit to the broker's answer), or one in a thousand more than 5 s until its row; a next instance is missing or takes
more than 30 s; a reminder is early, or one in twenty more than two minutes late. Goals that are missed are only said.
"""
import datetime
import os
import re
import shutil
import signal
import statistics
import sys
import threading
import time

from run import HERE, ROOT, Failed, busy_notes, goal, machine, output_of, pgbench, say, table, wrk
from times import GOAL_LATE_MS, GOAL_LATE_SWEPT_MS, GOAL_NEXT_MS, GOAL_SWEEP_S, Times, percentile
from writers import Creates, Lives, WriteFailed, Writers, paced


import proc
import real_stack
from deployment import Deployment

SECONDS = int(os.environ.get("BENCH_SECONDS", "60"))
STACKS = os.environ.get("BENCH_STACKS", "embedded,dapr").split(",")
NAMES = {"embedded": "embedded", "dapr": "real"}
FLOOR_RATE, FLOOR_SECONDS, PACE = 100, 5 * SECONDS, 110
PUBLISH_FLOOR_MS, EFFECT_FLOOR_MS = 50, 5000
UNDER_WAY = 1000
WARM_SECONDS = max(1, SECONDS // 12)
LIFE_WRITES = 5
BACKLOG = 100_000 * min(SECONDS, 60) // 60
ROUNDS, ROUND_SECONDS = 2, max(2, SECONDS // 6)
IDLE_SECONDS = max(5, SECONDS // 2)
STALLED_SECONDS = 60
USERS = [f"bench-{n}" for n in range(200)]
GOAL_RATE = {"embedded": 2000, "dapr": 1000}
GOAL_EFFECT_MS, GOAL_IDLE = 15, 0.5
# The API's price and the sweep have nothing to do with the sidecar.
STEPS = {
    "embedded": ("floor", "sustained", "backlog", "api", "completions", "due_within_a_minute", "without_jobs", "sweep", "scheduled",
                 "rest"),
    "dapr": ("floor", "sustained", "backlog", "completions", "due_within_a_minute", "rest"),
}
PG_SETTINGS = ("max_connections=200", "shared_buffers=512MB", "max_wal_size=4GB", "track_commit_timestamp=on")
AUDITED = "topic = 'task-events'"

# Milliseconds from the commit of a task to that of its row in the trail, for tasks that were not changed since.
EFFECTS = """SELECT extract(epoch FROM pg_xact_commit_timestamp(a.xmin) - pg_xact_commit_timestamp(t.xmin))::float8 * 1000
FROM todod.audit a JOIN todod.tasks t ON t.user_id = a.user_id AND t.id = a.task_id
WHERE a.topic = 'task-events' AND a.sequence = 1 AND t.version = 1 AND t.created_at >= %s"""
COMMITS = """SELECT a.event_id, extract(epoch FROM pg_xact_commit_timestamp(t.xmin))::float8
FROM todod.audit a JOIN todod.tasks t ON t.user_id = a.user_id AND t.id = a.task_id
WHERE a.topic = 'task-events' AND a.sequence = 1 AND t.version = 1 AND t.created_at >= %s"""
# Versions of a task that do not follow the one before, and events of a user that come before an older one.
DISORDER = """SELECT count(*) FILTER (WHERE step <> 1), count(*) FILTER (WHERE at < before) FROM
(SELECT sequence - lag(sequence, 1, 0::bigint) OVER (PARTITION BY user_id, task_id ORDER BY n) AS step, at,
	lag(at) OVER (PARTITION BY user_id ORDER BY n) AS before
FROM todod.audit WHERE topic = 'task-events' AND at >= %s) steps"""
PUBLISHED = re.compile(r'^\{"ts":"([^"]+)".*"msg":"event\.published".*"event_id":"([^"]+)","topic":"task-events"')


def epoch(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Audited(threading.Thread):
    """How many events the auditor has taken since this began, as it counts them itself, looked at often."""

    def __init__(self, deployment, every=0.05):
        super().__init__(daemon=True)
        self.deployment, self.every = deployment, every
        self.before, self.value, self.ended = 0, 0, threading.Event()
        self.before = self.look()

    def look(self):
        counts = self.deployment.metrics("auditor")
        return sum(n for name, n in counts.items() if name.startswith("todod_events_consumed_total{")
                   and 'topic="task-events"' in name and 'result="done"' in name) - self.before

    def run(self):
        while not self.ended.wait(self.every):
            self.value = self.look()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class StackBench:
    """One stack through all of it. figures: what was measured, by name; floors: what must not be, and was."""

    def __init__(self, stack):
        self.stack = stack
        self.figures, self.floors = {}, []
        self.written = 0  # events of task-events that were acknowledged to their writer
        self.cpu = {}
        self.idle, self.memory = {}, {}

    def say(self, text):
        say(f"{NAMES[self.stack]}: {text}")

    def measure(self):
        with Deployment(self.stack, name=f"bench-{self.stack}", pg_settings=PG_SETTINGS, say=self.say) as self.d:
            self.prepare()
            self.times = Times(self, SECONDS)
            for step in STEPS[self.stack]:
                getattr(self if hasattr(self, step) else self.times, step)()
            self.judge()

    def prepare(self):
        self.database = self.d.database
        self.roles = list(self.d.counts)
        self.file("fill.sql")
        self.server = self.database.value("SHOW server_version_num")
        self.server_version = self.database.value("SHOW server_version")
        self.users = [(user, self.d.token(user)) for user in USERS]
        self.tokens = os.path.join(self.d.directory, "bench-tokens")
        with open(self.tokens, "w", encoding="utf-8") as f:
            f.writelines(f"{user} {token}\n" for user, token in self.users)

    def psql(self, *args):
        output_of(real_stack.PG, "psql", self.d.postgres.cluster.directory, "todod", "-q", "-v", "ON_ERROR_STOP=1", *args)

    def file(self, name):
        self.psql("-f", os.path.join(HERE, name))

    def writers(self, make_source=Creates):
        return Writers(self.d.of("chat-api").port, self.users, make_source)

    def now(self):
        return self.database.value("SELECT now()")

    # ---- waiting for the trail ----

    def rows(self):
        return self.database.value(f"SELECT count(*) FROM todod.audit WHERE {AUDITED}")

    def drain(self):
        """Until the trail has what was written, or nothing has come for a while: that is lost."""
        seen, seen_at = self.rows(), time.monotonic()
        while seen < self.written and time.monotonic() - seen_at < STALLED_SECONDS:
            time.sleep(0.2)
            rows = self.rows()
            if rows > seen:
                seen, seen_at = rows, time.monotonic()

    def effects(self, since):
        return sorted(row[0] for row in self.database.rows(EFFECTS, since))

    def published_ms(self, since):
        """From commit to the line that the broker took it."""
        commits = dict(self.database.rows(COMMITS, since))
        found = []
        with open(self.d.of("chat-api").out_path, encoding="utf-8") as f:
            for line in f:
                match = PUBLISHED.match(line)
                if match and match[2] in commits:
                    found.append((epoch(match[1]) - commits[match[2]]) * 1e3)
        return found

    # ---- what is measured ----

    def floor(self):
        self.times.spread(FLOOR_SECONDS)
        since, started = self.now(), time.monotonic()
        with self.writers() as w:
            w.run(FLOOR_SECONDS, paced(PACE), depth=1)
        took = time.monotonic() - started
        self.written += w.acknowledged
        self.times.spread_late()
        self.drain()
        effects, published = self.effects(since), self.published_ms(since)
        self.figures |= {
            "floor rate": len(effects) / took, "floor events": len(effects), "floor lost": self.written - self.rows(),
            "floor effect p50": percentile(effects, 0.5), "floor effect p99": percentile(effects, 0.99),
            "floor effect p99.9": percentile(effects, 0.999), "floor publish p50": percentile(published, 0.5),
            "floor publish p99": percentile(published, 0.99), "floor answer p50": percentile(w.times_ms, 0.5)}
        self.say(f"{len(effects)} events at {len(effects) / took:.0f}/s, {self.figures['floor lost']} lost; to the trail p50 "
                 f"{percentile(effects, 0.5):.1f}, p99 {percentile(effects, 0.99):.1f} ms; to the broker p50 "
                 f"{percentile(published, 0.5):.1f}, p99 {percentile(published, 0.99):.1f} ms")

    def sustained(self):
        with self.writers() as w, Audited(self.d) as audited:
            def allowance(sent):  # pylint: disable=unused-argument
                return UNDER_WAY - (w.sent - audited.value)
            w.run(WARM_SECONDS, allowance)
            first, cpu, started = audited.value, self.cpu_seconds(), time.monotonic()
            w.run(SECONDS, allowance)
            n, took = audited.value - first, time.monotonic() - started
            self.cpu = {name: (used - cpu.get(name, 0)) * 1e6 / n for name, used in self.cpu_seconds().items()}
            self.memory = self.d.memory_mib()
        self.written += w.acknowledged
        self.drain()
        self.figures["sustained"] = n / took
        self.say(f"{n / took:.0f} events/s sustained; CPU us an event: "
                 + ", ".join(f"{name} {us:.0f}" for name, us in sorted(self.cpu.items(), key=lambda c: -c[1])))
        since = self.now()
        with self.writers() as w:
            w.run(max(2, SECONDS // 4), paced(n / took / 2), depth=1)
        self.written += w.acknowledged
        self.drain()
        effects = self.effects(since)
        self.figures |= {"half effect p50": percentile(effects, 0.5), "half effect p99": percentile(effects, 0.99)}
        self.say(f"at half of it to the trail p50 {percentile(effects, 0.5):.1f}, p99 {percentile(effects, 0.99):.1f} ms")

    def cpu_seconds(self):
        """Of each process, PostgreSQL by whose sessions they are."""
        used = self.d.cpu_seconds() | {"writers of this bench": time.process_time()}
        for pid, name in self.database.rows("SELECT pid, application_name FROM pg_stat_activity WHERE usename IS NOT NULL"):
            name = f"PostgreSQL for {name or 'this bench'}"
            seconds = proc.cpu_seconds(pid)
            used[name] = used.get(name, 0) + seconds
            used["postgres"] -= seconds
        used["PostgreSQL, the rest"] = used.pop("postgres")
        return used

    def backlog(self):
        sidecars = list(dict.fromkeys(self.d.sidecars.values()))
        for sidecar in sidecars:
            sidecar.stop()
        since, started = self.now(), time.monotonic()
        with self.writers(lambda users: Lives(users, BACKLOG // len(USERS) // LIFE_WRITES, LIFE_WRITES)) as w:
            w.run(None, lambda sent: UNDER_WAY)
        took = time.monotonic() - started
        self.written += w.acknowledged
        started = time.monotonic()
        for sidecar in sidecars:
            sidecar.start(wait=False)
        self.drain()
        self.figures |= {"backlog": w.acknowledged, "backlog writing": w.acknowledged / took,
                         "backlog seconds": time.monotonic() - started, "backlog lost": self.written - self.rows()}
        steps, times = self.database.rows(DISORDER, since)[0]
        self.figures["backlog disorder"] = steps + times
        self.say(f"a backlog of {w.acknowledged} events, written at {w.acknowledged / took:.0f}/s, drained in "
                 f"{self.figures['backlog seconds']:.1f} s; {self.figures['backlog lost']} lost, {steps + times} out of order")

    def api(self):
        """Creates a second: pgbench, the API alone, the API with all that follows; in alternating rounds."""
        rates = {"pgbench": [], "alone": [], "with": []}
        chat_api, auditor = self.d.of("chat-api"), self.d.of("auditor")
        relay_url = chat_api.config["database.relay_url"]
        for _ in range(ROUNDS):
            for role in (chat_api, auditor):
                role.stop()
            self.file("reset.sql")
            rates["pgbench"].append(pgbench(self.server, self.database.url, "create", ROUND_SECONDS)[1])
            self.file("reset.sql")
            chat_api.config["database.relay_url"] = ""
            chat_api.start()
            rates["alone"].append(self.create_rate())
            chat_api.stop()
            self.file("reset.sql")
            chat_api.config["database.relay_url"] = relay_url
            auditor.start()
            chat_api.start()
            self.d.wait_ready()
            rates["with"].append(self.create_rate())
            self.drain_outbox()
            self.say("creates a second: " + ", ".join(f"{who} {found[-1]:.0f}" for who, found in rates.items()))
        self.figures |= {f"create {who}": statistics.median(found) for who, found in rates.items()}

    def create_rate(self):
        result = wrk(self.d.of("chat-api").port, "create", self.tokens, ROUND_SECONDS)
        return result["requests"] / result["seconds"]

    def drain_outbox(self):
        """Until nothing comes any more: of what wrk wrote it does not tell how much was committed."""
        seen, rows = -1, self.rows()
        while rows != seen or self.database.value("SELECT count(*) FROM todod.outbox"):
            time.sleep(1)
            seen, rows = rows, self.rows()

    def rest(self):
        """When all is done: a share of one core of each process, in percent."""
        self.database.rows("VACUUM ANALYZE")
        self.database.rows("CHECKPOINT")
        time.sleep(min(10, SECONDS))
        before = self.d.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        self.idle = {name: (used - before[name]) * 100 / IDLE_SECONDS for name, used in self.d.cpu_seconds().items()}
        self.say(f"idle: {sum(self.idle.values()):.2f} % of a core: "
                 + ", ".join(f"{name} {share:.2f}" for name, share in self.idle.items()))

    # ---- what must hold ----

    def judge(self):
        f = self.figures
        verify = self.d.command("audit", "verify")
        letters = self.database.value("SELECT count(*) FROM todod.dead_letters")
        checks = [
            (f["floor rate"] >= FLOOR_RATE, f"{f['floor rate']:.1f} events/s, at least {FLOOR_RATE}"),
            (f["floor lost"] == 0 and f["backlog lost"] == 0, f"{f['floor lost']} and {f['backlog lost']} events lost or doubled"),
            (f["backlog disorder"] == 0, f"{f['backlog disorder']} events out of order"),
            (f["floor publish p99"] < PUBLISH_FLOOR_MS,
             f"publishing takes {f['floor publish p99']:.0f} ms (p99), less than {PUBLISH_FLOOR_MS}"),
            (f["floor effect p99.9"] <= EFFECT_FLOOR_MS, f"{f['floor effect p99.9']:.0f} ms to the trail (p99.9), at most {EFFECT_FLOOR_MS}"),
            (letters == 0, f"{letters} dead letters"),
            (verify.returncode == 0, f"todod audit verify: {verify.stdout[-500:]}"),
            *self.times.checks(),
        ]
        self.floors = [text for holds, text in checks if not holds]


# ---- the report ----

MEASUREMENTS = [
    ("100 events/s for a while: events", "floor events", "{:,.0f}"),
    ("lost or doubled", "floor lost", "{:,.0f}"),
    ("commit to row of the trail, p50", "floor effect p50", "{:.1f} ms"),
    ("p99", "floor effect p99", "{:.1f} ms"),
    ("p99.9", "floor effect p99.9", "{:.1f} ms"),
    ("commit to the broker's answer, p50", "floor publish p50", "{:.1f} ms"),
    ("p99", "floor publish p99", "{:.1f} ms"),
    ("the writer's answer, p50", "floor answer p50", "{:.1f} ms"),
    ("sustained, events a second", "sustained", "{:,.0f}"),
    ("at half of that: commit to row, p50", "half effect p50", "{:.1f} ms"),
    ("p99", "half effect p99", "{:.1f} ms"),
    ("a backlog, events", "backlog", "{:,.0f}"),
    ("written at, events a second", "backlog writing", "{:,.0f}"),
    ("drained in, with the start of the sidecars", "backlog seconds", "{:.1f} s"),
    ("lost or doubled", "backlog lost", "{:,.0f}"),
    ("out of order", "backlog disorder", "{:,.0f}"),
    ("creates a second: pgbench", "create pgbench", "{:,.0f}"),
    ("chat-api, relay and all else stopped", "create alone", "{:,.0f}"),
    ("chat-api, relay, sidecars and consumers at work", "create with", "{:,.0f}"),
]
TIMES = [
    ("next instance, of completions", "next n", "{:,.0f}"),
    ("completion to next instance, p50", "next p50", "{:,.0f} ms"),
    ("p99", "next p99", "{:,.0f} ms"),
    ("at most", "next max", "{:,.0f} ms"),
    ("missing", "next missing", "{:,.0f}"),
    *((label, f"{name} {key}", form) for name, what in (
        ("spread", "reminders during the floor"), ("due", "reminders due within a minute"),
        ("swept", "reminders without jobs")) for label, key, form in (
            (what, "n", "{:,.0f}"), ("late, p50", "p50", "{:,.0f} ms"), ("p99", "p99", "{:,.0f} ms"),
            ("at most", "max", "{:,.0f} ms"), ("missing", "missing", "{:,.0f}"), ("early", "early", "{:,.0f}"))),
    ("a sweep over reminders", "sweep of", "{:,.0f}"),
    ("due, and found", "sweep swept", "{:,.0f}"),
    ("took", "sweep seconds", "{:.2f} s"),
    ("reminders scheduled, from write to job, a second", "scheduling rate", "{:,.0f}"),
    ("notifier's private memory at the start", "scheduled before MiB", "{:.1f} MiB"),
    ("when those due within a minute are scheduled", "scheduled MiB", "{:.1f} MiB"),
    ("jobs in the sidecar", "jobs", "{:,.0f}"),
    ("notifier's private memory", "jobs notifier MiB", "{:.1f} MiB"),
    ("the sidecar's", "jobs sidecar MiB", "{:.1f} MiB"),
]


def shown(bench, name, form):
    value = bench.figures.get(name)
    return "" if value is None else form.format(value)


def measurement_rows(benches, measurements):
    for label, name, form in measurements:
        yield label, *(shown(b, name, form) for b in benches)


def ratio_rows(benches):
    for label, who in (("create / pgbench create, alone", "alone"), ("create / pgbench create, with all of it", "with")):
        yield label, *(f"{b.figures[f'create {who}'] / b.figures['create pgbench']:.2f}" if "create pgbench" in b.figures else ""
                       for b in benches)


def goal_rows(benches):
    for b in benches:
        name, goals = NAMES[b.stack], [("events/s sustained", "sustained", GOAL_RATE[b.stack], True, "{:,.0f}")]
        if b.stack == "embedded":
            goals.append(("commit to row, p50", "floor effect p50", GOAL_EFFECT_MS, False, "{:.1f} ms"))
            yield goal(f"{name}: all of it idle, of a core", sum(b.idle.values()), GOAL_IDLE, False, "{:.2f} %")
        goals += [("next instance, p99", "next p99", GOAL_NEXT_MS, False, "{:,.0f} ms"),
                  ("reminders during the floor, p99", "spread p99", GOAL_LATE_MS, False, "{:,.0f} ms"),
                  ("reminders due within a minute, p99", "due p99", GOAL_LATE_MS, False, "{:,.0f} ms"),
                  ("reminders without jobs, at most", "swept max", GOAL_LATE_SWEPT_MS, False, "{:,.0f} ms"),
                  ("a sweep", "sweep seconds", GOAL_SWEEP_S, False, "{:.2f} s")]
        for label, figure, wanted, at_least, form in goals:
            if b.figures.get(figure) is not None:
                yield goal(f"{name}: {label}", b.figures[figure], wanted, at_least, form)


def by_process(benches, of, form):
    """Rows of what is known of each process; a total at the end."""
    names = list(dict.fromkeys(name for b in benches for name in sorted(of(b), key=lambda n, b=b: -of(b)[n])))
    for name in names:
        yield name, *(form.format(of(b)[name]) if name in of(b) else "" for b in benches)
    yield "together", *(form.format(sum(of(b).values())) for b in benches)


def report(benches, notes):
    names = [NAMES[b.stack] for b in benches]
    return "\n\n".join([
        f"{machine(benches[0].server_version, 'on')}.\n"
        f"{' and '.join(names)}, one after the other, {SECONDS} s a measurement; {len(USERS)} users; writers, roles, sidecars, broker and "
        "PostgreSQL share the machine. Counted: events of task-events in the trail; the broker carries as many of task-updates. "
        f"Roles: {', '.join(benches[0].roles)}. Reminders go by in_app.",
        table(("measurement", *names), [*measurement_rows(benches, MEASUREMENTS), *ratio_rows(benches)]),
        table(("time", *names), measurement_rows(benches, TIMES)),
        table(("goal", "measured", "wanted", "reached"), goal_rows(benches)),
        table(("CPU us an event, sustained", *names), by_process(benches, lambda b: b.cpu, "{:.0f}")),
        table(("idle with what is scheduled, % of a core", *names), by_process(benches, lambda b: b.idle, "{:.2f}")),
        table(("private memory after the load, MiB", *names), by_process(benches, lambda b: b.memory, "{:.1f}")),
        *notes,
    ]) + "\n"


def run(stacks):
    benches, notes = [], busy_notes()
    if SECONDS < 60:
        notes.append(f"A try of {SECONDS} s a measurement: not worth keeping.")
    for stack in stacks:
        lacking = real_stack.missing(need_maven=False) if stack == "dapr" else []
        if lacking:
            notes.append("real: not run: missing: " + ", ".join(lacking))
            say(notes[-1])
            continue
        bench = StackBench(stack)
        bench.measure()
        benches.append(bench)
    return benches, notes


def main():
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is missing; run scripts/deps.sh bench")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        benches, notes = run(STACKS)
    except (Failed, WriteFailed, real_stack.Missing) as e:
        sys.exit(f"bench: {e}")
    text = report(benches, notes) if benches else "\n\n".join(notes)
    with open(os.path.join(ROOT, "build", "bench-events.md"), "w", encoding="utf-8") as f:
        f.write(text)
    print("\n" + text)
    floors = [f"{NAMES[b.stack]}: {problem}" for b in benches for problem in b.floors]
    for problem in floors:
        say(problem)
    return 1 if floors or not benches else 0


if __name__ == "__main__":
    sys.exit(main())
