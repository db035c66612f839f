"""The refusals of disclosure. Pure."""

from typing import Final

from events.domain.errors import PreconditionRequired, Unavailable

MADE_NOW: Final = "It was made, and is shown this once."
"""The access reason when a secret is shown to the caller who created it."""


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"
    hint = "Nothing was shown. Try again."

    def __init__(self) -> None:
        super().__init__("The access cannot be recorded now.")


class AccessReasonRequired(PreconditionRequired):
    code = "access_reason_required"
    hint = "Give the reason in the header Access-Reason; it is kept with the entry."

    def __init__(self, capability: str) -> None:
        super().__init__("An access reason is required.", capability=capability)
