"""`manage.py pytest` when nobody named tests: all of them, in two runs beside one another.

The quick tests compute without a pause. The rough ones, on real processes that they hurt, wait
most of the time, and must be served at once when they do not: so they go first wherever both
want a core, and the quick ones take what they leave.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO

from config.bootstrap import ROOT

# The files in this order, and not those with most tests first, as xdist has it: the one that
# takes longest is a single test to it. The short ones at the end let both finish together.
_IN_ORDER = ("--dist", "loadfile", "--no-loadscope-reorder")
QUICK = ("-n", "2", *_IN_ORDER, "tests/integration", "tests/property", "tests/architecture",
         "tests/unit")  # fmt: skip
ROUGH = ("-n", "2", *_IN_ORDER, "tests/e2e", "tests/chaos")
QUICK_NICENESS = 5
_UNTIL_THE_FIRST_FAILURE = ("-x", "--exitfirst", "--maxfail")
STOP_SECONDS_MAX = 60
_TURN_SECONDS = 0.1


def main(arguments: Sequence[str]) -> int:
    """Run everything with these options of pytest, and return the exit code."""
    pytest = [sys.executable, "-m", "pytest", *arguments]
    return side_by_side(
        [*pytest, *QUICK],
        [*pytest, *ROUGH],
        stop_at_first=any(each.startswith(_UNTIL_THE_FIRST_FAILURE) for each in arguments),
    )


def side_by_side(shown: Sequence[str], beside: Sequence[str], *, stop_at_first: bool) -> int:
    """Run both commands; what the second says comes when the first has said all.

    Return 0, or the code of one that failed. With `stop_at_first` its failure ends the other.
    """
    with tempfile.TemporaryFile() as said:
        second = subprocess.Popen(beside, cwd=ROOT, stdout=said, stderr=said)  # noqa: S603
        os.nice(QUICK_NICENESS)  # Of whatever is started from here on.
        first = subprocess.Popen(shown, cwd=ROOT)  # noqa: S603
        runs = [first, second]
        try:
            _see_them_end(runs, stop_at_first=stop_at_first)
        finally:
            _interrupt(runs)
            _show(said)
    return next((run.returncode for run in runs if run.returncode), 0)


def _see_them_end(runs: "list[subprocess.Popen[bytes]]", *, stop_at_first: bool) -> None:
    while None in (codes := [run.poll() for run in runs]):
        if stop_at_first and any(codes):
            return
        time.sleep(_TURN_SECONDS)


def _interrupt(runs: "list[subprocess.Popen[bytes]]") -> None:
    for run in runs:
        if run.poll() is None:
            run.send_signal(signal.SIGINT)
    for run in runs:
        try:
            run.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()


def _show(said: IO[bytes]) -> None:
    said.seek(0)
    sys.stdout.flush()
    shutil.copyfileobj(said, sys.stdout.buffer)
    sys.stdout.flush()
