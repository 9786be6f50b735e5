#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints docs/services.md from what the binary says of itself: scripts/services.py BINARY. scripts/docs.sh calls it."""
import json
import subprocess
import sys

HEAD = """# Services

Made by `make docs` from `todod --list-roles` and `todod --role=ROLE --describe`; a test compares.

One binary is every service; `--role` says which one a process is. Roles call each other only through their sidecar: events go over topics, and the few questions that wait for an answer (the history of a
task) go by invocation. A process opens only what its role needs, and is somebody else to the database than its neighbours. A role listens at up to three ports, for three kinds of callers: *public* for users,
*ops* for whoever runs it, *dapr* for its own sidecar alone.
"""


def ask(binary, *args):
    return subprocess.run([binary, *args], check=True, text=True, stdout=subprocess.PIPE).stdout


def table(header, rows):
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def code(words):
    return ", ".join(f"`{w}`" for w in words)


def need(role, name):
    if name != "dapr":
        return name
    return "sidecar (waits for it)" if role["waits_for_sidecar"] else "sidecar (ready without it)"


def overview(roles):
    yield from table(
        ["role", "what it is", "ports: public, ops, dapr", "needs"],
        [[f"[{r['name']}](#{r['name']})", r["summary"], ", ".join(str(r["ports"].get(k, "none")) for k in ("public", "ops", "dapr")),
          ", ".join(need(r, n) for n in r["needs"])] for r in roles])


def route_key(route):
    return route["method"], route["path"]


def common(roles, part, key):
    """What all roles have of it."""
    return set.intersection(*({key(item) for item in r[part]} for r in roles))


def routes_of(role, left_out):
    listeners, kept = {}, {}
    for route in role["routes"]:
        if route_key(route) not in left_out:
            listeners.setdefault(route_key(route), []).append(route["listener"])
            kept.setdefault(route_key(route), route)
    return [[f"`{method} {path}`", kept[method, path]["summary"], ", ".join(where)] for (method, path), where in listeners.items()]


def subscription_rows(role):
    for s in role["subscriptions"]:
        raw = s.get("metadata", {}).get("rawPayload") == "true"
        yield [f"`{s['topic']}`", f"`POST {s['routes']['default']}`",
               f"`{s['deadLetterTopic']}`" if "deadLetterTopic" in s else "none", "the record's bytes" if raw else "CloudEvents"]


def calls(role):
    """Beside events: what the sidecar calls it for."""
    if role["crons"]:
        yield f"Crons: {code(role['crons'])}."
    if role["jobs"]:
        yield "Jobs: `POST /job/{name}`."


def section(role, common_routes, common_keys):
    yield f"## {role['name']}\n"
    if role["database_roles"]:
        yield "To the database it is " + ", ".join(f"`{d['role']}` (`{d['key']}`)" for d in role["database_roles"]) + ".\n"
    if role["subscriptions"]:
        yield from table(["topic", "delivered to", "dead letters", "as"], subscription_rows(role))
    lines = list(calls(role))
    if lines:
        yield "\n".join(lines) + "\n"
    routes = routes_of(role, common_routes)
    if routes:
        yield from table(["route", "", "listeners"], routes)
    own = [k for k in role["configuration"] if k["name"] not in common_keys]
    if own:
        yield from keys_of(own)


def all_section(described):
    """What --role=all is beside its roles."""
    ops = [r for r in described["roles"] if "ops" in r["ports"]]
    yield "## all\n"
    yield "`--role=all` is every role in one process, each at its ports and as its own database roles, beside the embedded sidecar that is one of them. " \
          f"Operations are asked at one port, {', '.join(str(r['ports']['ops']) for r in ops)} of {code(r['name'] for r in ops)}: `/readyz` when all are ready, and " \
          "each metric with the label `role`. [ADR 13](adr/0013-all-roles-in-one-process.md) says how it is configured.\n"
    yield from keys_of(described["configuration"])


def keys_of(keys):
    yield from table(["key of its own", "", "default"],
                     [[f"`{k['name']}`", k["doc"], f"`{k['default']}`" if k["default"] is not None else ""] for k in keys])


def page(roles, described):
    common_routes = common(roles, "routes", route_key)
    common_keys = common(roles, "configuration", lambda k: k["name"])
    yield HEAD
    yield from overview(roles)
    yield "Every role has these routes, and the keys of [configuration.md](configuration.md):\n"
    yield from table(["route", "", "listener"],
                     [[f"`{r['method']} {r['path']}`", r["summary"], r["listener"]] for r in roles[0]["routes"]
                      if route_key(r) in common_routes])
    for role in roles:
        yield from section(role, common_routes, common_keys)
    yield from all_section(described)


def main(binary):
    names = [line.split("\t")[0] for line in ask(binary, "--list-roles").splitlines()]
    roles = [json.loads(ask(binary, f"--role={name}", "--describe")) for name in names]
    described = json.loads(ask(binary, "--role=all", "--describe"))
    print("\n".join(page(roles, described)).rstrip("\n"))


if __name__ == "__main__":
    main(sys.argv[1])
