#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every lint, or those named: test/lint/run.py [LINT...]. One line each, with what it looked at."""
import sys

import architecture
import events
import mutations
import style
import tree

LINTS = {**style.LINTS, **architecture.LINTS, **tree.LINTS, **events.LINTS, **mutations.LINTS}
SHOWN_MAX = 40


def main(names):
    failed = 0
    for name in names or LINTS:
        if name not in LINTS:
            sys.exit(f"lint: no lint '{name}'; there are: {' '.join(LINTS)}")
        problems, note = LINTS[name]()
        print(f"lint {name}: {'FAILED' if problems else 'ok'} ({note})")
        for problem in problems[:SHOWN_MAX]:
            print(f"  {problem}")
        if len(problems) > SHOWN_MAX:
            print(f"  ... and {len(problems) - SHOWN_MAX} more")
        failed += bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
