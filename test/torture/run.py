#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
EV11, AR10: writers write while what they write to is killed; then what they were told is compared with what there is.

  test/torture/run.py [--stack=embedded|dapr] [--seconds=60] [--away=20] [--seed=N] [--profile=asan] [--quick] [--sabotage]

For --seconds each process is killed in its rhythm (tormentor.py), every event is published twice (doubling.sql), and in the
middle PostgreSQL is away for --away seconds. Then all may live; when the writers have their answers, what is due is told to
be sent, each completed task is settled, the outbox is empty, nothing is left to be delivered and no dead letter is open, the
tables are printed. It ends with 1 if anything was lost, unexpected, doubled, out of order or early, or `todod audit verify`
finds a fault. --quick: what died with a reminder in its hands is looked after within seconds, not a minute. --sabotage:
nothing is killed; faults are made instead (sabotage.py), and it ends with 1 if one of them is not found.
"""
import argparse
import collections
import glob
import json
import os
import random
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[1:1] = [os.path.join(ROOT, "test", "tools"), os.path.join(ROOT, "test", "flow")]

import checker  # noqa: E402
import effects  # noqa: E402
import history  # noqa: E402
import real_stack  # noqa: E402
import sabotage  # noqa: E402
from api_client import Api, OpenApi  # noqa: E402
from deployment import STACKS, Deployment  # noqa: E402
from mailboxes import Mailboxes  # noqa: E402
from process import SANITIZER_REPORT, wait_until  # noqa: E402
from tormentor import Tormentor  # noqa: E402
from writers import Writers  # noqa: E402

INSTANCES = {"chat-api": 2, "recurrer": 2, "notifier": 2, "auditor": 2}
GROUPS = ("auditor", "recurrer", "notifier")
UNAVAILABLE = 69  # how a role ends that waited in vain for what it needs
TOPICS = ("task-events", "reminders")
# Letters are replayed after this time, then 10 and 60 times as long.
REPLAY_AFTER = "5s"
DRAIN_SECONDS = 1800
SHOWN_MAX, WORDS_MAX = 20, 2000
# Pauses that end with the run; and as many mails as there are.
NOTIFIER = {"notifier.retry_delays": "1s,2s,4s,8s,8s,8s,8s,8s", "notifier.mails_per_day": 100000}
QUICK = {"notifier.lease": "5s", "smtp.timeout": "4s", "smtp.step_timeout": "2s", "smtp.connect_timeout": "2s"}
SOON_MIN_SECONDS, SOON_MAX_SECONDS = 8, 120
# What carries a cancel from the outbox to its topic.
CARRIERS = ("outbox", "postgres", "sidecar", "kafka")
HOLDERS = ("notifier", "daprd-notifier", "sidecar", "postgres", "mail", "kafka")


class Torture:
    def __init__(self, arguments):
        self.arguments = arguments
        self.failures = []
        self.report = None
        binary = os.path.join(ROOT, "build", arguments.profile, "todod")
        settings = {"auditor": {"audit.replay_after": REPLAY_AFTER}, "notifier": dict(NOTIFIER)}
        if arguments.quick:
            settings["notifier"] |= QUICK
        self.d = Deployment(arguments.stack, name="torture", roles=INSTANCES, binary=binary, say=self.say, settings=settings, mail=True)
        if arguments.stack == "embedded":  # one does not wait a minute for a checkpoint, or a replay
            crons = re.sub(r"(?<=auditor/cron-checkpoint=)[^;]*", "@every 2s", self.d.crons())
            if arguments.quick:
                crons = re.sub(r"(?<=recurrer/cron-reminder=)[^;]*", "@every 2s", crons)
            self.d.settings["sidecar"] = {"sidecar.crons": crons}
        self.started = time.monotonic()

    def say(self, words):
        print(f"torture: {words}", flush=True)

    def fail(self, words):
        self.failures.append(words if len(words) <= WORDS_MAX else words[:WORDS_MAX] + " ...")

    # ---- what is done ----

    def run(self):
        a = self.arguments
        self.say(f"{a.stack}, {a.seconds:g} s, PostgreSQL away for {a.away:g} s, --seed={a.seed}, {a.profile}")
        with self.d:
            for name in ("doubling.sql", *(["impatience.sql"] if a.quick else ())):
                with open(os.path.join(HERE, name), encoding="utf-8") as f:
                    self.d.database.rows(f.read())
            if a.sabotage:
                sabotage.prepare(self.d.database)
            self.openapi = OpenApi(Api(self.d.of("chat-api"), None, "x", None).get("/openapi.json", token=None).json)
            soon = min(max(a.seconds / 4, SOON_MIN_SECONDS), SOON_MAX_SECONDS)
            self.writers = Writers(self.d, self.openapi, a.seed, soon, **({"users": sabotage.USERS} if a.sabotage else {}))
            self.open_mailboxes()
            self.writers.start()
            self.tormentor = Tormentor(self.d, a.seed)
            if a.sabotage:
                time.sleep(a.seconds)
            else:
                self.hurt()
            self.drain()
            if a.sabotage:
                sabotage.damage(self.d.database, self.d.mail)
            self.compare()
            self.look_at_records()
        self.tormentor.watcher.stopped.set()
        self.look_at_logs()
        self.look_for_secrets()
        return self.print_all()

    def hurt(self):
        a = self.arguments
        self.tormentor.start()
        time.sleep((a.seconds - a.away) / 2)
        if a.away > 0:
            self.say(f"PostgreSQL is away for {a.away:g} s")
            self.tormentor.take_away("postgres", a.away)
        time.sleep((a.seconds - a.away) / 2)
        self.tormentor.stop()
        for failure in self.tormentor.failures():
            self.fail(failure)

    def drain(self):
        """Until nothing is under way any more. What does not end is a failure, and then the rest is compared all the same."""
        self.say("all may live now")
        started = time.monotonic()
        self.d.wait_ready()
        self.say(f"all are ready after {time.monotonic() - started:.0f} s")
        if not self.writers.finish(DRAIN_SECONDS):
            self.fail("writers have no answer yet")
        if self.arguments.sabotage:
            sabotage.release(self.d.database, self.writers)
        self.say(f"the writers have their answers after {time.monotonic() - started:.0f} s")
        self.tormentor.note_up()
        seen = []
        try:  # twice, as what one look does not see yet the next one does
            wait_until("nothing is under way", lambda: self.is_quiet(seen) and self.is_quiet(seen), DRAIN_SECONDS, 0.2)
        except AssertionError as e:
            self.fail(f"{e}: {seen[-1]}")
        self.drained = time.monotonic() - started
        self.say(f"nothing is under way after {self.drained:.0f} s")

    # ---- what there is ----

    UNDER_WAY = {
        "reminders that are due": "SELECT count(*) FROM todod.reminders WHERE status <= 2 AND remind_at < now() + interval '1 hour'",
        "tasks that are not settled": "SELECT count(*) FROM todod.unsettled_tasks",
        "events in the outbox": "SELECT count(*) FROM todod.outbox",
    }

    def is_quiet(self, seen):
        """Each in the order in which one leads to the next. What is not, is said when it is another one than before."""
        for what, query in self.UNDER_WAY.items():
            n = self.d.database.value(query)
            if n:
                return self.is_under_way(seen, what, n)
        for group in GROUPS:
            n = self.d.lag(group, TOPICS)
            if n != 0:
                return self.is_under_way(seen, f"records for {group}", n)
        done = self.d.command("dlq", "list")
        if done.returncode != 0 or done.stdout:
            return self.is_under_way(seen, "dead letters", len(done.stdout.splitlines()))
        return True

    def is_under_way(self, seen, what, n):
        if not seen or not seen[-1].startswith(what):
            self.say(f"{time.monotonic() - self.started:.0f} s: {what}: {n}")
        seen.append(f"{what}: {n}")
        return False

    def open_mailboxes(self):
        names = [user.name for user in self.writers.users]
        # Notifications are read where they are stored, which is here only in one of the stacks.
        self.mailboxes = Mailboxes(self.d, names[1::2] if self.arguments.stack == "embedded" else ())
        apis = [Api(self.d.of("chat-api"), self.d.token(name), name, self.openapi) for name in names]
        self.mailboxes.open(apis)
        for api in apis:
            api.close()
        self.mailboxes.wait_known()

    def tasks(self):
        found = {}
        for user in self.writers.users:
            api = Api(self.d.of("chat-api"), self.d.token(user.name), user.name, self.openapi)
            found |= {(user.name, task["id"]): task for task in api.list()}
            api.close()
        return found

    def rows(self):
        for user in self.writers.users:
            done = self.d.command("audit", "export", "--user", user.name)
            if done.returncode != 0:
                self.fail(f"todod audit export: {done}")
            yield from map(json.loads, done.stdout.splitlines())

    def came_late(self):
        """Events that were dead letters before they were rows."""
        return {row[0] for row in self.d.database.rows("""SELECT event_id FROM todod.audit a JOIN todod.dead_letters l
            USING (event_id) WHERE a.stored_at >= l.received_at""")}

    def world(self):
        spans = effects.Spans(self.tormentor.spans())
        dead = frozenset(row[0] for row in self.d.database.rows("SELECT event_id FROM todod.dead_letters WHERE event_id IS NOT NULL"))
        return effects.World(time.time(), tuple(self.mailboxes.effects()), dead, died=spans.only(*HOLDERS), away=spans.only(*CARRIERS))

    def compare(self):
        self.report = checker.check(self.writers.told(), self.tasks(), list(self.rows()), self.came_late(), self.world(),
                                    self.writers.reads())
        for error in [*self.writers.errors(), *self.d.mail.violations, *map(str, self.mailboxes.strange)]:
            self.fail(error)
        self.letters = self.d.database.rows("SELECT count(*), coalesce(max(replays), 0) FROM todod.dead_letters")[0]
        done = self.d.command("audit", "verify")
        *self.verified, summary = map(json.loads, done.stdout.splitlines())
        self.say(f"todod audit verify: {json.dumps(summary)}")
        if (done.returncode, summary["faults"]) != (0, 0) and not self.arguments.sabotage:
            self.fail(f"todod audit verify: {done.stdout}")

    def look_at_records(self):
        """EV14: what lies on the topics is about the user that it is keyed by. EV15: and has nobody's secrets in it."""
        if self.arguments.stack != "embedded":
            return
        d = self.d.database
        n = d.value("""SELECT count(*) FROM sidecar.records WHERE topic NOT LIKE 'dlq.%%'
            AND key IS DISTINCT FROM convert_from(body, 'UTF8')::jsonb #>> '{data,user_id}'""")
        if n:
            self.fail(f"{n} records are about another user than their key says")
        for what, secret in self.secrets():
            for table in ("sidecar.records", "todod.dead_letters"):
                if d.value(f"SELECT count(*) FROM {table} WHERE position(%s::bytea in body) > 0", secret.encode()):
                    self.fail(f"{what} is in {table}")

    # ---- what they wrote ----

    def secrets(self):
        """(what it is, the text), of all that the processes know or were sent and must keep for themselves."""
        for writer in self.writers.all:
            yield f"the token of {writer.user.name}", writer.api.token
        for role, tokens in self.d.tokens.items():
            yield from ((f"a sidecar token of {role}", token) for token in tokens)
        yield "the key of links in mails", self.d.link_key
        for path in (self.d.kek_file, self.d.key_file, self.d.checkpoint_key_file):
            with open(path, encoding="utf-8") as f:
                yield os.path.basename(path), max(f.read().split("\n"), key=len)

    def look_for_secrets(self):
        """EV15: in no log of any role, however it ended."""
        for role in [*INSTANCES, "sidecar"]:
            for name in ("stdout", "stderr"):
                for path, f in self.logs_of(role, name):
                    text = f.read()
                    for what, secret in self.secrets():
                        if secret in text:
                            self.fail(f"{what} is in {path}")

    def logs_of(self, role, name="stdout"):
        for path in glob.glob(os.path.join(self.d.directory, f"{role}*", f"{name}.*")):
            with open(path, encoding="utf-8", errors="replace") as f:
                yield path, f

    def look_at_logs(self):
        """Of every life of every role: reports of sanitizers; and how often each event was delivered."""
        for role in [*INSTANCES, "sidecar"]:
            for path, f in self.logs_of(role, "stderr"):
                errors = f.read()
                if SANITIZER_REPORT.search(errors):
                    self.fail(f"{path}:\n{errors[-WORDS_MAX // 2:]}")
        for victim in self.tormentor.victims:
            odd = [code for code in victim.exits if code != UNAVAILABLE]
            if odd and victim.victim in self.names_of_roles():
                self.fail(f"{victim.victim} ended by itself with {odd}")
        self.delivered, straight = collections.Counter(), set()  # straight: notifier's, which come from no outbox
        for path, f in self.logs_of("auditor"):
            for line in f:
                if '"event.consumed"' not in line or not line.endswith("\n"):
                    continue
                entry = json.loads(line)
                if entry["topic"] in TOPICS:
                    self.delivered[entry["event_id"]] += 1
                    if entry["type"] in history.WAY:
                        straight.add(entry["event_id"])
        doubled = [n for event_id, n in self.delivered.items() if event_id not in straight]
        twice = sum(1 for n in doubled if n > 1)
        if twice < 0.9 * len(doubled):  # lines that a killed process did not write any more are not there
            self.fail(f"of {len(doubled)} events only {twice} were delivered more than once: doubling.sql does not work")

    def names_of_roles(self):
        return {i.name for i in self.d.instances} | {"sidecar"}

    # ---- saying it ----

    def print_all(self):
        print("\n| process | killed | ended by itself |\n|---|---|---|")
        for victim in self.tormentor.victims:
            print(f"| {victim.victim} | {victim.kills} | {len(victim.exits)} |")
        print("\n| operation | answered | sent |\n|---|---|---|")
        for kind, (answered, tries) in sorted(self.writers.counts().items()):
            print(f"| {kind} | {answered:,} | {tries:,} |")
        print(f"\n{self.report.table()}\n\n{self.report.effects_table()}\n")
        self.say(f"{self.delivered.total():,} deliveries of {len(self.delivered):,} events; {self.letters[0]} dead letters, replayed "
                 f"up to {self.letters[1]} times, {self.report.late} events came out of them; the outbox was up to "
                 f"{self.tormentor.watcher.most_seconds:.0f} s behind; drained in {self.drained:.0f} s; "
                 f"{time.monotonic() - self.started:.0f} s in all")
        if self.arguments.sabotage:
            return self.print_sabotage()
        found = self.failures + [f"{kind}: {what}: {words}" for kind, what, words in self.report.faults]
        for words in found[:SHOWN_MAX]:
            print(f"FAILED: {words}")
        print("torture: " + (f"{len(found)} failures, logs in {self.d.directory}" if found else "nothing lost, nothing unexpected, "
                             "nothing doubled, nothing out of order, nothing early"), flush=True)
        return 1 if found else 0

    def print_sabotage(self):
        wrong = self.failures + sabotage.judge(self.report, self.verified)
        for words in wrong[:SHOWN_MAX]:
            print(f"FAILED: {words}")
        print(f"torture: {len(sabotage.FAULTS)} faults were made, " + ("and not all is as it should be" if wrong else "all were found"))
        return 1 if wrong else 0


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", choices=STACKS, default="embedded")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--away", type=float)
    parser.add_argument("--seed", type=int, default=random.randrange(10 ** 6))
    parser.add_argument("--profile", default="asan")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sabotage", action="store_true")
    parsed = parser.parse_args(arguments)
    if parsed.away is None:
        parsed.away = min(180, parsed.seconds / 3)
    try:
        return Torture(parsed).run()
    except real_stack.Missing as e:
        print(f"torture: {e}", file=sys.stderr)
        return UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
