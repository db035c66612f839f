"""Verifies notifications of payment providers: signed as Standard Webhooks says, or refused.

The signature is the credential. It covers the body, the id and the time of the message; a
message that is older than five minutes is a replay.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from commerce import conf
from commerce.ports.payment import DEMO
from events.domain import strict_json
from events.domain.errors import Unauthenticated
from events.domain.principal import Principal, PrincipalKind


class SignatureRefused(Unauthenticated):
    code = "signature_refused"
    hint = "Sign the exact bytes of the body as Standard Webhooks describes, with a current secret."

    def __init__(self) -> None:
        super().__init__("Nothing says that this comes from the payment provider.")


def read(provider: str, body: bytes, headers: Mapping[str, str]) -> Any:
    """Return what a provider says, if it is the provider who says it.

    :raises SignatureRefused: if it is not signed with a secret of the provider, or is old.
    :raises JsonMalformed: if the provider itself sends what is no JSON.
    """
    if not any(_is_signed(secret, body, headers) for secret in _secrets_of(provider)):
        raise SignatureRefused
    return strict_json.loads(body)


def sender(provider: str) -> Principal:
    """Return in whose name it is taken in: a part of the system, known by its secret."""
    return Principal(kind=PrincipalKind.SYSTEM, id=f"payment_provider/{provider}")


def _secrets_of(provider: str) -> Sequence[str]:
    return conf.payment_webhook_secrets() if provider == DEMO else ()


def _is_signed(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        # ValueError: what is sent as a signature, or as text, is none.
        return False
    return True
