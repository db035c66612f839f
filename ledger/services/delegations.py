"""Grants and revokes delegations, and issues keys to agents. One durable transaction each.

People delegate in their own name only, to their own agents. Terms never change: to change them,
revoke and delegate anew. A key is shown once; nothing here logs or records it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from events import recorder, wire
from events.domain.errors import Forbidden, NotFound, Rejected
from events.domain.times import rfc3339
from ledger import capabilities, commands, readings, recording
from ledger.access import credentials, scope_limits
from ledger.access.authority import Caller
from ledger.access.delegations import Chain
from ledger.disclosure import disclosing
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.api_key import WrittenKey
from ledger.domain.delegation import DEPTH_MAX, DelegationEnded, DelegationTooDeep, Terms
from ledger.models import Agent, AgentKey, Delegation
from ledger.services.agents import AgentNotFound

LIFETIME_MAX: Final = timedelta(days=366)


class DelegationNotFound(NotFound):
    code = "delegation_not_found"

    def __init__(self, delegation_id: UUID | None) -> None:
        super().__init__(
            f"There is no delegation {delegation_id}.", delegation_id=str(delegation_id)
        )


class AgentKeyNotFound(NotFound):
    code = "agent_key_not_found"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"The delegation has no key {key_id}.", key_id=str(key_id))


class AgentOfSomebodyElse(Forbidden):
    code = "agent_of_somebody_else"
    hint = "Delegate to an agent that you own."

    def __init__(self, agent_id: UUID) -> None:
        super().__init__(f"Agent {agent_id} belongs to another user.", agent_id=str(agent_id))


class TargetTypeUnknown(Rejected):
    code = "target_type_unknown"
    hint = "Name types as entries name their targets, such as booking or credit_note."

    def __init__(self, type_: str, known: Sequence[str]) -> None:
        near = get_close_matches(type_, known, n=1)
        says = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}."
        super().__init__(
            f"Nothing is of the type {type_[:60]!r}; {says}",
            pointer=f"/resources/{type_.replace('~', '~0').replace('/', '~1')}",
            type=type_[:60],
        )


class DelegationStartOutOfRange(Rejected):
    code = "delegation_start_out_of_range"
    hint = "Choose a time before it ends, or leave it out: it starts at once, or with its parent."

    def __init__(self, starts_at: datetime) -> None:
        super().__init__(
            "A delegation starts before it ends.",
            pointer="/starts_at",
            starts_at=starts_at.isoformat(),
        )


class DelegationExpiryOutOfRange(Rejected):
    code = "delegation_expiry_out_of_range"
    hint = "Choose a time within the next year."

    def __init__(self, expires_at: datetime) -> None:
        super().__init__(
            "A delegation ends in the future, and within a year.",
            pointer="/expires_at",
            expires_at=expires_at.isoformat(),
        )


class AgentKeyExpiryOutOfRange(Rejected):
    code = "agent_key_expiry_out_of_range"
    hint = "Choose a time in the future, or leave it out: then it ends with the delegation."

    def __init__(self, expires_at: datetime) -> None:
        super().__init__(
            "A key of an agent ends in the future.",
            pointer="/expires_at",
            expires_at=expires_at.isoformat(),
        )


def create_delegation(
    *,
    agent_id: UUID,
    root: User,
    terms: Terms,
    reason: str,
    parent_id: UUID | None = None,
    issuer: Caller | None = None,
) -> Delegation:
    """Let an agent act in the name of `root`, directly or below another of their agents.

    `issuer` is the requester; None is Daybook itself.

    :raises AgentNotFound, DelegationNotFound: if there is no such agent or parent, or not for the
        issuer to see (ADR 0170).
    :raises AgentOfSomebodyElse: if `root` does not own the agent and the parent.
    :raises ScopeUnknown: if a scope includes no capability.
    :raises ScopesTooWide: if the issuer is a key with narrower scopes.
    :raises TargetTypeUnknown: if its filter names an unknown type.
    :raises DelegationStartOutOfRange: if it would start after its end.
    :raises DelegationExpiryOutOfRange: if it ends in the past or after more than a year.
    :raises DelegationTooWide: if it is wider than its parent, or any other above it.
    :raises DelegationTooDeep: if there are three above it already.
    :raises DelegationEnded: if the parent is revoked or has expired.
    """
    scope_limits.check_scopes(terms.scopes, giver=issuer)
    _check_types(terms)
    # What an approval is given for is these terms, and no wider ones.
    asked = {"agent_id": agent_id, "parent_id": parent_id, "root_id": root.pk, "terms": terms}
    action = _action("delegation.create", Kind.CREATE, reason=reason, asked=asked)
    try:
        with recording.recorded(action) as proof:
            agent = _agent_of(agent_id, root)
            parent = _parent_of(parent_id, root)
            _check_expiry(terms)
            # A parent without a limit of its own has those above it.
            for above in Chain.of(parent).links if parent else ():
                terms.check_within(above.terms)
            delegation = _insert(agent, parent, terms, reason=reason, proof=proof)
            _emit("delegation.created", delegation, proof=proof, **_logged_terms(delegation))
    except AgentOfSomebodyElse as why:
        if issuer is None or issuer.holds("agent.administer"):
            raise
        # On record as what it is; to who may not see it, it is not there (ADR 0170).
        is_agent = why.facts["agent_id"] == str(agent_id)
        raise (AgentNotFound(agent_id) if is_agent else DelegationNotFound(parent_id)) from None
    return delegation


def revoke_delegation(*, delegation_id: UUID, reason: str) -> Delegation:
    """Revoke a delegation and all below it, effective when this commits. Idempotent.

    :raises DelegationNotFound: if there is none with this id.
    """
    action = _action("delegation.revoke", Kind.UPDATE, delegation_id, reason=reason)
    with recording.recorded(action) as proof:
        delegation = _locked(delegation_id)
        ended = [] if delegation.revoked_at else _revoke(delegation)
        if not ended:
            proof.changes_nothing()
        for each in ended:
            _emit("delegation.revoked", each, proof=proof)
        proof.says(f"Ended at once, with {max(0, len(ended) - 1)} below it.")
    delegation.refresh_from_db()
    return delegation


def issue_agent_key(
    *, delegation_id: UUID, root: User, expires_at: datetime | None = None
) -> tuple[AgentKey, WrittenKey]:
    """Issue the key with which the agent acts under a delegation. Its secret is returned only here.

    :raises DelegationNotFound: if there is none with this id.
    :raises AgentOfSomebodyElse: if the delegation is not in the name of `root`.
    :raises DelegationEnded: if it is revoked or has expired.
    :raises AgentKeyExpiryOutOfRange: if the key would already have expired.
    """
    action = Action(
        name="agent_key.issue",
        kind=Kind.CREATE,
        target=Target(type="agent_key"),
        capability="delegation.create",
        input={"delegation_id": delegation_id, "root_id": root.pk, "expires_at": expires_at},
    )
    with recording.recorded(action) as proof:
        delegation = _locked(delegation_id)
        _check_own(delegation, root)
        _check_alive(delegation)
        if expires_at is not None and expires_at <= timezone.now():
            raise AgentKeyExpiryOutOfRange(expires_at)
        written = credentials.new_key(is_of_agent=True)
        key = AgentKey.objects.create(
            delegation=delegation,
            prefix=written.prefix,
            digest=credentials.digest(written.text),
            created_at=timezone.now(),
            expires_at=min(expires_at or delegation.expires_at, delegation.expires_at),
        )
        proof.refers_to(key.pk)
        proof.says(f"Issued for delegation {delegation.pk}.")
        disclosing.shows_secret(proof)
        digest = credentials.logged_digest(key.digest)
        _emit_key("agent_key.issued", key, expiresAt=rfc3339(key.expires_at), secretDigest=digest)
    return key, written


def revoke_agent_key(*, delegation_id: UUID, key_id: UUID) -> AgentKey:
    """Revoke one key of an agent at once; the delegation stays. Idempotent.

    :raises AgentKeyNotFound: if the delegation has no such key.
    """
    action = Action(
        name="agent_key.revoke",
        kind=Kind.UPDATE,
        target=Target(type="agent_key", id=str(key_id)),
        capability="delegation.revoke",
        input={"delegation_id": delegation_id},
    )
    with recording.recorded(action) as proof:
        key = (
            AgentKey.objects.select_for_update().filter(pk=key_id, delegation=delegation_id).first()
        )
        if key is None:
            raise AgentKeyNotFound(key_id)
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
            proof.says("Ended at once.")
            _emit_key("agent_key.revoked", key)
        else:
            proof.changes_nothing()
    return key


def _action(
    name: str,
    kind: Kind,
    delegation_id: UUID | None = None,
    *,
    reason: str,
    asked: Mapping[str, Any] | None = None,
) -> Action:
    return Action(
        name=name,
        kind=kind,
        target=Target(type="delegation", id=str(delegation_id or "")),
        capability=name,
        reason=reason,
        input=asked or {},
    )


def _check_expiry(terms: Terms) -> None:
    now = timezone.now()
    if not now < terms.expires_at <= now + LIFETIME_MAX:
        raise DelegationExpiryOutOfRange(terms.expires_at)


def _start_of(terms: Terms, parent: Delegation | None) -> datetime:
    """Return when it starts: if that is not asked for, at once or when all above have."""
    above = Chain.of(parent).links if parent else ()
    starts_at = terms.starts_at or max([timezone.now(), *(link.starts_at for link in above)])
    if starts_at >= terms.expires_at:
        raise DelegationStartOutOfRange(starts_at)
    return starts_at


def _check_types(terms: Terms) -> None:
    known = {each.resource for each in capabilities.every()}
    known |= {each.target_type for each in commands.every()}
    known |= {each.type for each in readings.every()}
    for type_ in terms.resources:
        if type_ not in known:
            raise TargetTypeUnknown(type_, sorted(known))


def _agent_of(agent_id: UUID, root: User) -> Agent:
    agent = Agent.objects.filter(pk=agent_id).first()
    if agent is None:
        raise AgentNotFound(agent_id)
    if agent.owner_id != root.pk:
        raise AgentOfSomebodyElse(agent_id)
    return agent


def _parent_of(parent_id: UUID | None, root: User) -> Delegation | None:
    if parent_id is None:
        return None
    parent = _locked(parent_id)
    _check_own(parent, root)
    _check_alive(parent)
    if parent.depth >= DEPTH_MAX:
        raise DelegationTooDeep
    return parent


def _check_own(delegation: Delegation, root: User) -> None:
    if delegation.root_id != root.pk:
        raise AgentOfSomebodyElse(delegation.agent_id)


def _check_alive(delegation: Delegation) -> None:
    if delegation.revoked_at is not None or delegation.expires_at <= timezone.now():
        raise DelegationEnded(str(delegation.pk))


def _locked(delegation_id: UUID) -> Delegation:
    rows = Delegation.objects.select_for_update(of=("self",), no_key=True)
    delegation = rows.select_related("agent", "root").filter(pk=delegation_id).first()
    if delegation is None:
        raise DelegationNotFound(delegation_id)
    return delegation


def _insert(
    agent: Agent, parent: Delegation | None, terms: Terms, *, reason: str, proof: Proof
) -> Delegation:
    hour_from, hour_until = terms.hours or (None, None)
    delegation = Delegation.objects.create(
        root=agent.owner,
        parent=parent,
        agent=agent,
        depth=1 if parent is None else parent.depth + 1,
        reason=reason,
        scopes=sorted(set(terms.scopes)),
        resources={type_: sorted(set(ids)) for type_, ids in terms.resources.items()},
        actions_max=terms.actions_max,
        cents_max=terms.cents_max,
        currency=terms.currency,
        per_minute_max=terms.per_minute_max,
        starts_at=_start_of(terms, parent),
        expires_at=terms.expires_at,
        hour_from=hour_from,
        hour_until=hour_until,
        created_at=timezone.now(),
    )
    proof.refers_to(delegation.pk)
    proof.says(f"Delegated to agent {agent.pk}: {', '.join(delegation.scopes)}.")
    return delegation


def _revoke(delegation: Delegation) -> list[Delegation]:
    ids = [id_ for (id_,) in wire.run(_BELOW, {"id": delegation.pk, "at": timezone.now()})]
    return list(Delegation.objects.select_related("agent").filter(pk__in=ids).order_by("depth"))


def _emit(name: str, delegation: Delegation, *, proof: Proof, **facts: object) -> None:
    data = {
        # The entry has the reason, which can be redacted; the log cannot be.
        "entryId": str(proof.entry_id),
        "delegationId": str(delegation.pk),
        "agentId": str(delegation.agent_id),
        "rootId": str(delegation.root_id),
        **facts,
    }
    recorder.emit(name, data, stream=("delegation", str(delegation.pk)))


def _logged_terms(delegation: Delegation) -> dict[str, object]:
    """Return the terms as the log has them, which checkpoints sign: the row is compared with it."""
    return {
        "scopes": delegation.scopes,
        "parentId": str(delegation.parent_id) if delegation.parent_id else None,
        "resources": delegation.resources,
        "actionsMax": delegation.actions_max,
        "centsMax": delegation.cents_max,
        "currency": delegation.currency,
        "perMinuteMax": delegation.per_minute_max,
        "startsAt": rfc3339(delegation.starts_at),
        "expiresAt": rfc3339(delegation.expires_at),
        "hourFrom": delegation.hour_from,
        "hourUntil": delegation.hour_until,
    }


def _emit_key(name: str, key: AgentKey, **facts: object) -> None:
    delegation_id = str(key.delegation_id)
    data = {"keyId": str(key.pk), "prefix": key.prefix, "delegationId": delegation_id, **facts}
    recorder.emit(name, data, stream=("delegation", delegation_id))


# A chain has three links at most, and none is hung below a locked one (its trigger waits).
_BELOW = """
WITH RECURSIVE below AS (
  SELECT id FROM ledger_delegation WHERE id = %(id)s
  UNION ALL
  SELECT d.id FROM ledger_delegation d JOIN below b ON d.parent_id = b.id
)
UPDATE ledger_delegation SET revoked_at = %(at)s
 WHERE id IN (SELECT id FROM below) AND revoked_at IS NULL
RETURNING id
"""
