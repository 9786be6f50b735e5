# SPDX-License-Identifier: Apache-2.0
"""What a process costs, from /proc. Of a process that is gone: nothing."""
import os
import re
import subprocess

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid, with_ended=False):
    """User and system time. with_ended: with those of its children that ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(v) for v in fields[11:15 if with_ended else 13]) / TICK


def machine_seconds():
    """What all its processors have worked, those of its host's other guests not counted."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _, _, irq, softirq = (int(v) for v in f.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICK


def memory_kib(pid, field="RssAnon"):
    """RssAnon: what is the process's own; VmRSS: with libraries and what is shared."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            return int(re.search(rf"^{field}:\s+(\d+)", f.read(), re.M)[1])
    except (OSError, TypeError):
        return 0


def children(pid):
    done = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], text=True, stdout=subprocess.PIPE, check=False)
    return [int(child) for child in done.stdout.split()]


def tree_cpu_seconds(pid):
    """Of a server whose sessions are its children, PostgreSQL: those that are there, and those that ended."""
    return sum(cpu_seconds(child) for child in children(pid)) + cpu_seconds(pid, with_ended=True)
