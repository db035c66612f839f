"""The address at which a step that is called over HTTP delivers its result, and its signature.

Flow, step and token can be read by whoever may read the flow, so they prove nothing (ADR 0193).
The signature is told to the peer that is called, and to nobody else: it is made anew whenever
it is needed, and stored nowhere.
"""

import json
from collections.abc import Iterable
from urllib.parse import quote

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from workflows.flows import conf

PARAMETER = "signature"
_SALT = "daybook.callback"


def webhook_url(*, flow_id: str, step_id: str, token: str) -> str:
    """Return where an asynchronous step delivers its result.

    At an open engine it is exactly Argyll's address, which its clients may put together themselves.
    """
    path = f"/webhook/{quote(flow_id, safe=':')}/{quote(step_id)}/{token}"
    url = f"{conf.current().webhook_base_url}{path}"
    if settings.OPEN_ENGINE:
        return url
    return f"{url}?{PARAMETER}={signature(flow_id=flow_id, step_id=step_id, token=token)}"


def signature(*, flow_id: str, step_id: str, token: str, key: str | None = None) -> str:
    """Return the HMAC-SHA-256 of an address, in hex, under a key made of SECRET_KEY or `key`."""
    # A list, as ids of child flows contain those of their parents.
    message = json.dumps([flow_id, step_id, token])
    return salted_hmac(_SALT, message, secret=key, algorithm="sha256").hexdigest()


def is_signed(presented: Iterable[str], *, flow_id: str, step_id: str, token: str) -> bool:
    """Return whether one of the signatures is that of the address.

    Addresses that were given out under one of the SECRET_KEY_FALLBACKS are good, too.
    """
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    known = [signature(flow_id=flow_id, step_id=step_id, token=token, key=key) for key in keys]
    # Peers append parameters of their own, some of them behind a second question mark.
    found = [text.partition("?")[0] for text in presented]
    return any(constant_time_compare(one, other) for one in found for other in known)
