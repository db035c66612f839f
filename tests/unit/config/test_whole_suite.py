"""What all tests are, and who runs which."""

import pytest

from config import command_line
from config.bootstrap import ROOT
from config.testing import whole_suite


class TestHeaps:
    @pytest.mark.parametrize(
        ("path", "heap"),
        [
            ("tests/e2e/test_up.py", "rough"),
            ("tests/chaos/flows/test_storm.py", "rough"),
            ("tests/unit/config/processes/test_up.py", "quick"),
        ],
    )
    def test_are_told_by_the_folder(self, path: str, heap: str) -> None:
        assert whole_suite.heap_of(path) == heap

    def test_are_all_taken_by_somebody(self) -> None:
        taken = {heap for share in whole_suite.SHARES for heap in share.heaps}

        assert taken == {whole_suite.ROUGH, whole_suite.QUICK}

    def test_begin_with_files_that_there_are(self) -> None:
        assert [path for path in whole_suite.FIRST if not (ROOT / path).is_file()] == []


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
    arguments: list[str],
    is_whole: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    assert command_line.is_whole_suite(arguments) is is_whole
