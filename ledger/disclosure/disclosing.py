"""Records each disclosure of private data before it happens: it cannot be undone.

`disclosed` is for private data, `note_read` for whatever an agent reads. Either commits the
entry first; if it cannot be written, nothing is disclosed.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import transaction as db_transaction
from django.utils import timezone

from events import context
from events.domain.errors import DomainError, Forbidden, Throttled
from events.ids import new_id
from ledger import capabilities, entries, idempotency, recording
from ledger.access import delegations
from ledger.access.delegations import Mandate
from ledger.domain.action import UNKNOWN_TARGET, WHOLE_ANSWER, Kind, Proof, Read, Status, Target
from ledger.domain.disclosure import MADE_NOW, AccessReasonRequired, LedgerUnavailable
from ledger.entries import EntryDraft

logger = logging.getLogger(__name__)

T = TypeVar("T")


def disclosed(read: Read, reveal: Callable[[], T]) -> T:
    """Commit the entry of `read`, then return what `reveal` returns.

    It is never stored under an idempotency key: a repeated request is another disclosure.

    :raises PrincipalNotAllowed: if the capability is not for this kind of principal.
    :raises AccessReasonRequired: without a reason, if the capability requires one.
    :raises DelegationEnded, OutOfReach, BudgetExceeded: of an agent, as `delegations.charge` says.
    :raises LedgerUnavailable: if it cannot be recorded; then nothing is revealed.
    """
    recording.check_principal(read.capability)
    if capabilities.get(read.capability).asks_why and not read.reason:
        raise AccessReasonRequired(read.capability)
    _commit_read(read)
    idempotency.current_exchange().is_private = True
    return reveal()


def shows_secret(proof: Proof) -> None:
    """Record, with the action that creates a secret, that its creator will see it, once."""
    read = Read(
        name=f"{proof.target.type}.show_secret",
        target=proof.target,
        capability=proof.action.capability,
        fields=("secret",),
        reason=MADE_NOW,
    )
    entries.append(_draft_of_read(read, delegations.mandate_of(context.current().principal)))


def note_read(
    capability_id: str,
    *,
    target_type: str = "",
    target_id: str = "",
    reason: str = "",
    is_within_scope: bool = True,
) -> None:
    """Record what an agent is about to read, and charge it to the agent's budgets.

    `target_type`: the type of what is read, where it differs from the resource of the capability
    (slots are read by that of products). `is_within_scope`: False for what every agent may read,
    whether or not its delegation covers it.

    :raises DelegationEnded, OutOfReach, BudgetExceeded: as `delegations.charge` says.
    :raises LedgerUnavailable: if it cannot be recorded.
    """
    id_ = capability_id
    type_ = target_type or capabilities.get(id_).resource
    target = Target(type=type_, id=target_id or UNKNOWN_TARGET)
    read = Read(name=id_, target=target, capability=id_, fields=WHOLE_ANSWER, reason=reason)
    if is_within_scope:
        recording.check_principal(read.capability)
    _commit_read(read, is_within_scope=is_within_scope)


def note_withheld(capability_id: str, why: DomainError, *, target: Target) -> None:
    """Record that something is withheld, and the real reason, whatever the caller is told.

    :raises LedgerUnavailable: if it cannot be recorded.
    """
    try:
        recording.record_denial(
            capability_id, target_id=target.id, why=why, target_type=target.type
        )
    except DatabaseError as error:
        logger.exception("A look into private data was withheld.", extra={"action": capability_id})
        raise LedgerUnavailable from error


def _commit_read(read: Read, *, is_within_scope: bool = True) -> None:
    try:
        with db_transaction.atomic(durable=True):
            mandate = delegations.charge(
                read.capability, read.target, {}, is_within_scope=is_within_scope
            )
            entries.append(_draft_of_read(read, mandate))
    except DatabaseError as error:
        logger.exception("A look into private data was withheld.", extra={"action": read.name})
        raise LedgerUnavailable from error
    except (Forbidden, Throttled) as why:
        recording.record_denial(
            read.capability, target_id=read.target.id, why=why, target_type=read.target.type
        )
        raise


def _draft_of_read(read: Read, mandate: Mandate | None) -> EntryDraft:
    happened = context.current()
    return EntryDraft(
        id=new_id(),
        occurred_at=timezone.now(),
        name=read.name,
        version=read.version,
        kind=Kind.READ,
        status=Status.SUCCEEDED,
        target=read.target,
        authority=entries.authority_of(read.capability, {}, happened, source=read.source),
        happened=happened,
        reason=read.reason,
        fields=tuple(sorted(read.fields)),
        policy=read.policy,
        mandate=mandate,
    )
