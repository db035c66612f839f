"""The circuit breaker: when to pause calls to an endpoint so that it can recover."""

from datetime import timedelta

THRESHOLD = 5
"""Failures in a row, over all messages to the same origin."""
PROBE = timedelta(seconds=30)
"""How long one message may try the endpoint while the others wait."""
_FIRST_SECONDS = 30.0
_LONGEST_SECONDS = 900.0


def pause(failures: int, *, retry_after: float | None = None) -> timedelta | None:
    """Return how long to make no calls after `failures` in a row; None for no pause.

    A `Retry-After` of the endpoint counts from the first failure.
    """
    if failures < THRESHOLD:
        return None if retry_after is None else _bounded(retry_after)
    doubled = _FIRST_SECONDS * 2.0 ** min(failures - THRESHOLD, 10)
    return _bounded(max(doubled, retry_after or 0))


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(seconds, _LONGEST_SECONDS))
