"""The key that signs checkpoints: read from the settings, never stored beside what it signs.

Only the process that seals needs it. `LEDGER_SIGNING_KEY` is an Ed25519 seed, 32 bytes in
base64; while it changes, `LEDGER_SIGNING_KEY_BEFORE` is the former one, which endorses it.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from events.domain.errors import Unavailable
from ledger import conf
from ledger.privacy import vault


class SigningKeyMissing(Unavailable):
    code = "ledger_signing_key_missing"
    hint = f"Give the process that seals {conf.SIGNING_KEY}, or {conf.SIGNING_KEY}_FILE."

    def __init__(self) -> None:
        super().__init__("This process has no key to sign checkpoints with.")


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and how its public one is written: in hex."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> str:
        return self.private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """Return the signature, in hex."""
        return self.private.sign(message).hex()


def current() -> Signer:
    """Return the key in use.

    :raises SigningKeyMissing: if this process has none.
    """
    signer = _read(conf.signing_key(), conf.SIGNING_KEY)
    if signer is None:
        raise SigningKeyMissing
    return signer


def before() -> Signer | None:
    """Return the former key, if it is here to endorse its successor."""
    return _read(conf.signing_key_before(), conf.SIGNING_KEY_BEFORE)


def _read(text: str, setting: str) -> Signer | None:
    if not text:
        return None
    seed = vault.decode_key(text, setting=setting)
    return Signer(Ed25519PrivateKey.from_private_bytes(seed))
