# SPDX-License-Identifier: Apache-2.0
"""Lints about the rest of the tree: shell, YAML, workflows, JSON, SQL, secrets in the history, requirements."""
import json
import os
import re
import subprocess

import yaml

import source

# What a secret looks like. The words are split so that this file does not match itself.
SECRETS = {
    "private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE " + r"KEY-----",
    "cloud key": r"\bAKIA[0-9A-Z]{16}\b",
    "API key": r"\b(?:sk|rk)[-_](?:live|proj|ant)[-_][A-Za-z0-9_-]{20,}",
    "GitHub token": r"\b(?:ghp|gho|ghs|ghu|github_pat)_[A-Za-z0-9_]{30,}",
    "Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "password in a URL": r"\b(?:postgres(?:ql)?|mysql|redis|amqp|https?)://[^\s:/@'\"<>{}$]+:"
                         r"(?!password@|secret@|x@|pw@|p%40%2F@|canary)[^\s:/@'\"<>{}$]{3,}@",
}
# Keys that everybody has: path and kind. test_jwt.c holds the example of RFC 8037, appendix A.1.
PUBLISHED = {("test/unit/auth/test_jwt.c", "private key")}
# Passwords that tests look for where none may be.
CANARY = re.compile(r":[\w-]*canary[\w-]*@")
# Registry hosts and other machines' paths do not belong in a file that travels.
FOREIGN = re.compile(r'"resolved"\s*:|\bregistry=http')


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=source.ROOT, check=True, stdout=subprocess.PIPE,
                          text=True, errors="replace").stdout


def tracked(pattern):
    return [p for p in git("ls-files").splitlines()
            if re.search(pattern, p) and os.path.exists(os.path.join(source.ROOT, p))]


def run(argv):
    result = subprocess.run(argv, cwd=source.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            check=False)
    return result.stdout.strip().splitlines() if result.returncode else []


def is_shell(path):
    with open(os.path.join(source.ROOT, path), "rb") as f:
        return re.match(rb"#!/bin/(ba|da)?sh\b", f.readline()) is not None


def shell():
    paths = [p for p in tracked(r"^(scripts|test|\.ci)/") if is_shell(p)]
    return run(["shellcheck", *paths]), f"{len(paths)} scripts"


def yaml_files():
    paths = tracked(r"\.ya?ml$")
    return run(["yamllint", "-s", "-c", ".yamllint.yml", *paths]), f"{len(paths)} files"


def workflow_problems(path):
    with open(os.path.join(source.ROOT, path), encoding="utf-8") as f:
        workflow = yaml.safe_load(f)
    if workflow.get("permissions") != {}:
        yield "permissions at the top must be {}"
    for name, job in workflow["jobs"].items():
        if "timeout-minutes" not in job:
            yield f"job {name} has no timeout"
        for step in job.get("steps", []):
            uses = step.get("uses", "")
            if uses and not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", uses):
                yield f"job {name}: {uses} is not pinned by commit"
            if uses.startswith("actions/checkout@") and step.get("with", {}).get("persist-credentials") is not False:
                yield f"job {name}: checkout keeps its credentials"


def workflows():
    paths = tracked(r"^\.github/workflows/.*\.yml$")
    return [f"{p}: {problem}" for p in paths for problem in workflow_problems(p)], f"{len(paths)} workflows"


def refuse_duplicates(pairs):
    keys = [k for k, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"key '{key}' twice")
    return dict(pairs)


def json_files():
    problems = []
    # Corpora are meant to be broken.
    paths = [p for p in tracked(r"\.json$") if not p.startswith("test/fuzz/corpus/")]
    for path in paths:
        try:
            json.loads(source.text(path), object_pairs_hook=refuse_duplicates)
        except ValueError as e:
            problems.append(f"{path}: {e}")
        if FOREIGN.search(source.text(path)):
            problems.append(f"{path}: names where a package came from; remove the 'resolved' fields")
    return problems, f"{len(paths)} files"


def sql():
    """Migrations count without gaps, only expand, and force row-level security on what they enable it for."""
    problems = []
    paths = source.files("src/store/migrations/*.sql")
    for number, path in enumerate(paths, 1):
        if not os.path.basename(path).startswith(f"{number:04d}_"):
            problems.append(f"{path}: number {number:04d} expected")
        text = re.sub(r"--[^\n]*|'[^']*'", "", source.text(path))
        for m in re.finditer(r"\bDROP\s+(TABLE|COLUMN|SCHEMA)\b|\bRENAME\b|\bTRUNCATE\b", text):
            problems.append(f"{path}:{source.line_of(text, m.start())}: {m.group()} breaks the release before")
        enabled = set(re.findall(r"ALTER TABLE (\S+) ENABLE ROW LEVEL SECURITY", text))
        forced = set(re.findall(r"ALTER TABLE (\S+) FORCE ROW LEVEL SECURITY", text))
        problems += [f"{path}: {t} has row-level security that its owner passes by" for t in enabled - forced]
    return problems, f"{len(paths)} migrations"


def secrets():
    """Over the whole history: what was once committed is known to whoever has a clone."""
    log = git("log", "-p", "--all", "--no-color", "--unified=0", "--format=commit %h")
    commit, path, problems, commits = "", "", [], 0
    patterns = {name: re.compile(pattern) for name, pattern in SECRETS.items()}
    for line in log.splitlines():
        if line.startswith("commit "):
            commit, commits = line[7:], commits + 1
        elif line.startswith("+++ "):
            path = line[6:]
        elif line.startswith("+") and not CANARY.search(line):
            problems += [f"{commit} {path}: looks like a {name}" for name, pattern in patterns.items()
                         if (path, name) not in PUBLISHED and pattern.search(line)]
    return sorted(set(problems)), f"{commits} commits"


def requirement_rows():
    """(id, cells) of each table row of docs/requirements.md that starts with an id."""
    for line in source.text("docs/requirements.md").splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"[A-Z]{2}\d+", cells[0].strip("*`")):
            yield cells[0].strip("*`"), cells[1:]


def requirements():
    """Each row names test files that are there and that name the row."""
    problems, rows = [], 0
    if not os.path.exists(os.path.join(source.ROOT, "docs/requirements.md")):
        return ["docs/requirements.md is missing"], ""
    for row, cells in requirement_rows():
        rows += 1
        tests = re.findall(r"\b(?:test|scripts)/[\w./-]+\.(?:c|py|sh)\b", " ".join(cells))
        if not tests:
            problems.append(f"{row} names no test")
        for path in tests:
            if not os.path.exists(os.path.join(source.ROOT, path)):
                problems.append(f"{row} names {path}, which is not there")
            elif not re.search(rf"\b{row}\b", source.text(path)):
                problems.append(f"{row}: {path} does not name the row")
    if rows == 0:
        problems.append("docs/requirements.md has no rows")
    return problems, f"{rows} rows"


LINTS = {"shell": shell, "yaml": yaml_files, "workflows": workflows, "json": json_files, "sql": sql,
         "secrets": secrets, "requirements": requirements}
