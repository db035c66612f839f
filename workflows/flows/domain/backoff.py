"""The delay before the next retry: as in Argyll, without its overflow."""

from datetime import timedelta

from workflows.flows.domain.step import WorkConfig

_EXPONENT_MAX = 62
_DELAY_MS_MAX = 31_536_000_000
"""A year: what lies further ahead may be no date any more."""


def delay(work: WorkConfig, retry_count: int) -> timedelta:
    """Return the wait after `retry_count` earlier retries, capped at `max_backoff`."""
    base, cap = work.init_backoff_ms, work.max_backoff_ms
    match work.backoff_type:
        case "linear":
            wanted = base * (retry_count + 1)
        case "exponential":
            wanted = base << min(retry_count, _EXPONENT_MAX)
        case _:
            wanted = base
    return timedelta(milliseconds=min(wanted, cap, _DELAY_MS_MAX))


def may_retry(work: WorkConfig, retry_count: int) -> bool:
    """Return whether another try is allowed; a negative maximum allows any number."""
    return work.max_retries < 0 or retry_count < work.max_retries
