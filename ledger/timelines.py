"""Reads the ledger along its links: causal chain of an entry, timeline of a target, tail.

The app that owns a target declares what belongs to it: the timeline of a booking includes its
travellers and invoices because of `declare_related`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from django.db.models import Max, Q, QuerySet

from events.ids import uuid_of
from ledger.domain.action import EXECUTED, Kind, Status, Target
from ledger.domain.reversals import State
from ledger.models import Entry, Sealed

RELATED_MAX: Final = 500
CHAIN_ENTRIES_MAX: Final = 50

Related = Callable[[str], Iterable[Target]]
"""Takes the id of a target; returns what belongs to it."""

_RELATED: dict[str, Related] = {}


def whose_reversal_is(states: Collection[str]) -> Q:
    """Return the condition that the reversal of an entry is in one of `states`.

    Entries that cannot be undone have no standing.
    """
    found = Q(standing__state__in=states)
    if State.NOT_REVERSIBLE not in states:
        return found
    without = Q(standing__isnull=True, mutation__isnull=False)
    # Alone it is read in the order of the entries; beside another state all of them are.
    return without if set(states) == {State.NOT_REVERSIBLE} else found | without


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Targets and what belongs to them: no more than `RELATED_MAX` of each."""

    targets: Sequence[Target]
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The entries around one. Each list ends after `CHAIN_ENTRIES_MAX`."""

    caused_by: Sequence[Entry]
    causes: Sequence[Entry]
    approval: Sequence[Entry]
    reverses: Sequence[Entry]
    reversals: Sequence[Entry]
    amends: Sequence[Entry]
    amended_by: Sequence[Entry]


def declare_related(type_: str, related: Related) -> None:
    """Declare what belongs in the timeline of targets of a type."""
    assert _RELATED.get(type_, related) is related, f"{type_} is declared twice"
    _RELATED[type_] = related


def entries() -> QuerySet[Entry]:
    """Return all entries with what is always shown of them."""
    shown = ("mutation", "disclosure", "standing", "seal", "remark")
    return Entry.objects.select_related(*shown).defer("body")


def timeline_of(targets: Iterable[Target], *, with_related: bool = True) -> QuerySet[Entry]:
    """Return what was done to some targets and, if asked, to what belongs to them."""
    return entries_about(gathered(targets, with_related=with_related).targets)


def gathered(targets: Iterable[Target], *, with_related: bool = True) -> Gathered:
    """Return some targets and, if asked, what belongs to them."""
    wanted, is_complete = dict.fromkeys(targets), True
    if with_related:
        for target in list(wanted):
            related = _of(target)
            is_complete &= len(related) <= RELATED_MAX
            wanted |= dict.fromkeys(related[:RELATED_MAX])
    return Gathered(targets=list(wanted), is_complete=is_complete)


def entries_about(targets: Sequence[Target]) -> QuerySet[Entry]:
    """Return what was done to these targets, and to nothing else."""
    found = Q(pk=None)
    for type_ in {each.type for each in targets}:
        ids = [each.id for each in targets if each.type == type_]
        found |= Q(target_type=type_, target_id__in=ids)
    return entries().filter(found)


def reads_under(policy: str, *, of: Target, since: datetime) -> QuerySet[Entry]:
    """Return who looked into something since a moment under one policy, the first one first."""
    looks = reads_of([of], [policy]).filter(occurred_at__gte=since)
    return looks.order_by("occurred_at", "pk")


def reads_of(targets: Iterable[Target], policies: Iterable[str]) -> QuerySet[Entry]:
    """Return who looked into some targets under one of these policies."""
    found = Q(pk=None)
    for each in targets:
        found |= Q(target_type=each.type, target_id=each.id)
    looks = Entry.objects.filter(found, action_kind=Kind.READ.value, status=Status.SUCCEEDED.value)
    return looks.filter(disclosure__decision_policy__in=list(policies))


def target_of(entry_id: UUID) -> Target:
    """Return what an entry is about."""
    entry = Entry.objects.only("target_type", "target_id").get(pk=entry_id)
    return Target(type=entry.target_type, id=entry.target_id)


def last_of(actions: Mapping[Target, str]) -> UUID | None:
    """Return the newest entry of those that say that each target had its action done."""
    found = Q(pk=None)
    for target, name in actions.items():
        found |= Q(target_type=target.type, target_id=target.id, action_name=name)
    done = Entry.objects.filter(found, status__in=EXECUTED)
    return done.order_by("-occurred_at", "-pk").values_list("pk", flat=True).first()


def chain_of(entry: Entry) -> Chain:
    """Return what led to an entry and what came of it."""
    mutation = getattr(entry, "mutation", None)
    cause = uuid_of(entry.causation_id)
    every = entries().order_by("occurred_at", "id")
    approval = every.filter(approval_id=entry.approval_id).exclude(pk=entry.pk)
    return Chain(
        caused_by=_some(every.filter(pk=cause) if cause else every.none()),
        causes=_some(every.filter(causation_id=str(entry.pk))),
        approval=_some(approval if entry.approval_id else every.none()),
        reverses=_some(every.filter(pk__in=[mutation.reverses_id] if mutation else [])),
        reversals=_some(every.filter(mutation__reverses=entry.pk)),
        amends=_some(every.filter(pk__in=[entry.amends_id] if entry.amends_id else [])),
        amended_by=amendments_of(entry),
    )


def amendments_of(entry: Entry) -> list[Entry]:
    """Return what corrects an entry, the first one first; at most `CHAIN_ENTRIES_MAX`."""
    return _some(entries().filter(amends=entry.pk).order_by("occurred_at", "id"))


def tail(*, after: int, limit: int) -> list[Entry]:
    """Return entries in the order of their seals, from the one after a position.

    Nothing is missed while others write: positions are assigned after commit.
    """
    chosen = entries().filter(seal__position__gt=after, seal__position__lte=after + limit)
    return list(chosen.order_by("seal__position"))


def stories_with_entries(correlation_ids: Collection[str]) -> set[str]:
    """Return those of `correlation_ids` that some entry carries."""
    # Index ledger_entries_of_story.
    found = Entry.objects.filter(correlation_id__in=correlation_ids)
    return set(found.values_list("correlation_id", flat=True).distinct())


def head_position() -> int:
    """Return the last position that was given."""
    return Sealed.objects.aggregate(last=Max("position"))["last"] or 0


def _of(target: Target) -> list[Target]:
    related = _RELATED.get(target.type)
    # One more, which tells that there are more.
    return list(islice(related(target.id), RELATED_MAX + 1)) if related else []


def _some(found: QuerySet[Entry]) -> list[Entry]:
    return list(found[:CHAIN_ENTRIES_MAX])
