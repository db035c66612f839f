"""The retry schedule: when to retry, and when to give up. Randomness is an argument."""

from datetime import timedelta

_MINUTE, _HOUR = 60.0, 3600.0

DELAYS_SECONDS = (
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    16 * _HOUR,
    16 * _HOUR,
)
"""After the first failure, the second, … Then the message is given up."""

JITTER = 0.1
"""Give or take this share, so that messages that failed together do not return together."""

WINDOW = timedelta(days=3)
"""Nothing is sent later than this after it happened."""

RETRY_AFTER_SECONDS_MAX = 24 * _HOUR


TURN_SECONDS = (1.0, 60.0)
"""The shortest and the longest wait for a turn, before it is spread."""


def turn_seconds(*, age: timedelta, uniform: float) -> float:
    """Return when to ask again whether a receiver has room: after half of the message's age.

    Give or take half of that: nothing becomes much later by it, and a herd asks seldom.
    `uniform` is random in [0, 1].
    """
    assert 0 <= uniform <= 1, "uniform is a share"
    shortest, longest = TURN_SECONDS
    return min(max(age.total_seconds() / 2, shortest), longest) * (0.5 + uniform)


def delay_seconds(
    *, failures: int, age: timedelta, uniform: float, retry_after: float | None = None
) -> float | None:
    """Return how long to wait after the `failures`-th failure; None means give up.

    `uniform` is random in [0, 1]. What the receiver asked for by `Retry-After` is a lower
    bound, unless it asks for more than a day.
    """
    assert failures >= 1, "nothing failed yet"
    assert 0 <= uniform <= 1, "uniform is a share"
    if failures > len(DELAYS_SECONDS):
        return None
    delay = DELAYS_SECONDS[failures - 1] * (1 + JITTER * (2 * uniform - 1))
    if retry_after is not None:
        delay = max(delay, min(retry_after, RETRY_AFTER_SECONDS_MAX))
    return delay if age + timedelta(seconds=delay) <= WINDOW else None
