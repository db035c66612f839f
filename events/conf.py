"""The settings of this room, with their defaults."""

from django.conf import settings


def is_strict() -> bool:
    """Whether an undeclared event or wrong data raises (tests, development)."""
    return bool(getattr(settings, "EVENTS_STRICT", settings.DEBUG))


def slow_handler_ms() -> float:
    """How long a handler of the bus may take before a warning is logged."""
    return float(getattr(settings, "BUS_SLOW_HANDLER_MS", 100))


def valkey_url() -> str:
    """Where the doorbell hangs."""
    return str(settings.REDIS_URL)
