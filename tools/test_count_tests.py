#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `./dev check` counts for a test executable, by what it printed and how it ended."""
import unittest

from count_tests import count


def entry(result, stdout="", stderr=""):
    return {"result": result, "stdout": stdout, "stderr": stderr}


class Counting(unittest.TestCase):
    def test_cmocka_sub_tests_are_summed(self):
        self.assertEqual(count(entry("OK", "[  PASSED  ] 5 test(s).\n[  PASSED  ] 2 test(s).\n")), (7, 0, 0))

    def test_cmocka_failures_are_counted(self):
        output = "[  PASSED  ] 3 test(s).\n[  FAILED  ] tests: 1 test(s), listed below:\n[  FAILED  ] x\n"
        self.assertEqual(count(entry("FAIL", stderr=output)), (3, 1, 0))

    def test_tap_lines_are_counted(self):
        self.assertEqual(count(entry("FAIL", "ok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no node\n")), (1, 1, 1))

    def test_node_summary_is_counted(self):
        self.assertEqual(count(entry("OK", "ok 1 - a\n# tests 3\n# pass 3\n# fail 0\n# skipped 0\n")), (3, 0, 0))

    def test_a_silent_test_counts_for_one(self):
        self.assertEqual(count(entry("OK")), (1, 0, 0))
        self.assertEqual(count(entry("TIMEOUT")), (0, 1, 0))

    def test_a_crash_after_passing_sub_tests_is_a_failure(self):
        self.assertEqual(count(entry("FAIL", "[  PASSED  ] 5 test(s).\n")), (5, 1, 0))

    def test_a_skip_counts_once(self):
        self.assertEqual(count(entry("SKIP", "no root\n")), (0, 0, 1))


if __name__ == "__main__":
    unittest.main()
