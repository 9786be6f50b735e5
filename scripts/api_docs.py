#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Keeps the answers in docs/api.md those that the service gives: scripts/api_docs.py [--check] [BINARY].

The page is its own source. Its `sh` blocks run in order, in one shell, in a directory whose .run/env is that of a service
just started on an empty database; what a block prints replaces the `http` block behind it. Words behind `http` are the
keys that are shown of each object, the others becoming `...`. What differs from run to run (times of now, uuids, cursors,
weak entity tags) is replaced by stand-ins, the same for the same value. --check changes nothing and fails when the page
would change.
"""
import datetime
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from docs_service import Service, clean_env

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "api.md")
USER = "demo"
BLOCK = re.compile(r"^```(sh|http)([^\n]*)\n(.*?)^```$", re.M | re.S)
HEADERS = {"location", "etag", "link", "x-total-count", "idempotency-replayed", "allow", "www-authenticate", "retry-after"}
WIDTH = 118
MARK = "-- end of block --"


def write_env(service):
    run = os.path.join(service.directory, ".run")
    os.makedirs(run)
    with open(os.path.join(run, "env"), "w", encoding="utf-8") as f:
        f.write(f"TODOD_URL=http://127.0.0.1:{service.port()}\nTODOD_USER={USER}\nTODOD_TOKEN={service.token(USER)}\n")


def run_blocks(blocks, directory):
    """What each block of shell prints. They share variables and functions, as lines pasted into one shell do."""
    script = "".join(f"{block}\nprintf '%s\\n' '{MARK}'\n" for block in blocks)
    result = subprocess.run(["bash", "-c", script], cwd=directory, env=clean_env(), text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    # curl's progress meter is no trouble; a message is.
    if result.returncode or re.search(r"^(bash|curl):", result.stderr, re.M):
        sys.exit(f"api_docs: {result.stderr}")
    return result.stdout.split(MARK + "\n")[:-1]


# ---- what is shown ----

class StandIns:
    """The n-th value of a kind that is met is always called the same."""

    def __init__(self):
        self.seen = {}
        self.now = datetime.datetime.now(datetime.timezone.utc)

    def number(self, kind, value):
        return self.seen.setdefault(kind, {}).setdefault(value, len(self.seen[kind]) + 1)

    def time(self, m):
        at = datetime.datetime.fromisoformat(m[0].replace("Z", "+00:00"))
        if abs(at - self.now) > datetime.timedelta(days=1):
            return m[0]
        return f"2026-12-01T12:{self.number('time', m[0]):02}:00.000000Z"

    def apply(self, text):
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", self.time, text)
        text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
                      lambda m: f"019ad9c0-0000-7000-8000-{self.number('uuid', m[0]):012}", text)
        text = re.sub(r'W/"[0-9a-f]{16}"', lambda m: f'W/"{self.number("etag", m[0]):016x}"', text)
        return re.sub(r'((?:[?&]cursor=|"next_cursor": ?"))([\w-]+)',
                      lambda m: f"{m[1]}CURSOR-{self.number('cursor', m[2])}", text)


def cut(value, keys):
    """The value with only these keys of its objects; None stands for what was left out."""
    if isinstance(value, list):
        return [cut(v, keys) for v in value]
    if isinstance(value, dict) and keys and keys & value.keys():
        kept = {k: cut(v, keys) for k, v in value.items() if k in keys}
        return kept if len(kept) == len(value) else {**kept, "...": None}
    return value


def one_line(value):
    if isinstance(value, dict):
        return "{" + ", ".join("..." if k == "..." else f"{json.dumps(k)}: {one_line(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(one_line(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def lay_out(value, indent=""):
    """JSON that fills its lines: what fits stays together."""
    flat = one_line(value)
    if len(indent) + len(flat) <= WIDTH or not isinstance(value, (dict, list)):
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        items = ["..." if k == "..." else f"{json.dumps(k)}: {lay_out(v, inner)}" for k, v in value.items()]
    else:
        items = [lay_out(v, inner) for v in value]
    lines = [""]
    for i, item in enumerate(items):
        item += "," if i + 1 < len(items) else ""
        if lines[-1] and ("\n" in item + lines[-1] or len(inner) + len(lines[-1]) + 1 + len(item) > WIDTH):
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + item
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, *(inner + line for line in lines), indent + closing])


def show_answer(text, keys):
    """An answer of `curl -i`, with the headers that say something."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    status, *headers = head.split("\n")
    shown = [status.strip()]
    shown += [h for h in headers if h.partition(":")[0].lower() in HEADERS]
    if body.strip():
        shown += ["", lay_out(cut(json.loads(body), keys))]
    return "\n".join(shown) + "\n"


def show(text, keys, stand_ins):
    """All answers that a block printed, one after the other."""
    answers = re.split(r"(?=HTTP/1\.1 \d{3} )", text)
    return stand_ins.apply("\n".join(show_answer(a, keys) for a in answers if a.strip()))


def remake(page, binary):
    blocks = list(BLOCK.finditer(page))
    directory = tempfile.mkdtemp(prefix="todod-docs-")
    service = Service(binary, directory)
    try:
        service.start_database()
        service.start_daemon()
        write_env(service)
        printed = iter(run_blocks([b[3] for b in blocks if b[1] == "sh"], directory))
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)
    stand_ins, made, at, text = StandIns(), [], 0, ""
    for block in blocks:
        if block[1] == "sh":
            text = next(printed)
            continue
        answer = show(text, set(block[2].split()), stand_ins)
        made += [page[at:block.start()], f"```http{block[2]}\n{answer}```"]
        at = block.end()
    return "".join(made) + page[at:]


def main(argv):
    check = "--check" in argv
    names = [a for a in argv if a != "--check"]
    with open(PAGE, encoding="utf-8") as f:
        kept = f.read()
    made = remake(kept, names[0] if names else os.path.join(ROOT, "build", "release", "todod"))
    if check:
        sys.stdout.writelines(difflib.unified_diff(kept.splitlines(True), made.splitlines(True), "docs/api.md", "as it is"))
        return made != kept
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
