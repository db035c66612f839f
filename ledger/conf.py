"""The settings of this room. Values come from `LEDGER_<NAME>` in the Django settings."""

from django.conf import settings

DATA_KEYS = "LEDGER_DATA_KEYS"


def data_keys() -> list[str]:
    """The keys that seal the keys of subjects, the one in use first; none: of SECRET_KEY."""
    return list(settings.LEDGER_DATA_KEYS)
