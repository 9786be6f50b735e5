# SPDX-License-Identifier: Apache-2.0
"""
Where the tests of this directory find the others' tools; and one deployment for them, on the stack that TODOD_TEST_STACK names:
embedded unless told.
"""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[1:1] = [HERE, os.path.join(ROOT, "test", "tools"), os.path.join(ROOT, "test", "flow")]

from deployment import Deployment  # noqa: E402
from process import BINARY  # noqa: E402


@pytest.fixture(scope="session")
def deployment():
    impatient = {"database.statement_timeout": "1s", "dapr.timeout": "2s"}
    with Deployment(os.environ.get("TODOD_TEST_STACK", "embedded"), name="faults", binary=BINARY,
                    settings={"chat-api": impatient}) as made:
        yield made
