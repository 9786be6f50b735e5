# SPDX-License-Identifier: Apache-2.0
"""What in docs/ is made from the binary, a running service or its database is what they give now."""
import collections
import os
import re
import shutil
import subprocess

import event_schemas
from process import BINARY, ROOT


def test_generated_pages_are_current(tmp_path):
    """AR15: among them docs/services.md, whose subscriptions and dead letters are those of --describe. Where it fails: make docs."""
    os.makedirs(tmp_path / "scripts")
    os.makedirs(tmp_path / "docs")
    for name in ("docs.sh", "services.py"):
        shutil.copy(os.path.join(ROOT, "scripts", name), tmp_path / "scripts")
    subprocess.run([tmp_path / "scripts" / "docs.sh", BINARY], check=True)
    pages = os.listdir(tmp_path / "docs")
    assert pages
    for page in pages:
        with open(tmp_path / "docs" / page, encoding="utf-8") as made, \
                open(os.path.join(ROOT, "docs", page), encoding="utf-8") as kept:
            assert made.read() == kept.read(), page


def test_the_page_of_events_has_every_type_there_is():
    """Each topic of docs/events/README.md with the types that its schema, and no other one, allows."""
    with open(os.path.join(ROOT, "docs", "events", "README.md"), encoding="utf-8") as f:
        rows = [[c.strip() for c in line.strip("| \n").split("|")] for line in f if ".v1.json)" in line]
    pages = collections.defaultdict(set)
    for row in rows:
        pages[re.search(r"\((\S+)\)", row[2])[1]].update(re.findall(r"`([\w.]+)`", row[1]))
    assert set(pages) == set(event_schemas.SCHEMAS)
    for name, types in pages.items():
        allowed = event_schemas.without_refs(event_schemas.SCHEMAS[name], name)["properties"]["type"]
        assert types == set(allowed.get("enum") or [allowed["const"]]), name


def test_the_api_page_shows_what_the_service_answers():
    """AR14: each request of docs/api.md, sent as it stands there. Where it fails: make docs, look, and commit."""
    done = subprocess.run([os.path.join(ROOT, "scripts", "api_docs.py"), "--check", BINARY], text=True, capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tables_and_plans_are_those_of_the_page():
    """
    FT3, FT4, SE5: docs/data-model.md has the tables, rights and policies that are there, and tells of every statement that
    the service runs; with 110,000 tasks none of them, priorities, tags and searches included, finds rows of users other than
    by an index that begins with the user. Where it fails: make docs, look, and commit.
    """
    done = subprocess.run([os.path.join(ROOT, "scripts", "data_model.py"), "--check", BINARY], text=True, capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
