"""What a provider takes back, and how much of it there still was to take (ADR 0034)."""

from dataclasses import dataclass

from events.domain.errors import Conflict, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A claim, parted into what was charged back and what is disputed. Cents, none negative."""

    charged_back_cents: int
    disputed_cents: int


class CaptureUnknown(Unavailable):
    code = "capture_unknown"
    hint = "The payment may not be booked yet. It is tried again."

    def __init__(self, provider: str, capture_ref: str) -> None:
        super().__init__(
            f"Nothing that {provider} captured as {capture_ref} is booked here.",
            provider=provider,
            capture_ref=capture_ref,
        )


class ChargebackContradicted(Conflict):
    code = "chargeback_contradicted"

    def __init__(self, provider: str, provider_ref: str) -> None:
        super().__init__(
            f"{provider} said something else of chargeback {provider_ref} before.",
            provider=provider,
            provider_ref=provider_ref,
        )


def split(*, claimed_cents: int, captured_cents: int, gone_cents: int) -> Split:
    """Part a claim: no more comes off a capture than is left of it.

    `gone_cents` is what refunds hold and what was charged back before. The rest of the claim is
    money that has gone back already: it is disputed with the provider.
    """
    charged_back = min(claimed_cents, max(0, captured_cents - gone_cents))
    return Split(charged_back_cents=charged_back, disputed_cents=claimed_cents - charged_back)
