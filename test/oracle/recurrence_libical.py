#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares domain/recurrence with libical on the naive wall clock, by hand: needs libical-dev.

    recurrence_libical.py DRIVER [--cases N] [--seed S]

The rules come from recurrence_oracle.py, without COUNT and UNTIL, and without those that the driver knows to be
impossible (libical looks for them for seconds). Prints how many agree, and the shapes of those that don't:
docs/recurrence.md says which side is right in each.
"""

import argparse
import collections
import os
import random
import subprocess
import sys
import tempfile

import recurrence_oracle as oracle

WANTED = 6


def build(directory):
    program = os.path.join(directory, "recurrence_libical")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recurrence_libical.c")
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O1", "-w", "-o", program, source, "-lical"], check=True)
    return program


def ask(program, lines):
    """One answer for each line; "error" for a line that the program does not survive."""
    answers = []
    while len(answers) < len(lines):
        done = subprocess.run([program], input="\n".join(lines[len(answers):]) + "\n", capture_output=True, text=True,
                              check=False)
        answers += done.stdout.splitlines()
        if done.returncode != 0:
            answers.append("error")
    return answers


def shape(p):
    names = sorted(k for k in p if k not in ("FREQ", "WKST"))
    return p["FREQ"] + (" " if names else "") + " ".join(names)


def known(p, our, their):
    """Why libical answers otherwise, where that is understood; the letters are those of docs/recurrence.md."""
    freq, has_pos = p["FREQ"], "BYSETPOS" in p
    if their == ["error"]:
        return "L1: refused by libical, or it crashed"
    if our[:len(their)] == their:
        return "L8: ends long before the year 9999"
    if has_pos and (freq == "WEEKLY" or {"BYHOUR", "BYMINUTE"} & set(p)):
        return "L2: BYSETPOS of weeks and of times"
    if freq == "DAILY" and min(p.get("BYMONTHDAY", [1])) < 0:
        return "L3: DAILY with BYMONTHDAY from the end"
    if freq == "YEARLY" and "BYMONTHDAY" in p and "BYMONTH" not in p:
        return "L4: YEARLY with BYMONTHDAY of every month"
    if freq == "WEEKLY" and p.get("INTERVAL", 1) > 1:
        return "L5: WEEKLY with INTERVAL when the rule does not match dtstart"
    if "BYWEEKNO" in p:
        return "L6: BYWEEKNO with other week starts, without BYDAY, or across years"
    repeats = [v for v in p.values() if isinstance(v, list) and len(set(v)) < len(v)]
    if repeats or (has_pos and "BYMONTHDAY" in p):
        return "L7: a day or time named twice"
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("driver")
    ap.add_argument("--cases", type=int, default=20000)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    rng = random.Random(args.seed)
    cases = []
    while len(cases) < args.cases:
        p, start, _ = oracle.make_case(rng)
        p = {k: v for k, v in p.items() if k not in ("COUNT", "UNTIL")}
        if "SKIP" in p:
            p["RSCALE"] = "GREGORIAN"
        cases.append((p, start, f"{oracle.rule_text(p, rng).removeprefix('RRULE:').upper()}|{start.isoformat()}|||{WANTED}"))
    ours = ask(args.driver, [c[2] for c in cases])
    possible = [(c, o.split()) for c, o in zip(cases, ours) if not o.startswith("never")]
    with tempfile.TemporaryDirectory() as directory:
        theirs = ask(build(directory), [c[2] for c, _ in possible])
    tally = collections.Counter()
    examples = {}
    for ((p, start, line), our), their in zip(possible, theirs):
        start_s = str(int((start - oracle.EPOCH).total_seconds()))
        their = their.split()
        if their != ["error"] and their[:1] != [start_s]:
            their.insert(0, start_s)  # dtstart is always an occurrence
        our = [w for w in our if w != "end"]
        if our[:WANTED] == their[:WANTED]:
            tally["agree"] += 1
            continue
        tally["differ"] += 1
        name = known(p, our, their) or "not explained: " + shape(p)
        tally[name] += 1
        examples.setdefault(name, (line, our, their))
    print(f"libical: seed {args.seed}, {len(possible)} cases, {tally.pop('agree')} agree, {tally.pop('differ', 0)} differ")
    for name, n in tally.most_common():
        line, our, their = examples[name]
        print(f"  {n:5} {name}: {line}\n        ours   {' '.join(our)}\n        theirs {' '.join(their)}")


if __name__ == "__main__":
    sys.exit(main())
