#!/usr/bin/env python3
"""What tests/run reports is what ran: count.py over small results of every kind."""

import tempfile
import unittest
from pathlib import Path

import count

CASES = """<testsuites><testsuite name="A">
<testcase name="Good" status="run" result="completed"/>
<testcase name="Better" status="run" result="completed"/>
<testcase name="Skipped" status="run" result="skipped"><skipped/></testcase>
%s</testsuite></testsuites>"""
BAD = '<testcase name="Bad" status="run" result="completed"><failure/></testcase>'


class CountTest(unittest.TestCase):
    def counted(self, statuses, reports):
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder) / "results"
            results.mkdir()
            tests = "".join(f'<testcase name="{n}" status="{s}"/>' for n, s in statuses.items())
            (results / "ctest.xml").write_text(f"<testsuite>{tests}</testsuite>")
            for name, text in reports.items():
                (results / f"{name}.xml").write_text(text)
            return count.count(folder)

    def test_a_program_counts_as_its_cases_and_any_other_test_as_one(self):
        self.assertEqual(self.counted({"base": "run", "structure": "run"}, {"base": CASES % ""}),
                         (3, 0, 1))

    def test_a_failed_case_is_one_failure(self):
        self.assertEqual(self.counted({"base": "fail"}, {"base": CASES % BAD}), (2, 1, 1))

    def test_a_program_that_died_without_a_report_is_one_failure(self):
        self.assertEqual(self.counted({"base": "fail"}, {}), (0, 1, 0))

    def test_a_program_whose_cases_passed_but_that_failed_is_one_failure(self):
        self.assertEqual(self.counted({"base": "fail"}, {"base": CASES % ""}), (2, 1, 1))

    def test_a_program_that_did_not_run_is_a_failure(self):
        self.assertEqual(self.counted({"base": "notrun"}, {}), (0, 1, 0))

    def test_nothing_is_nothing(self):
        self.assertEqual(self.counted({}, {}), (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
