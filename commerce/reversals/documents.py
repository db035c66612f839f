"""Reversals that end an access to a document, or restore one."""

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from commerce import selectors
from commerce.domain import undoing
from commerce.domain.reversals import documents as plans
from commerce.domain.reversals.documents import AccessFound, Opened
from commerce.models import DocumentAccess
from commerce.reversals.registration import register
from commerce.services import document_access
from commerce.services.document_access import MANAGE, DocumentAccessNotFound
from ledger import timelines
from ledger.domain.plans import OriginalAction, Plan
from ledger.domain.reversals import ReversalKind


def _look(original: OriginalAction) -> AccessFound:
    rows = DocumentAccess.objects.select_related("document")
    access = rows.defer("document__content_sealed").filter(pk=original.target.id).first()
    if access is None:
        raise DocumentAccessNotFound(UUID(original.target.id))
    return AccessFound(
        id=str(access.pk),
        document_id=str(access.document_id),
        grantee=access.grantee,
        purpose=access.purpose,
        status=selectors.access_status(access, at=timezone.now()),
        expires_at=access.expires_at,
        opened=_opened(access),
        live_id=_live_beside(access),
    )


def _opened(access: DocumentAccess) -> list[Opened]:
    reads = timelines.reads_under(
        selectors.policy_of(access),
        of=selectors.disclosed_target(access.document),
        since=access.granted_at,
    )
    return [Opened(entry_id=each.pk, at=each.occurred_at) for each in reads]


def _live_beside(access: DocumentAccess) -> str | None:
    others = DocumentAccess.objects.filter(
        document=access.document_id, grantee=access.grantee, revoked_at=None
    )
    live = others.exclude(pk=access.pk).filter(expires_at__gt=timezone.now()).first()
    return str(live.pk) if live else None


def _revoke(original: OriginalAction, plan: Plan) -> None:
    document_access.revoke_document_access(
        access_id=UUID(plan.input["access_id"]), reason=original.reason
    )


def _restore(_original: OriginalAction, plan: Plan) -> None:
    document_access.grant_document_access(
        document_id=UUID(plan.input["document_id"]),
        grantee=plan.input["grantee"],
        purpose=plan.input["purpose"],
        expires_at=datetime.fromisoformat(plan.input["expires_at"]),
    )


register(
    undoing.REVOKE_ACCESS,
    "Revoke the access: the document cannot be opened under it from now on.",
    kind=ReversalKind.REVERT,
    capability=MANAGE,
    look=_look,
    plan=plans.revoke,
    policy_facts=plans.policy_facts_of_revoking,
    run=_revoke,
)
register(
    undoing.RESTORE_ACCESS,
    "Grant the access anew, for the rest of its time.",
    kind=ReversalKind.REVERT,
    capability=MANAGE,
    look=_look,
    plan=plans.restore,
    policy_facts=plans.policy_facts_of_restoring,
    run=_restore,
)
