"""What a payment provider's report means for an invoice."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementReport:
    """What the provider said about one reference. What it left out is None."""

    external_id: str | None = None
    external_number: str | None = None
    external_url: str | None = None
    status: str | None = None
    paid_amount_cents: int | None = None
    unpaid_amount_cents: int | None = None
    currency: str | None = None
    synced_at: datetime | None = None
    settled_at: datetime | None = None
    reference_number: str | None = None
    capture_id: str | None = None


def newly_applied_cents(
    *, total_cents: int, paid_cents: int, reported_cents: int, charged_back_cents: int = 0
) -> int:
    """Return how much of what was reported the invoice does not know yet.

    Reported twice, or by two providers, the same money counts once: after it was applied
    the difference is nothing. So it is with money that was charged back: a provider reports
    it still, and it has come in before.
    """
    known = paid_cents + charged_back_cents
    capped = min(total_cents + charged_back_cents, max(0, reported_cents))
    outstanding = max(0, total_cents - paid_cents)
    return min(outstanding, max(0, capped - known))


def reference_of(report: SettlementReport, *, stored: tuple[str, str], number: str) -> str:
    """Return the reference under which the payment is recorded: the first that was given.

    `stored` are the number and the id that the reference row already had.
    """
    candidates = (
        report.reference_number,
        report.external_number,
        report.external_id,
        *stored,
        number,
    )
    return next(candidate for candidate in candidates if candidate)


def window_closes_at(captured_at: datetime, *, window: timedelta) -> datetime:
    """Return until when the provider can simply take the capture back."""
    return captured_at + window


def is_inside_window(at: datetime, *, closes_at: datetime) -> bool:
    """Return whether `at` is early enough; the closing moment itself is too late."""
    return at < closes_at
