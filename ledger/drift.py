"""Drift detection finds where ledger and tables disagree; the canary, whether entries are kept.

For accountable tables the database refuses a change without its entry, and the reverse. Drift
detection compares what both say today: rows whose state shows an action that has no entry,
and entries of an action that their row does not show.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import CharField, Exists, F, Model, OuterRef, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

from events.domain.errors import Unavailable
from ledger.accountable import TRIGGER_ON_RECORD
from ledger.domain.action import EXECUTED, Action, Kind, Target
from ledger.models import Entry
from ledger.recording import recorded

SAMPLE_IDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The entry that a row must have: one of `actions`, on a target of `target_type`.

    `target_id` is the expression over the row that gives the id of that target.
    """

    actions: tuple[str, ...]
    target_type: str
    target_id: Combinable = field(default_factory=lambda: F("pk"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftCheck:
    """A check of one state of a table against the ledger, in both directions.

    Each of `rows` must have an entry as `mark` says, or as one of `or_else` does. In return, each
    entry of an action in `lasting` must have its row: those are the actions of the mark whose
    result never disappears from the table. `table` is the accountable table that the check covers,
    by default that of the rows; `made_at` is the column that tells when a row was made.
    """

    name: str
    rows: Callable[[], QuerySet[Any]]
    mark: Mark
    or_else: tuple[Mark, ...] = ()
    lasting: tuple[str, ...] = ()
    table: str = ""
    made_at: str = "created_at"

    @property
    def target_type(self) -> str:
        return self.mark.target_type

    @property
    def actions(self) -> tuple[str, ...]:
        return self.mark.actions

    @property
    def answers_for(self) -> str:
        return self.table or self.rows().model._meta.db_table  # noqa: SLF001 (Django says so)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What a check found: rows without an entry, and entries without their row.

    `sample_ids` and `unseen_sample_ids` are at most `SAMPLE_IDS` rows and entries.
    """

    check: DriftCheck
    missing_count: int
    sample_ids: tuple[str, ...]
    unseen_count: int
    unseen_sample_ids: tuple[str, ...]

    @property
    def is_none(self) -> bool:
        return not self.missing_count and not self.unseen_count


class CanaryLost(Unavailable):
    code = "ledger_canary_lost"
    hint = "Do not trust new records until the cause is known; see the runbook."

    def __init__(self, key: str) -> None:
        super().__init__("An entry that was just recorded is not in the ledger.", key=key)


_CHECKS: dict[str, DriftCheck] = {}


def declare_check(check: DriftCheck) -> None:
    """Register a check. Apps register theirs when they are loaded."""
    assert check.name not in _CHECKS, f"{check.name} is declared twice"
    assert set(check.lasting) <= set(check.actions), f"{check.name}: lasting is part of the mark"
    _CHECKS[check.name] = check


def find_drift(*, created_since: datetime | None = None) -> list[Drift]:
    """Run every check, over rows and entries made since a moment or over all."""
    return [_run(_CHECKS[name], created_since) for name in sorted(_CHECKS)]


def tables_without_a_check() -> list[str]:
    """Return the accountable tables that no check answers for."""
    covered = {check.answers_for for check in _CHECKS.values()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE t.tgname = %s ORDER BY c.relname",
            [TRIGGER_ON_RECORD],
        )
        return [name for (name,) in cursor.fetchall() if name not in covered]


def write_canary(*, key: str) -> UUID:
    """Record an action that does nothing, and see that it is there; return its entry.

    :raises CanaryLost: if it is not.
    """
    action = Action(
        name="ledger.write_canary",
        kind=Kind.EXECUTE,
        target=Target(type="ledger_canary", id=key),
        capability="ledger.check_health",
    )
    with recorded(action) as proof:
        proof.says("A canary, to see that the ledger can be written.")
    if not Entry.objects.filter(pk=proof.entry_id, target_id=key).exists():
        raise CanaryLost(key)
    return proof.entry_id


def plan(found: Iterable[Drift]) -> list[dict[str, object]]:
    """Return what a person would have to do about it. Nothing is done: who acted, and why,
    cannot be guessed."""
    return [_planned(each) for each in found if not each.is_none]


def _planned(drift: Drift) -> dict[str, object]:
    note = "Somebody must say who did it: record it anew as that person, with why."
    if not drift.missing_count:
        note = "Somebody must find out who changed the rows, and put them right on record."
    return {
        "check": drift.check.name,
        "missing_count": drift.missing_count,
        "sample_ids": list(drift.sample_ids),
        "unseen_count": drift.unseen_count,
        "unseen_sample_ids": list(drift.unseen_sample_ids),
        "target_type": drift.check.target_type,
        "backfill_action": drift.check.actions[0],
        "mode": "dry_run",
        "note": note,
    }


def _run(check: DriftCheck, created_since: datetime | None) -> Drift:
    missing_count, sample_ids = _counted(_unmarked, check, created_since)
    unseen_count, unseen_sample_ids = (
        _counted(_unseen, check, created_since) if check.lasting else (0, ())
    )
    return Drift(
        check=check,
        missing_count=missing_count,
        sample_ids=sample_ids,
        unseen_count=unseen_count,
        unseen_sample_ids=unseen_sample_ids,
    )


_Finds = Callable[[DriftCheck, datetime | None], QuerySet[Any]]


def _counted(
    find: _Finds, check: DriftCheck, since: datetime | None
) -> tuple[int, tuple[str, ...]]:
    """Return how many there are, and the ids of some. Where all is well, that is one query."""
    sql, params = _some_ids(find, check, has_since=since is not None)
    with connection.cursor() as cursor:
        cursor.execute(sql, [since if each == _ANY_MOMENT else each for each in params])
        ids = tuple(str(id_) for (id_,) in cursor.fetchall())
    if len(ids) <= SAMPLE_IDS:
        return len(ids), ids
    return find(check, since).count(), ids[:SAMPLE_IDS]


_ANY_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
"""Stands in a statement for the moment since which it is asked."""


@cache
def _some_ids(find: _Finds, check: DriftCheck, *, has_since: bool) -> tuple[str, tuple[Any, ...]]:
    """Return the statement, and its parameters.

    Once per process: the ORM took as long to write it as PostgreSQL to answer.
    """
    found = find(check, _ANY_MOMENT if has_since else None).values_list("pk", flat=True)
    return found[: SAMPLE_IDS + 1].query.sql_with_params()


def _unmarked(check: DriftCheck, since: datetime | None) -> QuerySet[Model]:
    rows = check.rows()
    if since is not None:
        rows = rows.filter(**{f"{check.made_at}__gte": since})
    for number, mark in enumerate((check.mark, *check.or_else)):
        # As a column of its own: an outer reference reaches no expression.
        column = f"marked_as_{number}"
        rows = rows.annotate(**{column: Cast(mark.target_id, CharField())})
        rows = rows.filter(~Exists(_entries_of(mark, OuterRef(column))))
    return rows


def _unseen(check: DriftCheck, since: datetime | None) -> QuerySet[Entry]:
    rows = check.rows().annotate(marked_as=Cast(check.mark.target_id, CharField()))
    claimed = Entry.objects.filter(
        action_name__in=check.lasting, target_type=check.target_type, status__in=EXECUTED
    )
    if since is not None:
        claimed = claimed.filter(created_at__gte=since)
    return claimed.filter(~Exists(rows.filter(marked_as=OuterRef("target_id"))))


def _entries_of(mark: Mark, target_id: OuterRef) -> QuerySet[Entry]:
    return Entry.objects.filter(
        target_type=mark.target_type,
        target_id=target_id,
        action_name__in=mark.actions,
        status__in=EXECUTED,
    )
