#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long `todod parse` takes: usual messages by the thousand through one process, and hostile ones of up to 64 kB one by one.

usage: speed.py [TODOD] [DIR]     DIR: a directory of corpora, for `--dates`

All figures are processor time of todod (user and system), the least of three runs, without what starting it takes: the
clock of a machine that does other things too says less. Reading and writing the JSON and the flush of each line are in."""
import glob
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CONTEXT = ["--now", "2026-03-18T10:00:00", "--tz", "America/New_York"]
ROUNDS, LINES, SIZE = 40, 40000, 65536


def full(unit):
    return (unit * (SIZE // len(unit) + 1))[:SIZE]


HOSTILE = {
    "64 kB of one letter": full("x"),
    "64 kB of digits": full("7"),
    "64 kB of spaces": full(" "),
    "64 kB of 'every '": full("every "),
    "64 kB of 'first and '": full("first and "),
    "64 kB of 'the day after '": full("the day after "),
    "64 kB of 'from 1 to '": full("from 1 to "),
    "64 kB of 'monday and '": full("monday and "),
    "64 kB of '2 weeks and '": full("2 weeks and "),
    "64 kB of 'chinese new year '": full("chinese new year "),
    "64 kB of quotes": full("\"'"),
    "64 kB of '- buy milk'": full("- buy milk tomorrow "),
    "64 kB of dates": full("3/4/2026 "),
    "64 kB of bidi marks": full("\u202e\u2066")[:SIZE // 3],
    "16 kB of 'delete task 3 and '": full("delete task 3 and ")[:16000],
    "16 kB of 'add x to y '": full("add x to y ")[:16000],
    "2000 words of 'move the '": full("move the ")[:9000],
    "2000 words of 'in on at by '": full("in on at by ")[:6000],
    "2000 words of 'a '": full("a ")[:4000],
    "300 words of 'put a on b '": full("put a on b ")[:1500],
}


def cpu(todod, flags, payload):
    before = os.times()
    subprocess.run([todod, "parse", *flags, *CONTEXT], input=payload, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def seconds_each(todod, texts, flags, lines):
    texts = (texts * (lines // len(texts) + 1))[:lines]
    payload = b"".join(json.dumps({"text": t}, ensure_ascii=False).encode() + b"\n" for t in texts)
    empty = min(cpu(todod, flags, b"") for _ in range(3))
    return max(min(cpu(todod, flags, payload) for _ in range(3)) - empty, 0) / lines


def main():
    todod = sys.argv[1] if len(sys.argv) > 1 else "build/release/todod"
    usual = {"commands, test/vectors": ([json.loads(line)["text"] for path in sorted((HERE.parent / "vectors").glob("*.jsonl"))
                                         for line in path.read_text().splitlines()], [])}
    usual["dates, test/vectors"] = (usual["commands, test/vectors"][0], ["--dates"])
    if len(sys.argv) > 2:
        usual["dates, corpora"] = ([json.loads(line)["text"] for path in sorted(glob.glob(os.path.join(sys.argv[2], "*.jsonl")))
                                    for line in pathlib.Path(path).read_text().splitlines()], ["--dates"])
    for name, (texts, flags) in usual.items():
        print(f"{name:32s}{1e6 * seconds_each(todod, texts, flags, LINES):9.1f} us a message")
    print(f"\n{'the worst, ms':32s}{'commands':>9s}{'dates':>9s}")
    for name, text in HOSTILE.items():
        commands, dates = (1e3 * seconds_each(todod, [text], flags, ROUNDS) for flags in ([], ["--dates"]))
        print(f"{name:32s}{commands:9.2f}{dates:9.2f}", flush=True)


main()
