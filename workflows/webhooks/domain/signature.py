"""Standard Webhooks: which bytes are signed, how, and under which header names.

https://github.com/standard-webhooks/standard-webhooks
"""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from standardwebhooks import Webhook

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

_MESSAGE_ID = re.compile(r"(?P<event>.+)_(?P<subscription>[0-9a-f]{32})", re.ASCII)


def message_id(event_id: str, subscription_id: UUID) -> str:
    """Return the `webhook-id`: the same for every attempt and every replay of a message."""
    # The signed text joins its parts with dots, so the id must not contain one.
    return f"{event_id}_{subscription_id.hex}".replace(".", "_")


def parts_of(message: str) -> tuple[str, UUID] | None:
    """Return the ids of the event and the subscription in a `webhook-id`; None if it is none."""
    found = _MESSAGE_ID.fullmatch(message)
    return (found["event"], UUID(found["subscription"])) if found else None


def headers(
    *, message_id: str, body: bytes, secrets: Sequence[str], at: datetime
) -> dict[str, str]:
    """Return the headers that prove where `body` comes from.

    One signature per live secret: while a secret is being rotated, receivers that know
    the old one and receivers that know the new one both find theirs.
    """
    assert secrets, "an unsigned message must not leave"
    text = body.decode()
    signatures = [Webhook(secret).sign(message_id, at, text) for secret in secrets]
    return {
        ID: message_id,
        TIMESTAMP: str(int(at.timestamp())),
        SIGNATURE: " ".join(signatures),
    }
