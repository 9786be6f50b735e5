#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Scores test/vectors/commands_*.jsonl through the binary: vectors.py [TODOD] [--show].

A sentence is right when the intent and every key that its vector names are right; a title, a
reference or a date that the vector does not name may not be there for the intents that change
tasks. commands_unseen.jsonl was written before the grammar and is reported apart. Fails when a sentence
that is not about tasks changes one, when a seen sentence is wrong, or under 95 % of the unseen.
"""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NOW, ZONE = "2026-03-18T10:00:00", "America/New_York"


def same(key, want, got, answer):
    if key == "commands":
        return 1 + len(answer.get("more", [])) == want
    if key == "due":
        return bool(got) and matches(want, got["value"])
    if key == "remind_at":
        return bool(got) and matches(want, got)
    if key in ("filter", "task_ref") and isinstance(want, dict):
        if key == "task_ref" and "filter" in want:
            return bool(got) and same("filter", want["filter"], got.get("filter"), answer)
        return bool(got) and all(part(want[k], got.get(k)) for k in want)
    return got == want


def part(want, got):
    return got == want or (isinstance(want, str) and isinstance(got, str) and matches(want, got))


def matches(want, got):
    return got == want or (len(want) == 16 and got.startswith(want)) or (
        len(want) == 10 and got.startswith(want) and got[11:16] in ("", "00:00"))


def judge(want, got):
    if "error" in got or got["intent"] != want["intent"]:
        return "intent"
    for key, value in want.items():
        if key != "intent" and not same(key, value, got.get(key), got):
            return key
    if want["intent"] in ("add", "update") and "title" in got and "title" not in want:
        return "title"
    return None


def score(todod, path, show):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    lines = "".join(json.dumps({"text": r["text"]}) + "\n" for r in rows)
    out = subprocess.run([todod, "parse", "--now", NOW, "--tz", ZONE], input=lines, text=True,
                         capture_output=True, check=True).stdout
    answers = [json.loads(line) for line in out.splitlines()]
    wrong, harmful = 0, 0
    if len(answers) != len(rows):
        sys.exit(f"{path.name}: {len(rows)} lines in, {len(answers)} out")
    for row, got in zip(rows, answers):
        why = judge(row["expect"], got)
        wrong += why is not None
        changes = got.get("intent") not in ("unknown", "list", "help", "search", "history", "greet",
                                            "confirm", "deny", "undo", None)
        harmful += row["expect"]["intent"] == "unknown" and changes
        if why and show:
            print(f"{why:12} {json.dumps(row, ensure_ascii=False)}\n             "
                  f"{json.dumps({k: v for k, v in got.items() if k not in ('text', 'spans')}, ensure_ascii=False)}")
    right = len(rows) - wrong
    print(f"{path.name:24} {right:4} of {len(rows):4} right, {100 * right / len(rows):5.1f} %, "
          f"{harmful} changed a task that should not")
    return right / len(rows), harmful


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    todod = args[0] if args else str(HERE.parents[1] / "build/release/todod")
    failed = False
    for path in sorted((HERE.parent / "vectors").glob("commands_*.jsonl")):
        unseen = "unseen" in path.name
        share, harmful = score(todod, path, "--show" in sys.argv and not unseen)
        failed |= harmful > 0 or share < (0.95 if unseen else 1)
    sys.exit(failed)


if __name__ == "__main__":
    main()
