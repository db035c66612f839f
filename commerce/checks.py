"""System checks of this app."""

import base64
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from commerce import conf

_PREFIX = "whsec_"


@register(Tags.security)
def payment_secrets_are_secrets(**_: Any) -> list[CheckMessage]:
    """Find secrets with which nothing could be signed, so that all notifications are refused."""
    wrong = sum(not _is_secret(text) for text in conf.payment_webhook_secrets())
    if not wrong:
        return []
    return [
        Error(
            f"{wrong} of COMMERCE_PAYMENT_WEBHOOK_SECRETS are no secrets.",
            hint="Write whsec_ and the key in base64, as the provider shows it.",
            id="commerce.E001",
        )
    ]


def _is_secret(text: str) -> bool:
    coded = text.removeprefix(_PREFIX)
    try:
        return bool(base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True))
    except ValueError:
        return False
