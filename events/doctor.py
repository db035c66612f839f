"""The invariants of the product, as checks that anybody may run on a live database.

Apps add theirs with `@doctor.check`; `manage.py doctor`, the admin page and the beat job
only run them. A check returns the violations it found, as sentences; none is health.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection

logger = logging.getLogger(__name__)

VIOLATIONS_SHOWN_MAX = 20

Inspection = Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    id: str
    meaning: str
    inspect: Inspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. `violations` are at most `VIOLATIONS_SHOWN_MAX` of `count`."""

    id: str
    meaning: str
    violations: tuple[str, ...]
    count: int
    duration_ms: int

    @property
    def is_healthy(self) -> bool:
        return not self.count


_checks: dict[str, Check] = {}


def check(id_: str, meaning: str) -> Callable[[Inspection], Inspection]:
    """Register the decorated function as the check `id_`: `@doctor.check("I2", "…")`."""

    def register(inspect: Inspection) -> Inspection:
        known = _checks.get(id_)
        assert known is None or known.inspect is inspect, f"the check {id_} exists already"
        _checks[id_] = Check(id=id_, meaning=meaning, inspect=inspect)
        return inspect

    return register


def checks() -> list[Check]:
    """Return every check: I2 before I10, invariants before the rest."""
    return sorted(_checks.values(), key=lambda each: (_number(each.id), each.id))


def run() -> list[Finding]:
    """Run every check, and count one that cannot run as a violation of its own."""
    return [examine(each) for each in checks()]


def examine(each: Check) -> Finding:
    """Run one check."""
    started = time.monotonic()
    try:
        violations = each.inspect()
    except Exception as error:
        logger.exception("A check of the doctor failed.", extra={"check": each.id})
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        violations = [f"could not be checked: {type(error).__name__}: {error}"]
    return Finding(
        id=each.id,
        meaning=each.meaning,
        violations=tuple(violations[:VIOLATIONS_SHOWN_MAX]),
        count=len(violations),
        duration_ms=round((time.monotonic() - started) * 1000),
    )


def _number(id_: str) -> int:
    digits = id_[1:]
    return int(digits) if id_[0] == "I" and digits.isdigit() else 1_000
