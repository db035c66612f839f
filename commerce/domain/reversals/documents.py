"""Reversal plans that end an access to a document, or restore one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from commerce.domain.access import AccessStatus
from ledger.domain.action import Target
from ledger.domain.plans import Effect, EffectKind, OriginalAction, Plan, PolicyFacts, blocked

READS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """That the document was opened under the access, and where that is on record."""

    entry_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFound:
    """An access, as the rules of its undoing see it.

    `opened` are the times that the document was opened under it, the first one first.
    `live_id` is another access that holds now, of the same grantee to the same document.
    """

    id: str
    document_id: str
    grantee: str
    purpose: str
    status: AccessStatus
    expires_at: datetime
    opened: Sequence[Opened] = ()
    live_id: str | None = None


def revoke(_original: OriginalAction, found: AccessFound) -> Plan:
    """End an access. What was read under it stays known."""
    effects = [
        Effect(
            kind=EffectKind.REVERTED,
            summary=f"{found.grantee} can no longer open document {found.document_id}.",
            target=_target(found),
            parts=_read_already(found),
        )
    ]
    if found.status is not AccessStatus.LIVE:
        effects.append(blocked(f"The access is {found.status.value} already."))
    return Plan(effects=tuple(effects), input={"access_id": found.id})


def restore(_original: OriginalAction, found: AccessFound) -> Plan:
    """Grant an access anew that was revoked, for the rest of its time."""
    until = f"{found.expires_at:%Y-%m-%d %H:%M} UTC"
    effects = [
        Effect(
            kind=EffectKind.REVERTED,
            summary=f"{found.grantee} can open document {found.document_id} again until {until}.",
            target=_target(found),
        )
    ]
    if found.live_id is not None:
        effects.append(blocked(f"They can open it already, under access {found.live_id}."))
    return Plan(
        effects=tuple(effects),
        input={
            "document_id": found.document_id,
            "grantee": found.grantee,
            "purpose": found.purpose,
            "expires_at": found.expires_at.isoformat(),
        },
    )


def policy_facts_of_revoking(found: AccessFound, _plan: Plan) -> PolicyFacts:
    """Return what ending an access weighs: nothing but whether it holds."""
    state = {"status": found.status.value}
    return PolicyFacts(
        action="document_access.revoke",
        target_type="document_access",
        state=state,
        is_reversible=True,
    )


def policy_facts_of_restoring(_found: AccessFound, _plan: Plan) -> PolicyFacts:
    """Return what granting it anew weighs: nothing, the access is yet to be made."""
    return PolicyFacts(
        action="document_access.grant", target_type="document_access", is_reversible=True
    )


def _read_already(found: AccessFound) -> tuple[Effect, ...]:
    if not found.opened:
        return ()
    times = "once" if len(found.opened) == 1 else f"{len(found.opened)} times"
    return (
        Effect(
            kind=EffectKind.IRREVERSIBLE,
            summary=f"It was opened {times} under this access: what was read stays known.",
            target=_target(found),
            parts=tuple(_look(each) for each in found.opened[-READS_SHOWN_MAX:]),
        ),
    )


def _look(opened: Opened) -> Effect:
    return Effect(
        kind=EffectKind.IRREVERSIBLE,
        summary=f"Opened on {opened.at:%Y-%m-%d} at {opened.at:%H:%M} UTC.",
        entry_id=opened.entry_id,
    )


def _target(found: AccessFound) -> Target:
    return Target(type="document_access", id=found.id)
