"""The registry of invariants, and the runner that checks them on a live database.

Apps register theirs with `@doctor.check`; `manage.py doctor`, the admin page and the beat job
only run them. A check returns the violations that it found, as sentences.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from django.db import connection, transaction

logger = logging.getLogger(__name__)

VIOLATIONS_SHOWN_MAX = 20

Inspection = Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    id: str
    meaning: str
    inspect: Inspection
    is_of_work: bool = False
    asks_others: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. `violations` are at most `VIOLATIONS_SHOWN_MAX` of `count`.

    With `nobody_works` no process of the product is running, so that work waits is no violation.
    """

    id: str
    meaning: str
    violations: tuple[str, ...]
    count: int
    duration_ms: int
    nobody_works: bool = False

    @property
    def is_healthy(self) -> bool:
        return self.nobody_works or not self.count


_checks: dict[str, Check] = {}


def check(
    id_: str, meaning: str, *, is_of_work: bool = False, asks_others: bool = False
) -> Callable[[Inspection], Inspection]:
    """Register the decorated function as the check `id_`: `@doctor.check("I2", "…")`.

    `is_of_work`: it checks whether waiting work is taken up in time, not what the data say.
    `asks_others`: it calls services beyond the database, so it runs outside a transaction.
    """

    def register(inspect: Inspection) -> Inspection:
        known = _checks.get(id_)
        assert known is None or known.inspect is inspect, f"the check {id_} exists already"
        _checks[id_] = Check(
            id=id_,
            meaning=meaning,
            inspect=inspect,
            is_of_work=is_of_work,
            asks_others=asks_others,
        )
        return inspect

    return register


def checks() -> list[Check]:
    """Return every check: I2 before I10, invariants before the rest."""
    return sorted(_checks.values(), key=lambda each: (_number(each.id), each.id))


def run(*, is_visit: bool = False) -> list[Finding]:
    """Run every check, and count one that cannot run as a violation of its own.

    `is_visit`: the caller is none of the product's processes. If nothing else is connected
    either, the product is not running, and waiting work is not late.
    """
    nobody_works = is_visit and not others_are_connected()
    return [examine(each, nobody_works=nobody_works and each.is_of_work) for each in checks()]


def others_are_connected() -> bool:
    """Return whether any other session uses this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid())"
        )
        [(found,)] = cursor.fetchall()
    return bool(found)


def examine(each: Check, *, nobody_works: bool = False) -> Finding:
    """Run one check."""
    started = time.monotonic()
    try:
        with nullcontext() if each.asks_others else _one_moment():
            violations = each.inspect()
    except Exception as error:
        logger.exception("A check of the doctor failed.", extra={"check": each.id})
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        violations = [f"could not be checked: {type(error).__name__}: {error}"]
        nobody_works = False
    return Finding(
        id=each.id,
        meaning=each.meaning,
        violations=tuple(violations[:VIOLATIONS_SHOWN_MAX]),
        count=len(violations),
        duration_ms=round((time.monotonic() - started) * 1000),
        nobody_works=nobody_works,
    )


@contextmanager
def _one_moment() -> Iterator[None]:
    """Let a check read one snapshot, so that commits in the meantime are not taken for faults."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _number(id_: str) -> int:
    digits = id_[1:]
    return int(digits) if id_[0] == "I" and digits.isdigit() else 1_000
