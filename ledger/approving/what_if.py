"""What-if: evaluates a policy on past actions, without changing anything.

Entries keep the facts of their risk. The state of their targets is kept only with approvals, so
a condition over `target_state` cannot be evaluated here. It then counts as true, as it does at
the gate, and the report says for how many actions.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from events.domain import canonical
from events.domain.principal import PrincipalKind
from ledger import capabilities
from ledger.approving import conditions
from ledger.domain import policy as policies
from ledger.domain.action import EXECUTED, Kind, Status
from ledger.domain.capability import Risk, covers
from ledger.domain.policy import Circumstances, ConditionUnanswered, Demand, Policy, PolicyStatus
from ledger.domain.reversals import ReversalKind
from ledger.models import ApprovalPolicyVersion, Entry

ENTRIES_MAX: Final = 5_000
SECONDS_MAX: Final = 10.0
DAYS_MAX: Final = 365
SHOWN_MAX: Final = 50

_NO_ACTIONS = [Kind.READ.value, Kind.APPROVE.value, Kind.REJECT.value]


class Change(StrEnum):
    """How the outcome of an action would have differed."""

    NEWLY_NEEDED = "newly_needed"
    NO_LONGER_NEEDED = "no_longer_needed"
    QUORUM_CHANGED = "quorum_changed"


class Cut(StrEnum):
    """Why a report is cut short; it then covers the newest actions only."""

    ENTRIES = "entries"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One action with a different outcome."""

    entry_id: UUID
    occurred_at: datetime
    action: str
    capability: str
    target: str
    principal: str
    risk: str
    before: int
    after: int
    """How many people have to agree, before and after; 0 is none."""

    @property
    def change(self) -> Change:
        """Return the kind of difference."""
        if not self.before:
            return Change.NEWLY_NEEDED
        return Change.QUORUM_CHANGED if self.after else Change.NO_LONGER_NEEDED


@dataclass(kw_only=True)
class WhatIfReport:
    """What a policy would have changed. `more` and `fewer` show the newest of each."""

    policy: str
    condition: str
    days: int
    examined: int = 0
    cut: Cut | None = None
    asked_before: int = 0
    asked_after: int = 0
    more_count: int = 0
    fewer_count: int = 0
    unanswered: int = 0
    """Actions of which the version that is tried could not tell; not those of other policies."""
    more: list[Difference] = field(default_factory=list)
    fewer: list[Difference] = field(default_factory=list)
    by_capability: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Return whether the report covers all of its days."""
        return self.cut is None

    @property
    def is_all_shown(self) -> bool:
        """Return whether the report lists every difference."""
        return len(self.shown) == self.more_count + self.fewer_count

    @property
    def shown(self) -> list[Difference]:
        """Return the listed differences, newest first."""
        return sorted([*self.more, *self.fewer], key=lambda each: each.occurred_at, reverse=True)


def replay(
    policy: ApprovalPolicyVersion,
    *,
    days: int,
    condition: str | None = None,
    seconds_max: float = SECONDS_MAX,
) -> WhatIfReport:
    """Try a version of a policy on the last `days` of entries, newest first.

    `condition` is tried in place of its own, and may be no more than drafted.

    :raises ConditionInvalid: if that is no CEL.
    """
    tried = policy.rule
    if condition is not None:
        conditions.check(condition)
        tried = replace(tried, condition=condition)
    report = WhatIfReport(policy=str(policy), condition=tried.condition, days=days)
    in_force = [
        each.rule for each in ApprovalPolicyVersion.objects.filter(status=PolicyStatus.ACTIVE.value)
    ]
    with_it = [*(each for each in in_force if each.name != policy.name), tried]
    answers = _Answers(about=frozenset({tried.condition, tried.escalate_when}))
    before = [each for each in in_force if each.name == policy.name]
    until = time.monotonic() + seconds_max
    for entry in _entries(days, report, [*before, tried], until=until):
        known = _circumstances(entry)
        then = _people(_demand(in_force, known, entry, answers))
        answers.missed = False
        now = _people(_demand(with_it, known, entry, answers))
        report.unanswered += answers.missed
        _count(report, entry, then, now)
    return report


@dataclass
class _Answers:
    """Evaluate each condition once for the same facts: it takes a millisecond."""

    about: frozenset[str]
    missed: bool = False
    """Whether one of those that it is about had no answer since this was last put back."""
    _known: dict[tuple[str, bytes], bool | None] = field(default_factory=dict)

    def __call__(self, source: str, variables: Mapping[str, Any]) -> bool:
        key = (source, canonical.canonical({**variables, "principal_id": ""}))
        if "principal_id" in source:
            key = (source, canonical.canonical(variables))
        if key not in self._known:
            try:
                self._known[key] = conditions.answer(source, variables)
            except ConditionUnanswered:
                self._known[key] = None
        answer = self._known[key]
        if answer is None:
            self.missed |= source in self.about
            raise ConditionUnanswered(source)
        return answer


def _entries(
    days: int, report: WhatIfReport, about: Iterable[Policy], *, until: float
) -> Iterator[Entry]:
    scopes = [scope for each in about for scope in each.capabilities]
    ids = [each.id for each in capabilities.every() if covers(scopes, each.id)]
    rows = _of_last(days).filter(capability_id__in=ids)
    for number, entry in enumerate(rows[: ENTRIES_MAX + 1]):
        if number == ENTRIES_MAX or time.monotonic() >= until:
            report.cut = Cut.ENTRIES if number == ENTRIES_MAX else Cut.TIME
            return
        report.examined += 1
        yield entry


def _of_last(days: int) -> QuerySet[Entry]:
    since = timezone.now() - timedelta(days=days)
    executed = Entry.objects.filter(status__in=EXECUTED, approval_id__isnull=False)
    return (
        Entry.objects.select_related("mutation")
        .filter(occurred_at__gte=since, status__in=[*EXECUTED, Status.AWAITING_APPROVAL.value])
        .exclude(action_kind__in=_NO_ACTIONS)
        # What was asked for and then done is one action.
        .exclude(
            status=Status.AWAITING_APPROVAL.value, approval_id__in=executed.values("approval_id")
        )
        .order_by("-occurred_at", "-id")
    )


def _circumstances(entry: Entry) -> Circumstances:
    return Circumstances(
        action=entry.action_name,
        capability=entry.capability_id,
        risk=Risk(entry.evaluated_risk),
        principal_kind=PrincipalKind(entry.principal_type),
        principal_id=entry.principal_id,
        target_type=entry.target_type,
        is_reversible=_is_reversible(entry),
        facts=entry.mutation.risk_facts,
    )


def _is_reversible(entry: Entry) -> bool:
    # Of what was asked for, and never done, no more is known than what its capability says.
    is_declared = entry.mutation.reversal_kind != ReversalKind.NONE
    return is_declared or bool(capabilities.get(entry.capability_id).reversal)


def _demand(
    in_force: list[Policy], known: Circumstances, entry: Entry, answers: _Answers
) -> Demand | None:
    capability = capabilities.get(entry.capability_id)
    if not policies.may_need_approval(capability, known.principal_kind, known.risk):
        return None
    return policies.demanded(in_force, known, answer=answers)


def _people(demand: Demand | None) -> int:
    return demand.quorum if demand else 0


def _count(report: WhatIfReport, entry: Entry, before: int, after: int) -> None:
    report.asked_before += before > 0
    report.asked_after += after > 0
    if before == after:
        return
    is_more = after > before
    report.more_count += is_more
    report.fewer_count += not is_more
    difference = Difference(
        entry_id=entry.pk,
        occurred_at=entry.occurred_at,
        action=entry.action_name,
        capability=entry.capability_id,
        target=f"{entry.target_type} {entry.target_id}",
        principal=f"{entry.principal_type}:{entry.principal_id}",
        risk=entry.evaluated_risk,
        before=before,
        after=after,
    )
    none = dict.fromkeys(map(str, Change), 0)
    report.by_capability.setdefault(entry.capability_id, none)[difference.change] += 1
    shown = report.more if is_more else report.fewer
    if len(shown) < SHOWN_MAX:
        shown.append(difference)
