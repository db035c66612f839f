"""Free texts as a reader may see them.

Readers who may not open payloads see reasons and comments without addresses and secrets.
"""

from typing import Any, Final

from events.domain.redaction import redact
from ledger.access import authority

OPENS: Final = "ledger.read_payload"


def redacted_for(text: str, source: Any) -> str:
    """Return a reason or a comment as the caller may see it; without a caller, as all may."""
    masked = redact(text)
    if masked == text or source is None:
        return masked
    return text if authority.holds(source, OPENS) else masked
