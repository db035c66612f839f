"""Find what was changed and is not in the ledger, and try out whether it can be written.

The database refuses such a change where a table is accountable; drift looks from the other
side, at rows whose state says that something was done to them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import CharField, Exists, Model, OuterRef, QuerySet
from django.db.models.functions import Cast

from ledger.domain.action import Action, Kind, Status, Target
from ledger.models import Entry
from ledger.recording import recorded

SAMPLE_IDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftCheck:
    """`rows` are those that something was done to; each must have one of the actions."""

    name: str
    rows: Callable[[], QuerySet[Model]]
    target_type: str
    actions: tuple[str, ...]
    target_field: str = "pk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What a check found missing. `sample_ids` are at most `SAMPLE_IDS` of them."""

    check: DriftCheck
    missing_count: int
    sample_ids: tuple[str, ...]


_CHECKS: dict[str, DriftCheck] = {}


def declare_check(check: DriftCheck) -> None:
    """Add a check. Rooms above declare theirs when they are loaded."""
    assert check.name not in _CHECKS, f"{check.name} is declared twice"
    _CHECKS[check.name] = check


def find_drift(*, created_since: datetime | None = None) -> list[Drift]:
    """Run every check, over rows made since a moment or over all."""
    return [_run(_CHECKS[name], created_since) for name in sorted(_CHECKS)]


def write_canary(*, key: str) -> UUID:
    """Record an action that does nothing, and see that it is there; return its entry."""
    action = Action(
        name="ledger.write_canary",
        kind=Kind.EXECUTE,
        target=Target(type="ledger_canary", id=key),
        capability="ledger.check_health",
    )
    with recorded(action) as proof:
        proof.says("A canary, to see that the ledger can be written.")
    Entry.objects.only("pk").get(pk=proof.entry_id, target_id=key)
    return proof.entry_id


def plan(found: Iterable[Drift]) -> list[dict[str, object]]:
    """Return what a person would have to do about it. Nothing is done: who acted, and why,
    cannot be guessed."""
    return [
        {
            "check": each.check.name,
            "missing_count": each.missing_count,
            "sample_ids": list(each.sample_ids),
            "target_type": each.check.target_type,
            "backfill_action": each.check.actions[0],
            "mode": "dry_run",
            "note": "Somebody must say who did it: record it anew as that person, with why.",
        }
        for each in found
        if each.missing_count
    ]


def _run(check: DriftCheck, created_since: datetime | None) -> Drift:
    done = Entry.objects.filter(
        target_type=check.target_type,
        target_id=Cast(OuterRef(check.target_field), CharField()),
        action_name__in=check.actions,
        status__in=[Status.SUCCEEDED.value, Status.REVERSED.value, Status.COMPENSATED.value],
    )
    rows = check.rows().filter(~Exists(done))
    if created_since is not None:
        rows = rows.filter(created_at__gte=created_since)
    sample = rows.values_list(check.target_field, flat=True)[:SAMPLE_IDS]
    return Drift(
        check=check,
        missing_count=rows.count(),
        sample_ids=tuple(str(each) for each in sample),
    )
