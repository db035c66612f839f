"""Classifies the outcome of an attempt: delivered, retry, give up, or disable the endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus


class ErrorClass(StrEnum):
    NETWORK = "network"
    TIMEOUT = "timeout"
    CLIENT = "4xx"
    SERVER = "5xx"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"


class Decision(StrEnum):
    DELIVERED = "delivered"
    RETRY = "retry"
    GIVE_UP = "give_up"
    """Nothing will be different tomorrow, and the operator must know."""
    GONE = "gone"
    """The receiver wants no more messages, this or others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`hurts_endpoint`: the failure says something about the endpoint, not the message."""

    decision: Decision
    error_class: ErrorClass | None = None
    error: str = ""
    retry_after: float | None = None
    hurts_endpoint: bool = False


DELIVERED = Verdict(decision=Decision.DELIVERED)


def of_status(status: int, headers: Mapping[str, str], *, now: datetime) -> Verdict:
    """Judge an answer. Any 2xx is an acknowledgement, nothing else is."""
    if 200 <= status < 300:  # noqa: PLR2004 (this is what 2xx means)
        return DELIVERED
    error = f"The receiver answered {status}."
    wait = retry_after_seconds(headers.get("retry-after"), now=now)
    if status == HTTPStatus.GONE:
        return Verdict(decision=Decision.GONE, error_class=ErrorClass.CLIENT, error=error)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _retry(ErrorClass.RATE_LIMITED, error, wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _retry(ErrorClass.SERVER, error, wait, hurts_endpoint=True)
    # Wrong credentials, a missing route, a redirect: people repair these within days.
    return _retry(ErrorClass.CLIENT, error, wait)


def of_failure(error_class: ErrorClass, error: str) -> Verdict:
    """Judge a call that got no answer."""
    if error_class is ErrorClass.REFUSED:
        return Verdict(decision=Decision.GIVE_UP, error_class=error_class, error=error)
    return _retry(error_class, error, None, hurts_endpoint=True)


def retry_after_seconds(text: str | None, *, now: datetime) -> float | None:
    """Read `Retry-After`, seconds or a date; None when absent or not to be understood."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # The second of numbers that no date has.
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def _retry(
    error_class: ErrorClass, error: str, wait: float | None, *, hurts_endpoint: bool = False
) -> Verdict:
    return Verdict(
        decision=Decision.RETRY,
        error_class=error_class,
        error=error,
        retry_after=wait,
        hurts_endpoint=hurts_endpoint,
    )
