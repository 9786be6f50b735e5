#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Schemathesis against a daemon of its own, by its /openapi.json: test/schemathesis/run.py CASES

The same cases each time for the same number of them. What counts as a failure, and what does not, says hooks.py. The last line is
`schemathesis: N cases, N failures`.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "test", "flow"))

from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: E402 pylint: disable=wrong-import-position

import process  # noqa: E402 pylint: disable=wrong-import-position
from api_client import Api, sign  # noqa: E402 pylint: disable=wrong-import-position
from conftest import pem_of, write_private  # noqa: E402 pylint: disable=wrong-import-position
from database import Cluster, Database  # noqa: E402 pylint: disable=wrong-import-position
from event_schemas import validate_outbox  # noqa: E402 pylint: disable=wrong-import-position

TOOL = os.path.join(ROOT, ".run", "venv", "bin", "schemathesis")
USER = "schemathesis"
TASKS = 64
SECONDS = 3600
# What the phases before fuzzing make of the document, and the least that is fuzzed of an operation; some operations have
# fewer different requests than that.
BEFORE_FUZZING, EXAMPLES_MIN = 1600, 10


def furnish(api):
    """Tasks with reminders and tags, so that not every id is one of nothing; ids are 1, 2, 3 in a new database."""
    reminders = {}
    for i in range(TASKS):
        task = api.create(f"task {i}", tags=["home", f"tag{i % 8}"], due_date="2031-01-31", reminders=[{"offset_minutes": 5}],
                          **({"recurrence": "monthly"} if i % 3 == 0 else {}))
        reminders[task["id"]] = task["reminders"][0]["id"]
    return reminders


def count_operations(daemon):
    document = json.loads(Api(daemon, None, USER, None).get("/openapi.json", token=None).body)
    return sum(len(item) for item in document["paths"].values())


def fuzz(daemon, token, reminders, cases, directory):
    """(exit status, output)"""
    with open(os.path.join(directory, "schemathesis.toml"), "w", encoding="utf-8") as f:
        f.write(f'[parameters]\n"path.user_id" = "{USER}"\n')
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    env.update(SCHEMATHESIS_HOOKS=os.path.join(HERE, "hooks.py"), TODOD_REMINDERS=json.dumps(reminders))
    done = subprocess.run(
        [TOOL, "run", f"http://127.0.0.1:{daemon.port}/openapi.json", "--header", f"Authorization: Bearer {token}", "--checks=all",
         "--exclude-checks=ignored_auth", f"--max-examples={max(EXAMPLES_MIN, (cases - BEFORE_FUZZING) * 3 // 2 // count_operations(daemon))}", "--seed=1",
         "--generation-deterministic", "--no-color", "--continue-on-failure", "--warnings=off",
         "--phases=examples,coverage,fuzzing"],
        cwd=directory, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=SECONDS,
        check=False)
    return done.returncode, done.stdout


def main(cases):
    cluster = Cluster("schemathesis").start("max_connections=50")
    database = Database(cluster.url, "schemathesis").create()
    try:
        with tempfile.TemporaryDirectory() as directory:
            done = process.run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": database.url})
            assert done.returncode == 0, done
            database.let_api_log_in()
            key = ed25519.Ed25519PrivateKey.generate()
            daemon = process.Daemon(directory, {"database.url": database.api_url, "auth.mode": "builtin",
                                                "auth.key_file": write_private(os.path.join(directory, "key.pem"), pem_of(key))}).start()
            token = sign(key, USER, exp=4102444800)
            status, output = fuzz(daemon, token, furnish(Api(daemon, token, USER, None)), cases, directory)
            daemon.stop()
            events = validate_outbox(database)
    finally:
        database.close()
        cluster.remove()
    return report(status, output, cases, events)


def report(status, output, cases, events):
    """The whole output only where something is wrong."""
    generated = re.search(r"^\s*(\d+) generated", output, re.M)
    failures = re.search(r" (\d+) failures? in ", output)
    done, failed = int(generated[1]) if generated else 0, int(failures[1]) if failures else 0
    if failed == 0 and (status != 0 or done < cases):
        failed = 1
    expected = "\n".join(re.findall(r"^expected, .*$", output, re.M))
    print(output if failed else expected)
    print(f"schemathesis: {done} cases, {failed} failures; {events} events, each as its schema says")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
