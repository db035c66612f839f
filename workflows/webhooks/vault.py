"""Signing secrets: generated here, encrypted at rest, decrypted only to sign.

The encryption key is derived from SECRET_KEY; secrets encrypted under one of the
SECRET_KEY_FALLBACKS can still be read, so that the key can be changed.
"""

import base64
import secrets
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from events.domain.errors import Rejected

SECRET_BYTES = 32
_PREFIX = "whsec_"
_INFO = b"daybook webhook signing secrets v1"


class SecretUnreadable(Rejected):
    code = "webhook_secret_unreadable"
    hint = "Restore the SECRET_KEY it was sealed with (SECRET_KEY_FALLBACKS), or rotate it."

    def __init__(self) -> None:
        super().__init__("The signing secret cannot be opened with the present SECRET_KEY.")


def new_secret() -> str:
    """Return a fresh `whsec_…`, as receivers configure it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal(secret: str) -> str:
    """Return `secret` as it may be stored."""
    return _safe().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Return what was sealed.

    :raises SecretUnreadable: if no present key opens it.
    """
    try:
        return _safe().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


def opens(sealed: str) -> bool:
    """Return whether `unseal` could return what was sealed."""
    try:
        unseal(sealed)
    except SecretUnreadable:
        return False
    return True


def _safe() -> MultiFernet:
    return _safe_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@cache
def _safe_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    derivation = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_INFO)
    return base64.urlsafe_b64encode(derivation.derive(key.encode()))
