"""The settings of this app, with their defaults."""

from django.conf import settings


def is_strict() -> bool:
    """Whether an undeclared event or invalid data raises (tests, development) or is logged."""
    return bool(getattr(settings, "EVENTS_STRICT", settings.DEBUG))


def slow_handler_ms() -> float:
    """How long a handler of the bus may take before a warning is logged."""
    return float(getattr(settings, "BUS_SLOW_HANDLER_MS", 100))


def valkey_url() -> str:
    """The Valkey that carries wake-ups."""
    return str(settings.REDIS_URL)
