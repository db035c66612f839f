from datetime import timedelta

import pytest

from workflows.webhooks.domain.breaker import pause


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, None), (4, None), (5, 30), (6, 60), (7, 120), (9, 480), (10, 900), (10**6, 900)],
)
def test_an_endpoint_is_left_alone_longer_the_longer_it_fails(
    failures: int, seconds: float | None
) -> None:
    assert pause(failures) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(("asked", "seconds"), [(7, 7), (86400, 900)])
def test_an_endpoint_that_names_a_time_gets_it_within_bounds(asked: float, seconds: float) -> None:
    assert pause(0, retry_after=asked) == timedelta(seconds=seconds)
