"""Grants and revokes temporary access to one document. Recorded, and effective at once."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from commerce import conf, selectors
from commerce.domain import access as rules
from commerce.domain import undoing
from commerce.domain.access import AccessGrantedAlready
from commerce.models import DocumentAccess, Rendition
from commerce.services import invoices, name_screening
from commerce.services.actions import action_on
from events import context, recorder
from events.domain.errors import NotFound, Rejected
from events.domain.principal import Principal, PrincipalKind
from events.domain.times import rfc3339
from ledger import recording
from ledger.domain.action import Kind, Proof
from ledger.domain.reversals import ReversalKind, Undoing
from ledger.models import ApiKey
from ledger.reversing import standings

MANAGE = "document_access.manage"


class DocumentNotFound(NotFound):
    code = "document_not_found"

    def __init__(self, document_id: UUID) -> None:
        super().__init__(f"There is no document {document_id}.", document_id=str(document_id))


class DocumentAccessNotFound(NotFound):
    code = "document_access_not_found"

    def __init__(self, access_id: UUID) -> None:
        super().__init__(f"There is no access {access_id}.", access_id=str(access_id))


class GranteeUnknown(Rejected):
    code = "grantee_unknown"
    hint = "Name a user who may log in, or an API key that has not ended."

    def __init__(self, grantee: Principal) -> None:
        super().__init__(
            f"There is no {grantee} that access could be granted to.",
            pointer="/grantee",
            grantee=str(grantee),
        )


def grant_document_access(
    *, document_id: UUID, grantee: str, purpose: str, expires_at: datetime | None = None
) -> DocumentAccess:
    """Let a user or an API key open one document until `expires_at`.

    :raises DocumentNotFound: if there is no such document.
    :raises GranteeNotAllowed, GranteeUnknown: if access cannot be granted to `grantee`.
    :raises AccessEndsInThePast: if it would be over before it begins.
    :raises AccessGrantedAlready: if they can open it under another grant.
    :raises PersonNamed: if the purpose names somebody of the booking.
    """
    name_screening.check_names_nobody(Q(invoices__renditions=document_id), purpose=purpose)
    now = timezone.now()
    ends = expires_at or now + conf.DOCUMENT_ACCESS
    asked = {"document_id": document_id, "grantee": grantee, "purpose": purpose}
    asked |= {"expires_at": expires_at} if expires_at else {}
    action = action_on(
        "document_access.grant", kind=Kind.CREATE, capability=MANAGE, reason=purpose, asked=asked
    )
    with recording.recorded(action) as proof:
        to = rules.read_grantee(grantee)
        rules.check_end(ends, at=now)
        document = _locked_document(document_id)
        _check_is_there(to)
        _make_room(document, to, at=now)
        access = DocumentAccess.objects.create(
            document=document,
            grantee=str(to),
            purpose=purpose,
            granted_at=now,
            granted_by=str(context.current().principal),
            expires_at=ends,
        )
        proof.refers_to(access.pk)
        proof.says(f"{to} can open document {document_id} until {ends:%Y-%m-%d %H:%M}.")
        proof.can_be_undone(undoing.of_access(until=ends))
        _emit("granted", access, expiresAt=rfc3339(ends))
    return access


def revoke_document_access(*, access_id: UUID, reason: str) -> DocumentAccess:
    """End an access at once. It is the undoing of the grant.

    :raises DocumentAccessNotFound: if there is no such access.
    :raises AccessEndedAlready: if it was revoked, or is over.
    :raises PersonNamed: if the reason does.
    """
    of = Q(invoices__renditions__accesses=access_id)
    name_screening.check_names_nobody(of, reason=reason)
    now = timezone.now()
    action = action_on(
        "document_access.revoke",
        access_id,
        capability=MANAGE,
        reason=reason,
        asked={"reason": reason},
    )
    with recording.recorded(action) as proof:
        access = _locked(access_id)
        proof.found(state_of(access))
        rules.check_can_revoke(access_id, selectors.access_status(access, at=now))
        access.revoked_at = now
        access.revoked_by = str(context.current().principal)
        access.revoke_reason = reason
        access.save()
        proof.says(f"{access.grantee} can no longer open document {access.document_id}.")
        _undo_grant(access, proof=proof)
        proof.can_be_undone(undoing.of_revocation(until=access.expires_at))
        _emit("revoked", access, revokedAt=rfc3339(now))
    return access


def state_of(access: DocumentAccess) -> dict[str, Any]:
    """Return what an approval of a change of an access depends on."""
    return {"status": selectors.access_status(access, at=timezone.now()).value}


def _locked_document(document_id: UUID) -> Rendition:
    rows = Rendition.objects.defer("content_sealed").select_related("invoice")
    document = rows.filter(pk=document_id).first()
    if document is None:
        raise DocumentNotFound(document_id)
    # Grants and revocations of access to the documents of one invoice are serialised here.
    document.invoice = invoices.locked(document.invoice_id)
    return document


def _locked(access_id: UUID) -> DocumentAccess:
    found = DocumentAccess.objects.filter(pk=access_id).values_list("document_id", flat=True)
    document_id = found.first()
    if document_id is None:
        raise DocumentAccessNotFound(access_id)
    document = _locked_document(document_id)
    access = DocumentAccess.objects.select_for_update().get(pk=access_id)
    access.document = document
    return access


def _check_is_there(grantee: Principal) -> None:
    if grantee.kind is PrincipalKind.USER:
        is_there = (
            _is_written_plainly(grantee.id)
            and User.objects.filter(pk=grantee.id, is_active=True).exists()
        )
    else:
        is_there = ApiKey.objects.live().filter(prefix=grantee.id).exists()
    if not is_there:
        raise GranteeUnknown(grantee)


def _is_written_plainly(user_id: str) -> bool:
    # `007` would be found as 7, and open nothing: whoever comes is called `user:7`.
    return user_id.isascii() and user_id.isdecimal() and not user_id.startswith("0")


def _make_room(document: Rendition, grantee: Principal, *, at: datetime) -> None:
    """Let what is over make way; refuse where something still holds."""
    standing = DocumentAccess.objects.filter(
        document=document, grantee=str(grantee), revoked_at=None, lapsed_at=None
    ).first()
    if standing is None:
        return
    if at < standing.expires_at:
        raise AccessGrantedAlready(standing.pk, standing.grantee)
    standing.lapsed_at = at
    standing.save(update_fields=["lapsed_at"])


def _undo_grant(access: DocumentAccess, *, proof: Proof) -> None:
    entry_id = standings.entry_of("document_access", str(access.pk))
    assert entry_id is not None, "every grant says how it is undone"
    proof.undoes(Undoing(of=entry_id, kind=ReversalKind.REVERT))


def _emit(what: str, access: DocumentAccess, **more: str) -> None:
    recorder.emit(
        f"document.access.{what}",
        {
            "accessId": str(access.pk),
            "documentId": str(access.document_id),
            "invoiceId": str(access.document.invoice_id),
            "bookingId": str(access.document.invoice.booking_id),
            "grantee": access.grantee,
            **more,
        },
        stream=("document_access", str(access.pk)),
        event_id=f"evt_document_access_{what}_{access.pk}",
    )
