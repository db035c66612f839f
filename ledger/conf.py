"""The settings of this app. Values come from `LEDGER_<NAME>` in the Django settings."""

from django.conf import settings

DATA_KEYS = "LEDGER_DATA_KEYS"
SIGNING_KEY = "LEDGER_SIGNING_KEY"
SIGNING_KEY_BEFORE = "LEDGER_SIGNING_KEY_BEFORE"
SEAL_LAG_S_MAX = 60
"""Entries that wait longer for their seal are a fault that the doctor names."""


def data_keys() -> list[str]:
    """The keys that seal the keys of subjects, the one in use first; none: of SECRET_KEY."""
    return list(settings.LEDGER_DATA_KEYS)


def signing_key() -> str:
    """The seed of the key that signs checkpoints; empty where nothing is sealed."""
    return str(settings.LEDGER_SIGNING_KEY)


def signing_key_before() -> str:
    """The seed of the key that was in use before; empty when none is to be replaced."""
    return str(settings.LEDGER_SIGNING_KEY_BEFORE)


def witnesses() -> list[str]:
    """Where checkpoints are copied to."""
    return list(settings.LEDGER_WITNESSES)
