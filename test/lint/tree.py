# SPDX-License-Identifier: Apache-2.0
"""Lints about the rest of the tree: shell, YAML, Dapr components, workflows, JSON, SQL, secrets in the history, requirements."""
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


# What may differ between environments: how a broker, a store or a secret is reached, and who resolves names.
REACHED_BY = {"brokers", "authType", "saslUsername", "saslPassword", "saslMechanism", "disableTls", "skipVerify",
              "connectionString", "secretsFile", "multiValued"}
PASSWORDS = re.compile(r"password|username|connectionString|brokers", re.I)


def load_resources(directory):
    """{(kind, name): document} of a directory of dapr-components."""
    found = {}
    for path in source.files(f"{directory}/*.yaml", f"{directory}/config/*.yaml"):
        for document in yaml.safe_load_all(source.text(path)):
            if document:
                found[(document["kind"], document["metadata"]["name"])] = document
    return found


def same_everywhere(document):
    """The part of a resource that must not depend on the environment."""
    spec, kind = document["spec"], document["kind"]
    if kind == "Resiliency":
        return spec
    if kind == "Component":
        return (document.get("scopes"), spec["version"], spec["type"].split(".")[0],
                sorted((m["name"], m.get("value")) for m in spec["metadata"] if m["name"] not in REACHED_BY))
    access = spec["accessControl"]
    policies = [{k: v for k, v in p.items() if k != "namespace"} for p in access.get("policies", [])]
    return access["defaultAction"], access["trustDomain"], policies, spec["secrets"]


def topic_table():
    return {line.split()[0] for line in source.text("dapr-components/topics").splitlines()
            if line.strip() and not line.startswith("#")}


def scope_problems(document, topics):
    """Of kafka-pubsub: the topics are those of the table, and who subscribes may publish the dead letters of it."""
    values = {m["name"]: m.get("value") for m in document["spec"]["metadata"]}
    scopes = {kind: {app: set(names.split(",")) for app, _, names in (s.partition("=") for s in values[kind].split(";"))}
              for kind in ("publishingScopes", "subscriptionScopes")}
    named = set(values["protectedTopics"].split(","))
    if named != topics:
        yield f"protectedTopics are not those of dapr-components/topics: {sorted(named ^ topics)}"
    for kind, apps in scopes.items():
        if set(apps) != set(document["scopes"]):
            yield f"{kind} is not about the apps of the component: {sorted(set(apps) ^ set(document['scopes']))}"
        unknown = set().union(*apps.values()) - topics
        if unknown:
            yield f"{kind} has topics that are not in dapr-components/topics: {sorted(unknown)}"
    for app, names in scopes["subscriptionScopes"].items():
        wanted = {f"dlq.{n}" for n in names if not n.startswith("dlq.")}
        if wanted - scopes["publishingScopes"].get(app, set()):
            yield f"{app} may not publish the dead letters of what it subscribes to"


def components():
    """dapr-components/local and cloud: same names, same scopes, same promises."""
    local, cloud = load_resources("dapr-components/local"), load_resources("dapr-components/cloud")
    problems = [f"{kind} {name} is only in one of local and cloud" for kind, name in sorted(set(local) ^ set(cloud))]
    for key in sorted(set(local) & set(cloud)):
        if same_everywhere(local[key]) != same_everywhere(cloud[key]):
            problems.append(f"{key[0]} {key[1]} differs between local and cloud in more than how it is reached")
    topics = topic_table()
    problems += [f"{t} has no dlq.{t} in dapr-components/topics" for t in sorted(topics)
                 if not t.startswith("dlq.") and f"dlq.{t}" not in topics]
    for place, resources in (("local", local), ("cloud", cloud)):
        problems += [f"{place}: {p}" for p in scope_problems(resources["Component", "kafka-pubsub"], topics)]
    for key, document in cloud.items():
        for m in document["spec"].get("metadata", []) if document["kind"] == "Component" else []:
            if PASSWORDS.search(m["name"]) and "secretKeyRef" not in m:
                problems.append(f"cloud {key[1]}: {m['name']} does not come from a secret")
    return problems, f"{len(local)} and {len(cloud)} resources, {len(topics)} topics"


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
        for m in re.finditer(r"\bDROP\s+(TABLE|COLUMN|SCHEMA)\b|\bRENAME\b|(?<!OR )\bTRUNCATE\b", text):
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


# A test in a page: `test/flow/test_x.py::test_one` or `test_x::test_one`, and after it `::test_two`, which is in the same file.
PROOF = re.compile(r"`((?:test|scripts)/[\w./-]+\.(?:c|h|py|sh)|test_\w+(?=::))?(?:::(\w+))?`")


def file_of(named):
    """The path of what a page names; None when it is not there, or not the only one."""
    if "/" in named:
        return named if os.path.exists(os.path.join(source.ROOT, named)) else None
    found = source.files(f"test/**/{named}.py")
    return found[0] if len(found) == 1 else None


def proofs():
    """Each test that a page names is there: its file, and in it a function of that name."""
    problems, seen = [], 0
    for page in source.files("docs/**/*.md", "*.md"):
        path = None
        for named, test in PROOF.findall(source.text(page)):
            path = file_of(named) if named else path
            seen += bool(named or test)
            if (named or test) and path is None:
                problems.append(f"{page} names {named or '::' + test}, which is not there")
            elif test and not re.search(rf"\bdef {test}\(|\b{test}\)", source.text(path)):
                problems.append(f"{page}: {path} has no {test}")
    return problems, f"{seen} tests"


LINTS = {"shell": shell, "yaml": yaml_files, "components": components, "workflows": workflows, "json": json_files, "sql": sql,
         "secrets": secrets, "requirements": requirements, "proofs": proofs}
