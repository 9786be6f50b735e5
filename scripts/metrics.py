# SPDX-License-Identifier: Apache-2.0
"""
The table of metrics in docs/operations.md: every family that the source has, with its type and help, and the roles of a
run-all whose /metrics show it. scripts/tour.py calls it.
"""
import glob
import os
import re
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "operations.md")
FAMILY = re.compile(r'struct metric_family \w+ = \{\s*"(\w+)",\s*METRIC_(\w+),\s*((?:"[^"]*"\s*)+),?\s*\}')
TABLE = re.compile(r"(?<=<!-- metrics: by make docs -->\n).*?(?=<!-- end -->)", re.S)


def families():
    """{name: (type, help, role whose code it is in, or None)}"""
    found = {}
    for path in sorted(glob.glob("src/*/*.c", root_dir=ROOT) + glob.glob("roles/*/*.c", root_dir=ROOT)):
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            code = f.read()
        matches = FAMILY.findall(code)
        assert len(matches) == len(re.findall(r"struct metric_family \w+ = \{", code)), path
        for name, kind, text in matches:
            role = path.split("/")[1] if path.startswith("roles/") else None
            found[name] = (kind.lower(), "".join(re.findall(r'"([^"]*)"', text)), role)
    return found


def scrape(run):
    """{role: {name: (type, help)}} of the roles that run."""
    shown = {}
    for path in sorted(run.run.glob("*.conf")):
        port = re.search(r"^ops\.port = (\d+)$", path.read_text(encoding="utf-8"), re.M)[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.M))
        shown[path.stem] = {name: (kinds[name], words) for name, words in re.findall(r"^# HELP (\S+) (.*)$", text, re.M)}
    return shown


def table(run):
    shown = scrape(run)
    lines = ["| metric | type | what | roles |", "|---|---|---|---|"]
    for name, (kind, words, own) in sorted(families().items()):
        roles = [role for role in shown if name in shown[role]] or [own or "not in that run"]
        lines.append(f"| `{name}` | {kind} | {words} | {'all' if set(roles) == set(shown) else ', '.join(roles)} |")
    return "\n".join(lines) + "\n"


def read_page():
    with open(PAGE, encoding="utf-8") as f:
        return f.read()


def remake(page, run):
    return TABLE.sub(lambda _: table(run), page)
