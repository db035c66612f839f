"""Personal data at rest: sealed as `ledger.vault` does it, bound to the row it belongs to."""

import json
from typing import Any

from django.conf import settings

from commerce import conf
from ledger import vault
from ledger.vault import Safe

SETTING = "COMMERCE_DATA_KEYS"
_INFO = b"commerce personal"


def seal(value: dict[str, Any], *, of: str) -> bytes:
    """Return `value` so that only the row named `of` can show it."""
    return _safe().seal(json.dumps(value, separators=(",", ":"), sort_keys=True).encode(), of=of)


def unseal(sealed: bytes | memoryview, *, of: str) -> dict[str, Any]:
    """Return what `seal` was given.

    :raises SealBroken: if it was changed or moved, or its key is not among ours.
    """
    value: dict[str, Any] = json.loads(_safe().unseal(sealed, of=of))
    return value


def decode_key(text: str) -> bytes:
    """Read a key: 32 bytes in base64.

    :raises ImproperlyConfigured: if it is anything else.
    """
    return vault.decode_key(text, setting=SETTING)


def _safe() -> Safe:
    if keys := conf.data_keys():
        return vault.safe_of(keys, setting=SETTING)
    return Safe((vault.derived(settings.SECRET_KEY, _INFO),))
