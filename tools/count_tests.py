#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts the sub-tests of a `meson test` run: count_tests.py testlog.json MESON_EXIT_CODE.

Prints "PASSED FAILED SKIPPED". A test executable counts for the sub-tests it printed (cmocka's
summary, TAP lines, or node's `# pass N`), and for one where it printed none. One that failed as a whole (a crash, a
leak, a timeout) without a failed sub-test adds one failure.
"""
import json
import re
import sys

CMOCKA_PASSED = re.compile(r"^\[  PASSED  \] (\d+) test", re.M)
CMOCKA_FAILED = re.compile(r"^\[  FAILED  \]\s+.*?(\d+) test", re.M)
CMOCKA_SKIPPED = re.compile(r"^\[  SKIPPED \] (\d+) test", re.M)
TAP_LINE = re.compile(r"^(not ok|ok)\b(?:.*?(# SKIP))?", re.M | re.I)
NODE_COUNT = re.compile(r"^(?:#|ℹ) (pass|fail|skipped) (\d+)$", re.M)


def subtests(output):
    """(passed, failed, skipped) as the test itself printed them."""
    node = {word: int(number) for word, number in NODE_COUNT.findall(output)}
    if node:
        return node.get("pass", 0), node.get("fail", 0), node.get("skipped", 0)
    passed = sum(map(int, CMOCKA_PASSED.findall(output)))
    failed = sum(map(int, CMOCKA_FAILED.findall(output)))
    skipped = sum(map(int, CMOCKA_SKIPPED.findall(output)))
    for verdict, skip in TAP_LINE.findall(output):
        if skip:
            skipped += 1
        elif verdict.lower() == "ok":
            passed += 1
        else:
            failed += 1
    return passed, failed, skipped


def count(test):
    """The counts of one entry of meson's test log."""
    passed, failed, skipped = subtests(test.get("stdout", "") + "\n" + test.get("stderr", ""))
    if test["result"] in ("SKIP", "IGNORED"):
        return 0, 0, 1
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        return (passed, failed, skipped) if passed + failed + skipped else (1, 0, 0)
    return passed, max(failed, 1), skipped


def main():
    path, meson_exit = sys.argv[1], int(sys.argv[2])
    with open(path, encoding="utf-8") as log:
        counts = [count(json.loads(line)) for line in log if line.strip()]
    passed, failed, skipped = (sum(column) for column in zip(*counts)) if counts else (0, 0, 0)
    if meson_exit != 0 and failed == 0:
        failed = 1  # meson itself failed: the log is not the whole story
    print(passed, failed, skipped)


if __name__ == "__main__":
    main()
