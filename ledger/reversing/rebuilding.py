"""Rebuilds the standings of reversals from the entries, and reports differences."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from ledger.domain import reversals as rules
from ledger.domain.reversals import Declaration, Outcome, ReversalKind, Step, StepKind
from ledger.models import Mutation, ReversalStanding
from ledger.reversing import standings

BATCH: Final = 1_000


def rebuild(*, repairs: bool, only_stepped: bool = False) -> list[str]:
    """Fold the entries again and compare; with `repairs`, write what they say.

    `only_stepped` leaves out entries without any step of a reversal.
    """
    found = []
    for declared in _in_batches(_reversible(only_stepped=only_stepped)):
        ids = [mutation.pk for mutation in declared]
        rows = ReversalStanding.objects.in_bulk(ids)
        steps = _steps_of(ids)
        for mutation in declared:
            if _compare(mutation, rows.get(mutation.pk), steps[mutation.pk]) is None:
                continue
            # Somebody may have taken a step between the two looks: look again, under the lock.
            wrong = _compare_under_lock(mutation, repairs=repairs)
            if wrong is not None:
                found.append(f"entry {mutation.pk}: {wrong}")
    return found + _groundless(repairs=repairs)


def _reversible(*, only_stepped: bool) -> QuerySet[Mutation]:
    declared = Mutation.objects.exclude(reversal_kind=ReversalKind.NONE.value)
    if only_stepped:
        stepped = Mutation.objects.filter(reverses__isnull=False).values("reverses")
        declared = declared.filter(pk__in=stepped)
    return declared.order_by("pk")


def _in_batches(rows: QuerySet[Mutation]) -> Iterator[list[Mutation]]:
    after: UUID | None = None
    while batch := list((rows if after is None else rows.filter(pk__gt=after))[:BATCH]):
        yield batch
        after = batch[-1].pk


def _steps_of(ids: Sequence[UUID]) -> defaultdict[UUID, list[Step]]:
    steps: defaultdict[UUID, list[Step]] = defaultdict(list)
    rows = Mutation.objects.filter(reverses__in=ids).select_related("entry")
    for row in rows.order_by("reverses", "reversal_number"):
        assert row.reverses_id is not None
        steps[row.reverses_id].append(
            Step(
                entry_id=row.pk,
                kind=StepKind(row.reversal_step),
                at=row.entry.occurred_at,
                outcome=Outcome(row.reversal_outcome) if row.reversal_outcome else None,
                amount_cents=row.reversed_cents,
                approval_id=row.entry.approval_id,
            )
        )
    return steps


def _folded(mutation: Mutation, steps: Sequence[Step]) -> rules.Standing:
    declared = Declaration(
        kind=ReversalKind(mutation.reversal_kind),
        command=mutation.reversal_command_id,
        version=mutation.reversal_command_version,
        until=mutation.reversal_until,
        amount_cents=mutation.reversal_amount_cents,
        currency=mutation.reversal_currency,
    )
    return rules.fold(declared, steps)


def _compare(mutation: Mutation, row: ReversalStanding | None, steps: Sequence[Step]) -> str | None:
    """Return what is wrong with `row`, None if it says what the entries say."""
    if row is None:
        return "nothing says how it stands with undoing it"
    stored, true = standings.standing_of(row), _folded(mutation, steps)
    if (stored, row.currency) == (true, mutation.reversal_currency):
        return None
    return f"said to be {stored.state.value} after {stored.steps} steps, is {true.state.value}"


def _compare_under_lock(mutation: Mutation, *, repairs: bool) -> str | None:
    with transaction.atomic():
        row = ReversalStanding.objects.select_for_update().filter(pk=mutation.pk).first()
        steps = _steps_of([mutation.pk])[mutation.pk]
        wrong = _compare(mutation, row, steps)
        if wrong is not None and repairs:
            _repair(mutation, steps)
    return wrong


def _repair(mutation: Mutation, steps: Sequence[Step]) -> None:
    columns = standings.columns_of(_folded(mutation, steps))
    ReversalStanding.objects.update_or_create(
        entry_id=mutation.pk, defaults={**columns, "currency": mutation.reversal_currency}
    )


def _groundless(*, repairs: bool) -> list[str]:
    cannot = Q(entry__mutation__reversal_kind=ReversalKind.NONE.value) | Q(entry__mutation=None)
    ids = list(ReversalStanding.objects.filter(cannot).order_by("pk").values_list("pk", flat=True))
    if repairs:
        ReversalStanding.objects.filter(pk__in=ids).delete()
    return [f"entry {pk}: cannot be undone, and has a standing" for pk in ids]
