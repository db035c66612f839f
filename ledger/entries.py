"""Writes and reads entries: the only module that inserts into the tables of the ledger.

One statement writes an entry with its details. Its body is the canonical JSON of all that is
known, so that its digest can be recomputed without Daybook.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

import orjson
from django.db import DatabaseError, IntegrityError
from django.db.models import QuerySet

from events import finishing, wire
from events.companions import Deferred
from events.domain import canonical
from events.domain.context import EventContext
from events.domain.errors import Conflict
from events.domain.principal import PrincipalKind
from ledger import capabilities, statements
from ledger.access.delegations import Mandate
from ledger.domain.action import (
    Action,
    Authority,
    Idempotency,
    Kind,
    Status,
    Target,
    moment,
    plain,
)
from ledger.domain.capability import actor_of
from ledger.domain.payload import Kept, PayloadKind
from ledger.domain.reversals import Declaration, Undoing
from ledger.models import Entry
from ledger.privacy import fingerprints, payloads, remarks
from ledger.privacy.payloads import Prepared
from ledger.privacy.remarks import SaltedRemark
from ledger.reversing import standings

FORMAT: Final = "daybook.entry/2"
"""Names the shape of the body. A new shape gets a new number; old bodies stay as they are.

1 had `reason` and `reason_code` in clear; 2 has `reason_digest`, and the words beside the entry.
"""

ID_CHARS_MAX: Final = 255
_ONCE_PER_KEY = "ledger_entry_is_written_once_per_key"

_SOURCES: Final = {
    PrincipalKind.USER: "permission",
    PrincipalKind.API_KEY: "api_key_scope",
    PrincipalKind.AGENT: "delegation",
    PrincipalKind.WORKFLOW: "workflow",
    PrincipalKind.SYSTEM: "internal",
}


class ActionRepeated(Conflict):
    code = "action_repeated"
    hint = "It was executed already: read its result instead of repeating it."

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        super().__init__(
            "This was done before under the same key.",
            entry_id=str(entry.pk),
            target_type=entry.target_type,
            target_id=entry.target_id,
        )


class ActionKeyReused(Conflict):
    code = "action_key_reused"
    hint = "Every new action needs a new key."

    def __init__(self) -> None:
        super().__init__("The key belongs to another action.")


class ActionInProgress(Conflict):
    code = "action_in_progress"
    hint = "Try again after the seconds in Retry-After."
    retry_after_seconds: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__("The first action with this key is still under way.")


class PoliciesMoved(Exception):
    """Control flow: an approval policy has changed since this action was checked."""


class EntryDraft(NamedTuple):
    """All that an entry says, before it is serialised. Build it with keyword arguments only.

    `policies` is the mark of the approval policies that were evaluated; None if none had to be.
    It is no frozen dataclass, which takes three times as long to make, for every entry.
    """

    id: UUID
    occurred_at: datetime
    name: str
    version: int
    kind: Kind
    status: Status
    target: Target
    authority: Authority
    happened: EventContext
    reason: str = ""
    summary: str = ""
    amends: UUID | None = None
    idempotency: Idempotency | None = None
    fingerprint: str = ""
    fields: tuple[str, ...] = ()
    policy: str = ""
    mandate: Mandate | None = None
    approval_id: UUID | None = None
    policies: UUID | None = None
    facts: Mapping[str, Any] = MappingProxyType({})
    workflow_run_id: str = ""
    workflow_step_id: str = ""
    kept: tuple[Kept, ...] = ()
    declared: Declaration | None = None
    undoing: Undoing | None = None


def append(draft: EntryDraft, *, ends: bool = False, after: Deferred | None = None) -> None:
    """Insert an entry, its detail, and what it refers to.

    With `ends` it is the last statement of the transaction, and shares its round trip with COMMIT
    if possible. `after` holds deferred appends, which are written before the entry.

    :raises PoliciesMoved: if other policies than `draft.policies` are in force; nothing is written.
    :raises ActionKeyReused: if its idempotency key stands on another entry.
    :raises PayloadTooLarge: if it refers to too much.
    :raises ReversalRefused: if it undoes another that does not, or no longer, allow it.
    """
    if after is not None and not (ends and _stands_alone(draft) and finishing.can_commit()):
        after.write()
    taken = _taken(draft)
    kept = payloads.prepare(draft.id, draft.kept, at=draft.occurred_at) if draft.kept else []
    worded = remarks.prepare(draft.reason)
    columns = _written(draft, kept, worded, taken)
    has_standing = draft.declared is not None or taken is not None
    ends = ends and taken is None and finishing.can_commit()
    try:
        if ends and after is not None and _is_finished_with(draft, columns, after):
            return
        entry = _statement(draft, columns, worded, has_standing=has_standing, refuses=ends)
        if ends:
            _finish(draft, [entry, *payloads.statements(kept)])
            return
        if not wire.run(*entry).rowcount:
            raise PoliciesMoved
    except IntegrityError as error:
        if _ONCE_PER_KEY in str(error):
            raise ActionKeyReused from error
        raise
    for statement in payloads.statements(kept):
        wire.run(*statement)
    if taken is not None:
        standings.store(taken, entry_id=draft.id, at=draft.occurred_at)


def _written(
    draft: EntryDraft,
    kept: Sequence[Prepared],
    worded: SaltedRemark | None,
    taken: standings.AllowedStep | None,
) -> dict[str, Any]:
    """Return the columns of an entry and of its disclosure, with the bytes of its body.

    Ids and times are texts, for the body and for PostgreSQL alike.
    """
    details = _columns(draft)
    details |= _disclosure(draft) if draft.kind is Kind.READ else _mutation(draft, kept)
    if draft.declared is not None:
        details |= standings.declared_columns(draft.declared)
    if taken is not None:
        details |= taken.for_body()
    # Without what is empty: the tables know that, and a body may get further columns.
    columns = {name: value for name, value in details.items() if value}
    said = {"format": FORMAT, **columns}
    if kept:
        said["payloads"] = [each.for_body() for each in kept]
    if worded is not None:
        said["reason_digest"] = worded.digest
    columns["body"] = body = canonical.canonical(said)
    columns["digest"] = hashlib.sha256(body).hexdigest()
    return columns


def _stands_alone(draft: EntryDraft) -> bool:
    """Return whether an entry is one row and no more."""
    has_more = draft.kept or draft.reason or draft.declared or draft.undoing
    return not has_more and draft.kind is not Kind.READ


def _is_finished_with(draft: EntryDraft, columns: Mapping[str, Any], held: Deferred) -> bool:
    """Write an entry in one statement with what is held back, and commit.

    Return False if nothing is.
    """
    entry = statements.beside(columns, policies=draft.policies)
    try:
        return held.write_with(entry, guarded=draft.policies is not None)
    except DatabaseError as error:
        _check_policies(error)
        raise


def _finish(draft: EntryDraft, written: Sequence[wire.Statement]) -> None:
    try:
        finishing.commit_with(written, guarded=draft.policies is not None)
    except DatabaseError as error:
        _check_policies(error)
        raise


def _check_policies(error: DatabaseError) -> None:
    """Roll the entry back, and only that, if the policies have changed since they were checked."""
    if getattr(error.__cause__, "sqlstate", None) == statements.POLICIES_MOVED:
        finishing.take_back()
        raise PoliciesMoved from error


def _statement(
    draft: EntryDraft,
    columns: Mapping[str, Any],
    worded: SaltedRemark | None,
    *,
    has_standing: bool,
    refuses: bool,
) -> wire.Statement:
    """Return what inserts it, if the policies in force are those that were asked.

    If they are not, it inserts nothing, or fails if it `refuses`.
    """
    looks = draft.kind is Kind.READ
    statement = statements.insert(
        tuple(name for name in columns if name not in _OF_A_LOOK) if looks else tuple(columns),
        when=statements.condition(is_asked=draft.policies is not None, refuses=refuses),
        has_standing=has_standing,
        has_remark=worded is not None,
        has_disclosure=looks,
    )
    row = {**(standings.NO_REVERSAL if has_standing else {}), **columns}
    if looks:
        row |= _disclosure(draft)
    if facts := columns.get("risk_facts"):
        row["risk_facts"] = orjson.dumps(facts).decode()
    if worded is not None:
        row |= worded.columns()
    if draft.policies is not None:
        row["policies"] = draft.policies
    return statement, row


def claim(action: Action, idempotency: Idempotency) -> None:
    """Check that no action under the same key was done or is under way.

    :raises ActionInProgress: if another transaction is at it.
    :raises ActionRepeated: if it was done; it names the entry and what was made.
    :raises ActionKeyReused: if the key was used for something else.
    """
    name = f"{idempotency.scope}\0{action.name}\0{idempotency.key}".encode()
    lock_id = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
    [(taken,)] = wire.run("SELECT pg_try_advisory_xact_lock(%s)", [lock_id])
    if not taken:
        raise ActionInProgress
    before = _under(action.name, idempotency).first()
    if before is None:
        return
    if before.idempotency_fingerprint not in fingerprints.known(_fingerprinted_content(action)):
        raise ActionKeyReused
    raise ActionRepeated(before)


def is_known(action_name: str, idempotency: Idempotency) -> bool:
    """Return whether an entry of this action stands under the key."""
    return _under(action_name, idempotency).exists()


def _under(action_name: str, idempotency: Idempotency) -> QuerySet[Entry]:
    # Relies on ledger_entry_is_written_once_per_key.
    return Entry.objects.filter(
        idempotency_scope=idempotency.scope,
        idempotency_key=idempotency.key,
        action_name=action_name,
    )


def authority_of(
    capability_id: str, facts: Any, happened: EventContext, *, source: str = ""
) -> Authority:
    """Return by what right somebody acts, and what is at stake by these facts."""
    capability = capabilities.get(capability_id)
    return Authority(
        capability=capability.id,
        version=capability.version,
        risk=capability.risk_of(facts),
        source=source or _SOURCES.get(happened.principal.kind, "none"),
    )


def fingerprint_of(action: Action) -> str:
    """Return what two actions share when they ask for the same thing by the same right."""
    return fingerprints.made(_fingerprinted_content(action))


def _fingerprinted_content(action: Action) -> dict[str, Any]:
    capability, target = capabilities.get(action.capability), action.target
    return {
        "actionName": action.name,
        "actionVersion": f"v{action.version}",
        "targetType": target.type,
        "targetId": target.id,
        "commandInput": plain(action.input),
        "policyInputs": {"capabilityId": capability.id, "capabilityVersion": capability.version},
    }


def _taken(draft: EntryDraft) -> standings.AllowedStep | None:
    if draft.undoing is None:
        return None
    return standings.take(draft.undoing, at=draft.occurred_at, approval_id=draft.approval_id)


def _columns(draft: EntryDraft) -> dict[str, Any]:
    """Return the columns of any entry, in one expression: each call would be one per entry."""
    happened, authority, origin = draft.happened, draft.authority, draft.happened.origin
    principal, key, mandate = happened.principal, draft.idempotency, draft.mandate
    kind, by = principal.kind, mandate.delegated_by if mandate else None
    return {
        "id": str(draft.id),
        "occurred_at": moment(draft.occurred_at.astimezone(UTC)),
        "action_name": draft.name,
        "action_version": draft.version,
        "action_kind": str(draft.kind),
        "status": str(draft.status),
        "evaluated_risk": str(authority.risk),
        "actor_type": actor_of(kind),
        "principal_type": str(kind),
        "principal_id": principal.id,
        "principal_subtype": mandate.subtype if mandate else "",
        "session_id": origin.session_id,
        "api_token_id": principal.id if kind is PrincipalKind.API_KEY else "",
        "internal_request": kind is PrincipalKind.SYSTEM,
        "caller_type": origin.caller_type or "internal",
        "route_or_tool_name": origin.route()[:ID_CHARS_MAX],
        "correlation_id": happened.correlation_id,
        "causation_id": happened.causation_id or "",
        "idempotency_scope": key.scope if key else None,
        "idempotency_key": key.key if key else None,
        "idempotency_fingerprint": draft.fingerprint,
        "target_type": draft.target.type,
        "target_id": draft.target.id,
        "capability_id": authority.capability,
        "capability_version": authority.version,
        "authorization_source": authority.source,
        "approval_id": str(draft.approval_id) if draft.approval_id else None,
        "amends_id": str(draft.amends) if draft.amends else None,
        "delegation_id": str(mandate.delegation_id) if mandate and mandate.delegation_id else None,
        "delegated_by_type": str(by.kind) if by else "",
        "delegated_by_id": by.id if by else "",
        "workflow_run_id": draft.workflow_run_id or happened.workflow_run_id,
        "workflow_step_id": draft.workflow_step_id or happened.workflow_step_id,
    }


def _mutation(draft: EntryDraft, kept: Sequence[Prepared]) -> dict[str, Any]:
    details: dict[str, Any] = {
        "command_result_ref": f"{draft.target.type}:{draft.target.id}",
        "summary": draft.summary,
        "risk_facts": plain(draft.facts),
    }
    for each in kept:
        if each.kind in _REFS:
            details[_REFS[each.kind]] = each.ref
    return details


def _disclosure(draft: EntryDraft) -> dict[str, Any]:
    return {
        "disclosed_fields": list(draft.fields),
        "decision_policy": draft.policy,
    }


_OF_A_LOOK: Final = frozenset({"disclosed_fields", "decision_policy"})
_REFS: Final[Mapping[str, str]] = {
    PayloadKind.COMMAND_INPUT: "command_input_ref",
    PayloadKind.COMMAND_RESULT: "command_result_ref",
    PayloadKind.REVERSAL_ARGS: "reversal_args_ref",
}
