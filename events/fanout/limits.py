"""The limits and timeouts of clients of the feed."""

from dataclasses import dataclass, fields

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Override any of them in `settings.EVENTS_LIVE`."""

    # A client that is this many frames behind is closed, with the position to resume from.
    queue_frames: int = 1_000
    # And one whose waiting frames have so many bytes: an event may have a megabyte.
    queue_bytes: int = 32 * 1024 * 1024
    subscriptions: int = 100
    # How many of the last events every process keeps, so that a short absence needs no database.
    recent_frames: int = 1_000
    recent_bytes: int = 32 * 1024 * 1024
    heartbeat_s: float = 5.0
    # How long one frame may wait for the client's socket to take it.
    send_timeout_s: float = 10.0
    # How soon an ended session, a revoked key or a withdrawn grant is noticed at the latest.
    recheck_s: float = 30.0
    # How soon an event is seen whose doorbell was lost.
    poll_s: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise ImproperlyConfigured(f"EVENTS_LIVE[{field.name!r}] must be above 0.")

    @property
    def page_frames(self) -> int:
        """How much a catch-up reads at once: it must fit beside what is live."""
        return max(1, self.queue_frames // 4)


def current() -> Limits:
    """Return the limits that the settings ask for.

    :raises ImproperlyConfigured: if one is unknown or makes no sense.
    """
    try:
        return Limits(**getattr(settings, "EVENTS_LIVE", {}))
    except TypeError as error:
        raise ImproperlyConfigured(f"EVENTS_LIVE: {error}") from error
