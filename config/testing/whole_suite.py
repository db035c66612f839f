"""`manage.py pytest` when nobody named tests: all of them, by workers beside one another.

The quick tests compute without a pause. The rough ones, on real processes that they hurt, wait
most of the time, and must be served at once when they do not: so they go first wherever both
want a core, and the quick ones take what they leave.
"""

import os
from collections.abc import Sequence

import pytest

from config.bootstrap import ROOT
from config.testing import fork_server, rewriting
from config.testing.forks import Forks, Share

ROUGH, QUICK = "rough", "quick"
QUICK_NICENESS = 5
SHARES = (
    Share(heaps=(ROUGH, QUICK), niceness=(0, QUICK_NICENESS)),
    Share(heaps=(ROUGH, QUICK), niceness=(0, QUICK_NICENESS)),
    Share(heaps=(QUICK,), niceness=(QUICK_NICENESS,)),
    Share(heaps=(QUICK,), niceness=(QUICK_NICENESS,)),
)
# What takes longest, so that nobody is left with it when all others are done.
FIRST = (
    "tests/e2e/test_up.py",
    "tests/chaos/test_faults.py",
    "tests/chaos/flows/test_storm.py",
    "tests/e2e/test_demo.py",
    "tests/integration/commerce/api/test_sensitive_reads.py",
    "tests/integration/api/test_conformance.py",
)
_ROUGH_FOLDERS = ("tests/e2e/", "tests/chaos/")


def main(arguments: Sequence[str]) -> int:
    """Run everything with these options of pytest, and return the exit code."""
    os.chdir(ROOT)  # Only there it finds the tests by itself.
    fork_server.begin()  # It imports the product while the tests are collected, for all workers.
    plugins = [rewriting.Ahead(), Forks(SHARES, heap_of, FIRST)]
    try:
        return int(pytest.main(list(arguments), plugins=plugins))
    finally:
        fork_server.stop()


def heap_of(path: str) -> str:
    """Return which of the two a file of tests is."""
    return ROUGH if path.startswith(_ROUGH_FOLDERS) else QUICK
