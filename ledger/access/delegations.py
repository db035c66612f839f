"""The chain of delegations under which an agent acts, and the charges against its budgets.

Code that records an action of an agent calls `charge` in the same transaction. It locks every
link, so a revoked delegation or an exhausted budget stops whatever has not committed by then.
For any other principal it returns at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import models
from django.utils import timezone

from events import context, wire
from events.domain.errors import DomainError
from events.domain.principal import Principal, PrincipalKind
from events.ids import uuid_of
from events.locks import LockClass
from ledger import target_types
from ledger.domain import delegation as rules
from ledger.domain.action import Target
from ledger.domain.delegation import DelegationEnded, OutOfReach, Spending
from ledger.models import Delegation

_SWITCH: Final = 0
"""The second key of the lock that the kill switch takes alone, and its victims together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """What an entry says about the delegation under which it was made.

    Without an id it is no delegation to an agent: somebody let the system do it.
    """

    delegation_id: UUID | None
    delegated_by: Principal
    subtype: str = ""


class Chain:
    """A delegation and all above it, from the root down. What counts must pass every link."""

    def __init__(self, links: Sequence[Delegation]) -> None:
        assert links, "a chain has a link"
        self.links = links

    @classmethod
    def of(cls, link: Delegation) -> "Chain":
        """Return the chain that ends in `link`, its parents being loaded with it."""
        return cls(list(_upwards(link))[::-1])

    @property
    def last(self) -> Delegation:
        """The one under which somebody acts."""
        return self.links[-1]

    @property
    def is_filtered(self) -> bool:
        """Return whether only some things are within reach."""
        return any(link.resources for link in self.links)

    def covers(self, capability_id: str) -> bool:
        """Return whether every link lets the capability pass."""
        return all(link.terms.covers(capability_id) for link in self.links)

    def includes(self, type_: str, id_: str) -> bool:
        """Return whether every link lets this target pass."""
        return all(link.terms.includes(type_, id_) for link in self.links)

    def within(self, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Keep the rows that every link lets pass."""
        type_ = target_types.type_of(rows.model)
        for link in self.links:
            if link.resources:
                named = link.resources.get(type_, [])
                rows = rows.filter(pk__in=target_types.possible_ids(rows.model, named))
        return rows

    def why_ended(self, at: datetime) -> DomainError | None:
        """Return why nothing may be done at this moment; None if it may.

        A delegation that has ended is reported as ended, even outside its hours.
        """
        if not self.last.root.is_active or _all_are_stopped():
            return DelegationEnded(str(self.last.pk))
        whys = (
            rules.why_ended(each.terms, each.used, delegation_id=str(each.pk), at=at)
            for each in self.links
        )
        found = [why for why in whys if why is not None]
        ended = [why for why in found if isinstance(why, DelegationEnded)]
        return next(iter(ended or found), None)

    def is_stopped(self, at: datetime) -> bool:
        """Return whether nothing may be done although no link has ended: a stop, or its hours."""
        ended = any(link.revoked_at or link.expires_at <= at for link in self.links)
        return self.last.root.is_active and not ended and self.why_ended(at) is not None

    def mandate(self) -> Mandate:
        """Return what an entry says of it."""
        by = Principal(kind=PrincipalKind.USER, id=str(self.last.root_id))
        if self.last.parent is not None:
            by = self.last.parent.principal
        return Mandate(delegation_id=self.last.pk, delegated_by=by, subtype=self.last.agent.subtype)


def chain_of(principal: Principal) -> Chain:
    """Return the delegations under which an agent acts, whether they are in force or not.

    :raises DelegationEnded: if the agent names no delegation that ever was.
    """
    return _chain(principal)


def mandate_of(principal: Principal, delegated_by: Principal | None = None) -> Mandate | None:
    """Return the mandate of an agent; of anybody else that of `delegated_by`, None if by nobody.

    :raises DelegationEnded: if the agent names no delegation that ever was.
    """
    if principal.kind is PrincipalKind.AGENT:
        return _chain(principal).mandate()
    if delegated_by is None:
        return None
    return Mandate(delegation_id=None, delegated_by=delegated_by)


def charge(
    capability_id: str, target: Target, facts: Mapping[str, Any], *, is_within_scope: bool = True
) -> Mandate | None:
    """Charge one action, and the amount in its facts, to every budget of the acting agent.

    An action that follows from another (in a job) was charged with that one: it costs nothing, and
    is refused only if a link is not in force. With `is_within_scope` False neither scopes nor
    filters are checked, because every agent may do this; it is charged all the same.

    :raises DelegationEnded, DelegationNotBegun, OutsideHours: if a link is not in force.
    :raises OutOfReach: if a link does not let the capability, or the target, pass.
    :raises BudgetExceeded, RateExceeded: if a link has not enough left.
    """
    happened = context.current()
    if happened.principal.kind is not PrincipalKind.AGENT:
        return None
    chain = _chain(happened.principal, locked=True)
    at = timezone.now()
    if ended := chain.why_ended(at):
        raise ended
    if happened.origin.is_direct:
        is_reached = chain.covers(capability_id) and chain.includes(target.type, target.id)
        if is_within_scope and not is_reached:
            raise OutOfReach(capability_id, f"{target.type} {target.id}")
        _spend(chain, Spending.of(facts), at)
    return chain.mandate()


def stop_everything_under_way() -> None:
    """Wait until every agent's change has committed or failed, and let none commit before
    this transaction has."""
    wire.run("SELECT pg_advisory_xact_lock(%s, %s)", [LockClass.AGENTS, _SWITCH])


def _all_are_stopped() -> bool:
    [(are_stopped,)] = wire.fetch("SELECT EXISTS (SELECT FROM ledger_agentswitch)", {})
    return bool(are_stopped)


def _upwards(link: Delegation) -> Iterator[Delegation]:
    above: Delegation | None = link
    while above is not None:
        yield above
        above = above.parent


def _chain(principal: Principal, *, locked: bool = False) -> Chain:
    id_, agent_id = uuid_of(principal.delegation_id), uuid_of(principal.id)
    if id_ is None or agent_id is None:
        raise DelegationEnded(principal.delegation_id)
    links = Delegation.objects.filter(pk=id_, agent=agent_id)
    # No deeper than a chain can be; and whom one was passed on by never changes.
    ids = links.values_list("pk", "parent", "parent__parent").first()
    if ids is None:
        raise DelegationEnded(principal.delegation_id)
    rows = Delegation.objects.select_related("agent", "root", "parent__agent")
    if locked:
        wire.run("SELECT pg_advisory_xact_lock_shared(%s, %s)", [LockClass.AGENTS, _SWITCH])
        # From the root down, so that two children of one parent do not wait in a circle.
        rows = rows.select_for_update(of=("self",), no_key=True)
    return Chain(list(rows.filter(pk__in=filter(None, ids)).order_by("depth")))


def _spend(chain: Chain, spending: Spending, at: datetime) -> None:
    for link in chain.links:
        why = rules.why_over_budget(
            link.terms, link.used, spending, delegation_id=str(link.pk), at=at
        )
        if why is not None:
            raise why
    # The condition again, in the statement that takes: whatever was read before.
    taken = wire.run(
        _SPEND, {"ids": [link.pk for link in chain.links], "cents": spending.cents, "at": at}
    )
    assert taken.rowcount == len(chain.links), "every link was locked when it had enough"


# By the primary key; the rows are locked already. Money is counted where there is a limit to it,
# and so one currency: a sum of several would say nothing.
_SPEND = """
UPDATE ledger_delegation SET
  actions_used = actions_used + 1,
  cents_used = cents_used + CASE WHEN cents_max IS NULL THEN 0 ELSE %(cents)s END,
  minute_used = CASE WHEN minute_started_at > %(at)s - interval '1 minute'
                     THEN minute_used + 1 ELSE 1 END,
  minute_started_at = CASE WHEN minute_started_at > %(at)s - interval '1 minute'
                           THEN minute_started_at ELSE %(at)s END
 WHERE id = ANY(%(ids)s)
   AND revoked_at IS NULL AND expires_at > %(at)s
   AND (actions_max IS NULL OR actions_used < actions_max)
   AND (cents_max IS NULL OR cents_used + %(cents)s <= cents_max)
   AND (per_minute_max IS NULL OR minute_used < per_minute_max
        OR minute_started_at IS NULL OR minute_started_at <= %(at)s - interval '1 minute')
"""
