# SPDX-License-Identifier: Apache-2.0
"""The topics of todod on a broker, as Kafka itself describes them."""
import re
import subprocess

import pytest

from backend import ROOT, real_stack

TABLE = {"task-events": (12, 7), "reminders": (12, 7), "task-updates": (12, 7), "dlq.task-events": (1, 30), "dlq.reminders": (1, 30),
         "dlq.task-updates": (1, 30)}
DAY_MS = 24 * 3600 * 1000


def described(stack):
    """{topic: (partitions, days it keeps)}"""
    done = subprocess.run(stack.java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", stack.brokers, "--describe"), text=True,
                          stdout=subprocess.PIPE, check=True)
    lines = re.findall(r"^Topic: (\S+)\s.*PartitionCount: (\d+)\s.*retention\.ms=(\d+)", done.stdout, re.M)
    return {name: (int(partitions), int(retention) / DAY_MS) for name, partitions, retention in lines}


def test_topics_by_one_command(backend):
    """`make topics` makes the six topics with their partitions and retention; repeated, it changes nothing

    EV18, FL2."""
    if backend.name != "real":
        pytest.skip("the embedded sidecar is told which topics there are")
    for _ in range(2):
        done = subprocess.run(["make", "-s", "topics", f"BROKERS={backend.stack.brokers}"], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout
        found = described(backend.stack)
        assert {name: found.get(name) for name in TABLE} == TABLE
    with open(real_stack.TOPICS, encoding="utf-8") as f:
        assert {line.split()[0] for line in f if line.strip() and not line.startswith("#")} == set(TABLE)
