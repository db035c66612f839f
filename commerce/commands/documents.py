"""Commands on the access to documents."""

from typing import Any
from uuid import UUID

from commerce.commands.registration import REASON, moment, register, yet_to_be_made
from commerce.models import DocumentAccess
from commerce.schemas import ID, TIME, record
from commerce.services import document_access
from commerce.services.document_access import MANAGE, DocumentAccessNotFound
from events.domain.canonical import JSON


def _access_state(target_id: str) -> JSON:
    row = DocumentAccess.objects.filter(pk=target_id).first()
    if row is None:
        raise DocumentAccessNotFound(UUID(target_id))
    return document_access.state_of(row)


def _grant(_target_id: str, asked: dict[str, Any]) -> str:
    access = document_access.grant_document_access(
        document_id=UUID(asked["document_id"]),
        grantee=asked["grantee"],
        purpose=asked["purpose"],
        expires_at=moment(asked.get("expires_at")),
    )
    return str(access.pk)


def _revoke(target_id: str, asked: dict[str, Any]) -> str:
    access = document_access.revoke_document_access(
        access_id=UUID(target_id), reason=asked["reason"]
    )
    return str(access.pk)


register(
    "document_access.grant",
    "Let a user or an API key open a document for a while.",
    _grant,
    schema=record(
        ("expires_at",),
        document_id=ID,
        grantee={"type": "string", "maxLength": 200},
        purpose=REASON,
        expires_at=TIME,
    ),
    state_of=yet_to_be_made,
    capability=MANAGE,
    makes=True,
)
register(
    "document_access.revoke",
    "End an access to a document.",
    _revoke,
    schema=record(reason=REASON),
    state_of=_access_state,
    capability=MANAGE,
)
