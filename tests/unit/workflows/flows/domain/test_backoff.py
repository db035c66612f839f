"""How long a retry waits, and how often there is one."""

from datetime import timedelta

import pytest

from workflows.flows.domain.backoff import delay, may_retry
from workflows.flows.domain.step import WorkConfig

YEAR_MS = 31_536_000_000


def waits(kind: str, base: int, cap: int, *counts: int) -> list[int]:
    work = WorkConfig(backoff_type=kind, init_backoff_ms=base, max_backoff_ms=cap)
    return [delay(work, count) // timedelta(milliseconds=1) for count in counts]


def test_the_wait_grows_as_its_type_says_up_to_the_maximum() -> None:
    assert waits("fixed", 50, 1000, 0, 1, 9) == [50, 50, 50]
    assert waits("linear", 50, 120, 0, 1, 2, 9) == [50, 100, 120, 120]
    assert waits("exponential", 50, 1000, 0, 1, 2, 3, 9) == [50, 100, 200, 400, 1000]
    assert waits("unheard of", 50, 1000, 5) == [50]


@pytest.mark.parametrize("count", [53, 54, 63, 64, 200, 10_000])
def test_the_wait_never_overflows(count: int) -> None:
    assert waits("exponential", 1000, 60_000, count) == [60_000]
    assert waits("exponential", 1000, 10**18, count) == [YEAR_MS]


def test_a_negative_maximum_allows_any_number_of_retries() -> None:
    assert [may_retry(WorkConfig(max_retries=2), count) for count in (0, 1, 2)] == [
        True,
        True,
        False,
    ]
    assert may_retry(WorkConfig(max_retries=-1), 10**6)
