"""What the door does with arguments, as far as it decides anything itself."""

import pytest

from config import door

PARALLEL = ["-n", "3", "--dist", "loadfile"]


class TestPytest:
    @pytest.mark.parametrize("arguments", [[], ["-q"], ["-x", "-q"]])
    def test_runs_the_whole_suite_in_parallel(self, arguments: list[str]) -> None:
        assert door._whole_suite_in_parallel(arguments) == [*PARALLEL, *arguments]

    @pytest.mark.parametrize(
        "arguments", [["tests/unit"], ["-q", "-k", "fence"], ["-n", "0"], ["-m", "chaos"]]
    )
    def test_runs_what_was_named_as_it_was_named(self, arguments: list[str]) -> None:
        assert door._whole_suite_in_parallel(arguments) == arguments
