#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Keeps docs/tour.md what `make run-all` really does, and the table of metrics in docs/operations.md: scripts/tour.py [--check].

The page is its own source, as docs/api.md is. Its `sh` blocks run in order, in one shell, in the directory of a run-all on
an empty database; what a block prints replaces the `http` or `text` block behind it, and one without such a block prints
nothing. The block `make run-all` is that start, and shows what it says when all is ready. `until=REGEX` behind `sh` is for
what comes a moment later: the block, which changes nothing, is run again until it prints that. What differs from run to
run has stand-ins. --check changes nothing and fails when a page would change.
"""
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import metrics
from api_docs import MARK, StandIns, show
from docs_service import clean_env

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "flow"))
from run_all import RunAll, free_port, make_checkout  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "tour.md")
START = "make run-all\n"
USUAL_PORT = 8000
PORTS = 400  # from the port of chat-api on
BLOCK = re.compile(r"^```(sh|http|text)([^\n]*)\n(.*?)^```$", re.M | re.S)
ROLE_LINE = re.compile(r'^\S+ +\{"ts":')
# As a terminal shows it, but for curl's meter.
PROLOGUE = """exec 2>&1
curl() { command curl --no-progress-meter "$@"; }
"""
AGAIN = """for left in $(seq 300 -1 0); do
out=$(
%s)
pattern='%s'
[[ ! $out =~ $pattern ]] || break
[ "$left" -gt 0 ] || exit 1
sleep 0.2
done
printf '%%s\\n' "$out"
"""


def script_of(blocks):
    parts = [PROLOGUE]
    for words, text in blocks:
        until = re.search(r"\buntil=(.+)", words)
        parts.append(AGAIN % (text, until[1]) if until else text)
        parts.append(f"printf '%s\\n' '{MARK}'\n")
    return "".join(parts)


def run_blocks(blocks, directory):
    """What each block prints, standard error included. They share variables and functions."""
    result = subprocess.run(["bash", "-c", script_of(blocks)], cwd=directory, env={**clean_env(), "LC_ALL": "C.UTF-8"}, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False, timeout=600)
    printed = result.stdout.split(MARK + "\n")
    if len(printed) != len(blocks) + 1:
        sys.exit(f"tour: the shell ended in block {len(printed)}: {blocks[len(printed) - 1][1]}\n{result.stdout}")
    return printed[:-1]


def welcome(output):
    """What run-all says, without the lines of the roles that come in between."""
    lines = output[output.index("todod is ready at"):].splitlines()
    end = next(i for i, line in enumerate(lines) if line.startswith("Ctrl-C"))
    return "\n".join(line for line in lines[:end + 1] if not ROLE_LINE.match(line)) + "\n"


class TourStandIns(StandIns):
    def __init__(self, port):
        super().__init__()
        self.port = port

    def move_port(self, m):
        port = int(m[2])
        return f"{m[1]}{port - self.port + USUAL_PORT}" if self.port <= port < self.port + PORTS else m[0]

    def apply(self, text):
        text = super().apply(text)
        text = re.sub(r"(127\.0\.0\.1:)(\d+)", self.move_port, text)
        text = re.sub(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "TOKEN", text)
        text = re.sub(r"\b[0-9a-f]{64}\b", lambda m: f"{self.number('hash', m[0]):04x}" + "0" * 60, text)
        text = re.sub(r"\b[0-9a-f]{32}\b", lambda m: f"{self.number('trace', m[0]):04x}" + "0" * 28, text)
        # As mails have times.
        text = re.sub(r"\w{3}, \d\d? \w{3} \d{4} [\d:]{8} \+0000", "Tue, 1 Dec 2026 12:00:00 +0000", text)
        text = re.sub(r"\w+day, \d\d? \w+ \d{4}, \d\d:\d\d UTC", "Tuesday, 1 December 2026, 12:00 UTC", text)
        # Made by the clock, the first one after a minute.
        return re.sub(r'"checkpoints":\d+,"heads":\d+(?:,"last_checkpoint":"[^"]*")?', '"checkpoints":0,"heads":0', text)


def made_of(block, printed, stand_ins):
    """What stands in a block of output."""
    if block[1] == "http":
        return show(printed, set(block[2].split()), stand_ins)
    return stand_ins.apply(printed)


def remake(page, run):
    """The page with what a run-all that is ready, on an empty database, gives."""
    blocks = list(BLOCK.finditer(page))
    shell = [(b[2], b[3]) for b in blocks if b[1] == "sh" and b[3] != START]
    outputs = iter(run_blocks(shell, run.checkout))
    stand_ins, made, at, pending = TourStandIns(run.port), [], 0, ""
    for block in blocks:
        if block[1] == "sh":
            if pending:
                sys.exit(f"tour: nothing takes what is printed before {block[3]!r}: {pending}")
            pending = welcome(run.output()) if block[3] == START else next(outputs)
            continue
        made += [page[at:block.start()], f"```{block[1]}{block[2]}\n{made_of(block, pending, stand_ins)}```"]
        at, pending = block.end(), ""
    return "".join(made) + page[at:]


def difference(page, made):
    return "".join(difflib.unified_diff(page.splitlines(True), made.splitlines(True), "as it stands in docs/", "as it is"))


def read_page():
    with open(PAGE, encoding="utf-8") as f:
        return f.read()


def remake_both():
    """[(path, page, page as it is)]: metrics are asked for when there is something to count."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="todod-tour-"))
    run = RunAll(make_checkout(directory), free_port())
    try:
        run.ready()
        return [(m.PAGE, page, m.remake(page, run)) for m in (sys.modules[__name__], metrics) for page in (m.read_page(),)]
    finally:
        run.remove()
        shutil.rmtree(directory, ignore_errors=True)


def main(argv):
    pages = remake_both()
    if "--check" in argv:
        sys.stdout.write("".join(difference(page, made) for _, page, made in pages))
        return any(page != made for _, page, made in pages)
    for path, _, made in pages:
        with open(path, "w", encoding="utf-8") as f:
            f.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
