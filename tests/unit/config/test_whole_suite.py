"""All tests are run in two runs beside one another, and read like one."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from config import door
from config.bootstrap import ROOT
from config.testing import whole_suite

DRIVE = """
import sys
from config.testing import whole_suite
shown, beside, stop_at_first = eval(sys.argv[1])
sys.exit(whole_suite.side_by_side(shown, beside, stop_at_first=stop_at_first))
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def side_by_side(
    shown: Sequence[str], beside: Sequence[str], *, stop_at_first: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Run it in a process of its own, which it makes nice."""
    told = repr((shown, beside, stop_at_first))
    return subprocess.run(
        [*python(DRIVE), told],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


class TestBothRuns:
    def test_are_under_way_at_once_and_shown_one_after_the_other(self, tmp_path: Path) -> None:
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        for pipe in (ours, theirs):
            os.mkfifo(pipe)
        # Each waits for the other, in the middle of what it says.
        first = (
            f"print(1, flush=True); open({str(ours)!r}).read();open({str(theirs)!r}, 'w'); print(2)"
        )
        second = (
            f"print(3, flush=True); open({str(ours)!r}, 'w');open({str(theirs)!r}).read(); print(4)"
        )

        done = side_by_side(python(first), python(second))

        assert (done.stdout.split(), done.returncode) == (["1", "2", "3", "4"], 0)

    @pytest.mark.parametrize(("codes", "whole"), [((0, 3), 3), ((2, 0), 2)])
    def test_must_both_be_green(self, codes: tuple[int, int], whole: int) -> None:
        done = side_by_side(*(python(f"raise SystemExit({code})") for code in codes))

        assert done.returncode == whole

    @pytest.mark.parametrize("fails", [0, 1])
    def test_end_with_the_first_failure_if_that_is_asked_for(
        self, tmp_path: Path, fails: int
    ) -> None:
        runs_already = tmp_path / "runs-already"
        os.mkfifo(runs_already)
        endless = python(f"import time; open({str(runs_already)!r}, 'w'); time.sleep(600)")
        runs = [endless, endless]
        runs[fails] = python(f"open({str(runs_already)!r}).read(); raise SystemExit(1)")

        done = side_by_side(*runs, stop_at_first=True)

        assert done.returncode != 0

    def test_leave_the_cores_to_the_second_where_both_want_them(self) -> None:
        tell = python("import os; print(os.nice(0))")

        first, second = map(int, side_by_side(tell, tell).stdout.split())

        assert first - second == whole_suite.QUICK_NICENESS


class TestWhatIsRun:
    def test_is_every_folder_of_tests(self) -> None:
        folders = {
            str(found.parent.relative_to(ROOT).as_posix()).split("/")[1]
            for found in (ROOT / "tests").glob("**/test_*.py")
        }
        run = [*whole_suite.QUICK, *whole_suite.ROUGH]

        assert sorted(f"tests/{folder}" for folder in folders) == sorted(
            each for each in run if each.startswith("tests/")
        )

    @pytest.mark.parametrize(
        ("arguments", "is_whole"),
        [
            ([], True),
            (["-q", "-x"], True),
            (["tests/unit"], False),
            (["-k", "flow"], False),
            (["-n", "4"], False),
            (["-m", "soak"], False),
        ],
    )
    def test_is_everything_unless_tests_are_named(
        self,
        arguments: list[str],
        is_whole: bool,  # noqa: FBT001 (a column of the table)
    ) -> None:
        assert door.is_whole_suite(arguments) is is_whole
