"""The refusals of disclosure. Pure."""

from typing import Final

from events.domain.errors import PreconditionRequired, Unavailable

MADE_NOW: Final = "It was made, and is shown this once."
"""Why a secret is shown to whoever made it."""


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"
    hint = "Nothing was shown. Try again."

    def __init__(self) -> None:
        super().__init__("It cannot be put on record just now who looks at this.")


class AccessReasonRequired(PreconditionRequired):
    code = "access_reason_required"
    hint = "Say why in the header Access-Reason; it is kept with the record."

    def __init__(self, capability: str) -> None:
        super().__init__("Whoever looks at this has to say why.", capability=capability)
