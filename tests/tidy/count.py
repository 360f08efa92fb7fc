#!/usr/bin/env python3
"""count.py BUILD prints `PASSED FAILED SKIPPED` of the last ctest run of a build tree.

A GoogleTest program counts as its cases, by the report that it wrote; any other test as one. A
program that ctest saw fail though none of its cases did (a crash, a leak, a timeout) is one failure.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def cases(report):
    """(passed, failed, skipped) of one GoogleTest report; nothing if there is none to read."""
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    passed = failed = skipped = 0
    for case in root.iter("testcase"):
        if case.find("failure") is not None:
            failed += 1
        elif case.get("result") == "completed":
            passed += 1
        else:
            skipped += 1
    return passed, failed, skipped


def count(build):
    results = Path(build) / "results"
    passed = failed = skipped = 0
    for test in ElementTree.parse(results / "ctest.xml").getroot().iter("testcase"):
        good = test.get("status") == "run"
        p, f, s = cases(results / f"{test.get('name')}.xml") or (int(good), int(not good), 0)
        if not good and f == 0:
            f = 1
        passed, failed, skipped = passed + p, failed + f, skipped + s
    return passed, failed, skipped


if __name__ == "__main__":
    try:
        print(*count(sys.argv[1]))
    except (OSError, ElementTree.ParseError) as error:
        print(f"no results of ctest: {error}", file=sys.stderr)
        print("0 1 0")
