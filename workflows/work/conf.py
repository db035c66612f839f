"""The settings of this app, typed. Override any with `WORK_<NAME>` in the settings."""

from dataclasses import dataclass, fields
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

HOUSEKEEPING_DAYS_MIN = 1
"""The database lets nothing go sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    lease_s: float = 15
    """A worker that is silent for so long has lost its work."""
    patience_s: float = 1.5
    """How long a bell may go unanswered before the sweeper rings again (doubling each time)."""
    patience_max_s: float = 60
    tick_s: float = 0.5
    """The longest pause of the sweeper. Timers wake it; without their bell they are as late."""
    dispatch_max: int = 300
    """Bells per pass: a herd after downtime is let through in bounded batches."""
    bells_per_worker: int = 2
    """Of each kind no more bells wait for an answer, for each worker (a herd needs few: each
    is answered by as many rows as `go_on_max` says, and new work waits behind them)."""
    bells_waiting_max: int = 4
    """Where so many bells lie with the broker all workers are busy, and no more is rung."""
    batch_max: int = 100
    """Light rows under one claim."""
    go_on_max: int = 50
    """Rows a worker takes on its own after it was rung once."""
    go_on_s: float = 2
    """And for how long: who is rung for meanwhile waits."""
    stale_after_s: float = 60
    """A worker that has not polled for so long is shown as stale."""
    missed_after_s: float = 60
    """A schedule's slot that is later than this was missed."""

    housekeeping_days: float = 30
    """How long housekeeping that went well and left nothing on record is kept (retention)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ImproperlyConfigured(f"WORK_{field.name.upper()} must be above zero.")
        if self.housekeeping_days < HOUSEKEEPING_DAYS_MIN:
            raise ImproperlyConfigured("WORK_HOUSEKEEPING_DAYS must be 1 at least.")


@lru_cache(maxsize=1)
def current() -> WorkSettings:
    """Return the settings in force.

    :raises ImproperlyConfigured: if a value makes no sense.
    """
    given = {
        field.name: getattr(settings, f"WORK_{field.name.upper()}")
        for field in fields(WorkSettings)
        if hasattr(settings, f"WORK_{field.name.upper()}")
    }
    return WorkSettings(**given)


def _forget(*, setting: str, **_signal: object) -> None:
    if setting.startswith("WORK_"):
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="work.conf")
