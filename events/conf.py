"""The settings of this app, with their defaults."""

from functools import lru_cache

from django.conf import settings
from django.core.signals import setting_changed


@lru_cache(maxsize=1)
def is_strict() -> bool:
    """Whether an undeclared event or invalid data raises (tests, development) or is logged."""
    return bool(getattr(settings, "EVENTS_STRICT", settings.DEBUG))


def slow_handler_ms() -> float:
    """How long a handler of the bus may take before a warning is logged."""
    return float(getattr(settings, "BUS_SLOW_HANDLER_MS", 100))


def valkey_url() -> str:
    """The Valkey that carries wake-ups."""
    return str(settings.REDIS_URL)


def _forget(*, setting: str, **_signal: object) -> None:
    if setting in {"EVENTS_STRICT", "DEBUG"}:
        is_strict.cache_clear()


setting_changed.connect(_forget, dispatch_uid="events.conf")
