# SPDX-License-Identifier: Apache-2.0
"""Lints about who may know whom: layers, SQL, sidecar paths, fibers, brokers."""
import os
import re
import shutil
import subprocess

import source

SQL = re.compile(r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s*\(|"
                 r"(CREATE|ALTER|DROP|TRUNCATE|GRANT|LOCK)\s+[A-Z]+\s)")
# What a sidecar serves, and what it calls an app at.
SIDECAR = re.compile(r"/v1\.0(-alpha1|-beta1)?/|healthz/outbound|/dapr/|^/job/")
KINDS = {"sql": SQL, "sidecar": SIDECAR}
# Libraries, symbols, and the ports that brokers are usually reached at. "kafka-pubsub" is the name of a component.
SYSTEM_CRON = re.compile(r"\bcrontab\b|/etc/cron|\bCronJob\b|\bOnCalendar=|\bsystemd-run\b")
BROKER = re.compile(r"rdkafka|\brd_kafka|\bkafka_|\b(9092|9093|9094|19092|29092)\b", re.I)
LIBEVENT_CALLS = re.compile(r"\(\s*(evutil_socket_t|struct bufferevent \*|struct evconnlistener \*)")


def read_table():
    layers, only, never = {}, {}, {}
    for line in source.text("test/lint/layers").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "layer":
            layers[words[1]] = {words[1]}.union(*(layers[below] for below in words[2:]))
        elif words[0] == "only":
            only[words[1]] = words[2:]
        elif words[0] == "never":
            never[words[1]] = never.get(words[1], ()) + tuple(words[2:])
    return layers, only, never


def layer_of(path):
    """The layer of a file of the tree; None for one that belongs to none."""
    parts = path.split("/")
    if parts[0] == "roles":
        return "roles"
    if path.startswith("src/main"):
        return "main"
    return parts[1] if parts[0] in ("src", "include") and len(parts) > 2 else None


def included(path):
    """(line, file of the tree) for each #include in quotes."""
    for number, line in enumerate(source.without_comments(path).splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if m:
            for base in ("include", ".", os.path.dirname(path)):
                found = os.path.normpath(os.path.join(base, m[1]))
                if os.path.exists(os.path.join(source.ROOT, found)):
                    yield number, found
                    break
            else:
                yield number, None


def include_problem(path, target, layers):
    own, other = layer_of(path), layer_of(target)
    if own not in layers:
        return "belongs to no layer of test/lint/layers"
    if other not in layers:
        return f"includes {target}, which belongs to no layer"
    if other not in layers[own]:
        return f"{own} may not include {target} ({other})"
    if target.endswith("_private.h") and os.path.dirname(target) != os.path.dirname(path):
        return f"includes {target}, which is private to its directory"
    mine, theirs = path.split("/"), target.split("/")
    if own == other == "roles" and len(theirs) > 2 and len(mine) > 2 and mine[1] != theirs[1]:
        return f"a role includes another role: {target}"
    return None


def reached(path, seen):
    """Every file that path includes, be it by way of others."""
    for _, target in included(path):
        if target and target not in seen:
            seen.add(target)
            reached(target, seen)
    return seen


def never_problems(never):
    for prefix, targets in never.items():
        for path in source.product_files():
            if path.startswith(prefix):
                for found in sorted(t for t in reached(path, set()) if t.startswith(targets)):
                    yield f"{path}: reaches {found}, which {prefix} never may"


def layers():
    table, only, never = read_table()
    problems = list(never_problems(never))
    edges = 0
    for path in source.product_files():
        for line, target in included(path):
            edges += 1
            problem = include_problem(path, target, table) if target else "includes what is not there"
            if problem:
                problems.append(f"{path}:{line}: {problem}")
    for kind, pattern in KINDS.items():
        for path in source.product_files():
            if not path.startswith(tuple(only[kind])):
                problems += [f"{path}:{line}: {kind} outside of {' '.join(only[kind])}: {text[:60]}"
                             for line, text in source.strings(path) if pattern.search(text)]
    return problems, f"{edges} includes"


def marked_fiber(path):
    """Names of the functions that path declares or defines with FIBER (static or not, pointers too)."""
    text = source.code(path)
    return (set(re.findall(r"^(?:static\s+)?FIBER\s[^;{(]*?\b(\w+)\s*\(", text, re.M))
            | set(re.findall(r"^\s*FIBER\s[^;{(]*?\(\*(\w+)\)\s*\(", text, re.M)))


def fibers():
    """A function that calls one that may suspend may itself suspend, and says so; but not what a fiber starts with."""
    problems = []
    paths = tuple(p for p in source.product_files() if p.endswith(".c"))
    public = set().union(*(marked_fiber(p) for p in source.product_files() if p.endswith(".h")))
    started = set()
    for path in paths:
        started |= set(re.findall(r"\bfiber_spawn\s*\([^;]*?,[^,;]*,\s*(\w+)\s*,", source.code(path)))
    functions = source.functions(paths)
    for path in paths:
        own = marked_fiber(path)
        plain = {f.name for f in functions if f.path == path} - own - public
        calls = re.compile(r"(?<![\w.>])(" + "|".join(sorted(own | public - plain)) + r")\s*\(")
        for f in functions:
            m = calls.search(f.body().split("{", 1)[-1]) if f.path == path and f.name in plain - started else None
            if m:
                problems.append(f"{path}:{f.first}: {f.name} calls {m[1]}, which may suspend, but is not marked FIBER")
    return problems, f"{len(public)} public functions that may suspend"


def scopes():
    """What libevent calls begins with LOOP_ENTER: nobody else could know whose log lines and metrics it makes."""
    problems = []
    callbacks = 0
    for f in source.functions(tuple(p for p in source.product_files() if p.endswith(".c"))):
        head, _, body = f.body().partition("{")
        if LIBEVENT_CALLS.search(head):
            callbacks += 1
            if "LOOP_ENTER(" not in body:
                problems.append(f"{f.path}:{f.first}: {f.name} is a callback of libevent without LOOP_ENTER")
    return problems, f"{callbacks} callbacks of libevent"


def broker():
    """DP1: no broker's library, symbol or port in the product: topics are reached through the sidecar alone."""
    problems = []
    for path in source.product_files() + ["Makefile"]:
        text = source.without_comments(path) if path.endswith((".c", ".h")) else source.text(path)
        problems += [f"{path}:{source.line_of(text, m.start())}: {m.group()}" for m in BROKER.finditer(text)]
    binary = os.path.join(source.ROOT, "build", "release", "todod")
    if not os.path.exists(binary) or not shutil.which("ldd"):
        return problems, "sources only, no binary yet"
    for command in (["ldd", binary], ["nm", "-D", binary]):
        output = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE).stdout
        problems += [f"{command[0]}: {line.strip()}" for line in output.splitlines() if "kafka" in line.lower()]
    return problems, "sources and binary"


def system_crons():
    """DP8: nothing here is started by a cron of the system or of Kubernetes: what is scheduled comes from the sidecar."""
    files = source.product_files() + source.files("Makefile", "scripts/**/*.*", "dapr-components/**/*.*", ".github/**/*.*")
    problems = []
    for path in files:
        text = source.text(path)
        problems += [f"{path}:{source.line_of(text, m.start())}: {m.group()}" for m in SYSTEM_CRON.finditer(text)]
    return problems, f"{len(files)} files"


LINTS = {"layers": layers, "fibers": fibers, "scopes": scopes, "broker": broker, "system-crons": system_crons}
