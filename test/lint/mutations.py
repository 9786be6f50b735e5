# SPDX-License-Identifier: Apache-2.0
"""
A lint about lints: each is shown a small tree with one mistake in it, and must find it. Without the mistake it must find
nothing, or every finding would count.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import source

C_START = "/* SPDX-License-Identifier: Apache-2.0 */\n/* x */\n"
SCHEMA = {
    "$id": "thing.json", "title": "A thing", "type": "object", "required": ["id", "data"],
    "properties": {
        "id": {"type": "string", "maxLength": 10}, "title": {"type": ["string", "null"]}, "type": {"enum": ["made", "gone"]},
        "data": {"type": "object", "required": ["n"], "additionalProperties": {"type": "string"}, "properties": {
            "n": {"$ref": "#/$defs/count"}, "at": {"anyOf": [{"$ref": "other.json#/$defs/time"}, {"type": "null"}]},
            "list": {"type": "array", "maxItems": 5, "items": {"type": "string"}}}}},
    "$defs": {"count": {"type": "integer", "minimum": 1}}}
OTHER = {"$id": "other.json", "$defs": {"time": {"type": "string", "pattern": "Z$"}}}


class Tree:
    """A copy of test/lint with a few files beside it; it goes with the block."""

    def __init__(self, files):
        self.root = tempfile.mkdtemp(prefix="todod-lint-")
        shutil.copytree(os.path.join(source.ROOT, "test", "lint"), os.path.join(self.root, "test", "lint"),
                        ignore=shutil.ignore_patterns("__pycache__"))
        for path, text in files.items():
            self.write(path, text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def write(self, path, text):
        os.makedirs(os.path.dirname(os.path.join(self.root, path)), exist_ok=True)
        with open(os.path.join(self.root, path), "w", encoding="utf-8") as f:
            f.write(text)

    def git(self, *arguments):
        subprocess.run(["git", "-c", "user.name=lint", "-c", "user.email=lint@example.org", *arguments], cwd=self.root, check=True,
                       stdout=subprocess.DEVNULL)

    def lint(self, name):
        """(whether it found something, what it printed)"""
        done = subprocess.run([sys.executable, "test/lint/run.py", name], cwd=self.root, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        return done.returncode != 0, done.stdout


# ---- layers, brokers (DP1), crons (DP8): (lint, file with the mistake, its text, what is found) ----

GOOD = {
    "Makefile": "PKGS := libevent_core\n", "include/base/a.h": C_START, "include/net/b.h": C_START + '#include "base/a.h"\n',
    "src/net/b.c": C_START + '#include "net/b.h"\nstatic const char *component = "kafka-pubsub";\n',
    "src/dapr/c.c": C_START + 'static const char *path = "/v1.0/publish/x";\n',
    "roles/sidecar/d.c": C_START + 'static const char *path = "/dapr/subscribe";\n',
    "include/domain/task_next.h": C_START, "include/store/e.h": C_START, "include/store/recurring.h": C_START,
    "include/net/db.h": C_START, "include/net/smtp.h": C_START, "roles/one/role.h": C_START, "roles/notifier/role.h": C_START, "roles/chat-api/role.h": C_START,
    "src/store/e.c": C_START + 'static const char *sql = "SELECT 1";\n'}

ARCHITECTURE = [
    ("layers", "src/base/a.c", '#include "net/b.h"', "base may not include include/net/b.h"),
    ("layers", "src/dapr/x.c", '#include "domain/x.h"', "includes what is not there"),
    ("layers", "roles/chat-api/x.c", '#include "domain/task_next.h"', "which roles/chat-api/ never may"),
    ("layers", "roles/notifier/x.c", '#include "store/e.h"', "which roles/notifier/ never may"),
    ("layers", "roles/notifier/x.c", '#include "net/db.h"', "which roles/notifier/ never may"),
    ("layers", "roles/chat-api/x.c", '#include "net/smtp.h"', "which roles/chat-api/ never may"),
    ("layers", "roles/chat-api/x.c", '#include "store/recurring.h"', "which roles/chat-api/ never may"),
    ("layers", "roles/two/role.c", '#include "roles/one/role.h"', "a role includes another role"),
    ("layers", "src/app/x.c", 'const char *p = "/v1.0/state/x";', "sidecar outside of"),
    ("layers", "src/app/x.c", 'const char *p = "http://127.0.0.1:3500/v1.0-alpha1/jobs/x";', "sidecar outside of"),
    ("layers", "roles/one/x.c", 'const char *p = "/dapr/" "subscribe";', "sidecar outside of"),
    ("layers", "include/app/x.h", '#define X "/dapr/"', "sidecar outside of"),
    ("layers", "roles/one/x.c", 'const char *p = "/job/{name}";', "sidecar outside of"),
    ("layers", "roles/one/x.c", 'const char *p = "healthz/outbound";', "sidecar outside of"),
    ("layers", "roles/one/x.c", 'const char *s = "INSERT INTO t VALUES (1)";', "sql outside of"),
    ("broker", "src/net/x.c", "#include <librdkafka/rdkafka.h>", "rdkafka"),
    ("broker", "include/net/x.h", "void rd_kafka_flush(void);", "rd_kafka"),
    ("broker", "roles/one/x.c", "static int kafka_port;", "kafka_"),
    ("broker", "roles/one/x.c", 'const char *b = "broker:9092";', "9092"),
    ("broker", "roles/one/x.c", 'const char *b = "broker:" "9093";', "9093"),
    ("broker", "src/base/x.c", "enum { PORT = 9092 };", "9092"),
    ("system-crons", "dapr-components/x.yaml", "kind: CronJob", "CronJob"),
    ("system-crons", "scripts/x.sh", "crontab -l", "crontab"),
    ("broker", "Makefile", "PKGS := libevent_core rdkafka", "rdkafka"),
]


def architecture_mutations():
    with Tree(GOOD) as tree:
        for lint in ("layers", "broker", "system-crons"):
            found, output = tree.lint(lint)
            if found:
                yield f"{lint} finds something where nothing is: {output}"
    for lint, path, text, wanted in ARCHITECTURE:
        with Tree({**GOOD, path: (C_START if path.endswith((".c", ".h")) else "") + text + "\n"}) as tree:
            found, output = tree.lint(lint)
            if not found or wanted not in output:
                yield f"{lint} does not find '{wanted}' in {path}: {text}"


# ---- schemas: (what is done to thing.json, what is found; None: nothing) ----

def data(schema):
    return schema["properties"]["data"]


def put(where, key, value):
    where[key] = value


def condition(kind):
    return [{"if": {"properties": {"type": {"const": kind}}}, "then": {"required": ["title"]}}]


SCHEMAS = [
    (lambda s: put(s, "title", "Another name"), None),
    (lambda s: put(s["properties"], "new", {"type": "string"}), None),
    (lambda s: put(data(s)["properties"], "new", True), None),
    (lambda s: put(s["properties"]["id"], "maxLength", 20), None),
    (lambda s: s["properties"]["type"]["enum"].append("sent"), None),
    (lambda s: (s["properties"]["type"]["enum"].append("sent"), put(s, "allOf", condition("sent"))), None),
    (lambda s: put(s["$defs"], "unused", {"type": "null"}), None),
    (lambda s: s["properties"].pop("title"), r"title: is gone"),
    (lambda s: data(s)["properties"].pop("at"), r"data\.at: is gone"),
    (lambda s: s["required"].append("title"), r"title: is required now"),
    (lambda s: data(s)["required"].append("at"), r"data\.at: is required now"),
    (lambda s: s["required"].remove("id"), r"id: is no longer required"),
    (lambda s: put(s["properties"]["title"], "type", "string"), r"title: may no longer be null"),
    (lambda s: put(s["properties"]["id"], "type", ["string", "null"]), r"id: may be null now"),
    (lambda s: put(s["properties"]["id"], "type", "integer"), r"id: may no longer be string"),
    (lambda s: s["properties"]["id"].pop("type"), r"id: may be anything now"),
    (lambda s: s["properties"]["type"]["enum"].remove("gone"), r'type: may no longer be "gone"'),
    (lambda s: put(s["properties"], "type", {"const": "made"}), r'type: may no longer be "gone"'),
    (lambda s: put(s["properties"]["id"], "enum", ["a"]), r"id: has become an enumeration"),
    (lambda s: put(s["properties"]["id"], "maxLength", 5), r"id: maxLength is 5, and was 10"),
    (lambda s: put(s["properties"]["id"], "minLength", 2), r"id: minLength is 2, and was not there"),
    (lambda s: put(s["properties"]["id"], "pattern", "^a"), r"id: pattern was null"),
    (lambda s: put(s["$defs"]["count"], "minimum", 2), r"data\.n: minimum is 2, and was 1"),
    (lambda s: put(data(s)["properties"]["list"]["items"], "type", "integer"), r"data\.list\[items\]: may no longer be string"),
    (lambda s: put(data(s)["properties"]["at"], "anyOf", [{"type": "null"}]), r"data\.at: may no longer be string"),
    (lambda s: data(s)["properties"]["at"]["anyOf"].append({"type": "integer"}), r"data\.at: may be integer now"),
    (lambda s: put(data(s)["properties"]["at"]["anyOf"], 0, {"type": "string", "pattern": "z$"}), r"data\.at: pattern was"),
    (lambda s: put(data(s)["additionalProperties"], "type", "null"), r"additionalProperties\]: may no longer be string"),
    (lambda s: put(data(s), "additionalProperties", False), r"additionalProperties was .* narrower"),
    (lambda s: put(s, "additionalProperties", False), r"additionalProperties was true and is narrower"),
    (lambda s: put(s, "allOf", condition("made")), r"a new condition in allOf"),
    (lambda s: put(s, "not", {"required": ["x"]}), r"not was null"),
]


def schema_tree():
    tree = Tree({"docs/events/thing.json": json.dumps(SCHEMA), "docs/events/other.json": json.dumps(OTHER)})
    tree.git("init", "-q")
    tree.git("add", "docs")
    tree.git("commit", "-q", "-m", "schemas")
    return tree


def schema_mutations():
    with schema_tree() as tree:
        tree.write("docs/events/thing.json", "{}")
        found, output = tree.lint("events")
        if found or "no tag yet" not in output:
            yield f"events compares with a tag that is not there: {output}"
        tree.git("tag", "v1")
        for change, wanted in SCHEMAS:
            schema = json.loads(json.dumps(SCHEMA))
            change(schema)
            tree.write("docs/events/thing.json", json.dumps(schema))
            found, output = tree.lint("events")
            if found != (wanted is not None) or not re.search(wanted or "ok", output):
                yield f"events, where {wanted or 'nothing'} is to be found: {output}"
        os.unlink(os.path.join(tree.root, "docs/events/thing.json"))
        if "thing.json: is gone" not in tree.lint("events")[1]:
            yield "events does not miss a schema"


# ---- tests that pages name: (text of the page, what is found; None: nothing) ----

PROOFS = [
    ("`test/flow/test_x.py::test_one`, `::test_two`, `test_x::test_one`, `test/flow/test_x.py`, `std::string`, ::test_three", None),
    ("`test/flow/test_x.py::test_three`", "test/flow/test_x.py has no test_three"),
    ("`test/flow/test_x.py::test_one`, `::test_three`", "test/flow/test_x.py has no test_three"),
    ("`test/flow/test_x.py::test_tw`", "has no test_tw"),
    ("`test/flow/test_y.py::test_one`", "names test/flow/test_y.py, which is not there"),
    ("`test_y::test_one`", "names test_y, which is not there"),
    ("`::test_one`", "names ::test_one, which is not there"),
]


def proof_mutations():
    for text, wanted in PROOFS:
        with Tree({"docs/page.md": text + "\n", "test/flow/test_x.py": "def test_one():\n    pass\n\n\ndef test_two(a, b):\n    pass\n"}) as tree:
            found, output = tree.lint("proofs")
            if found != (wanted is not None) or (wanted or "ok") not in output:
                yield f"proofs, where {wanted or 'nothing'} is to be found in {text}: {output}"


def mutations():
    """That layers (RL2, RL3, RL5), broker, events (EV6) and proofs find what they are for."""
    problems = [*architecture_mutations(), *schema_mutations(), *proof_mutations()]
    return problems, f"{len(ARCHITECTURE) + len(SCHEMAS) + len(PROOFS)} trees"


LINTS = {"mutations": mutations}
