# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/ that are made from the binary are those that this binary makes."""
import os
import shutil
import subprocess

from process import BINARY, ROOT


def test_generated_pages_are_current(tmp_path):
    """Where it fails: make docs, and commit."""
    os.makedirs(tmp_path / "scripts")
    os.makedirs(tmp_path / "docs")
    shutil.copy(os.path.join(ROOT, "scripts", "docs.sh"), tmp_path / "scripts")
    subprocess.run([tmp_path / "scripts" / "docs.sh", BINARY], check=True)
    pages = os.listdir(tmp_path / "docs")
    assert pages
    for page in pages:
        with open(tmp_path / "docs" / page, encoding="utf-8") as made, \
                open(os.path.join(ROOT, "docs", page), encoding="utf-8") as kept:
            assert made.read() == kept.read(), page
