"""Temporary access to one document, for a purpose, without holding the capability."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from events.domain.errors import Conflict, Forbidden, Rejected
from events.domain.principal import Principal, PrincipalKind

GRANTABLE = frozenset({PrincipalKind.USER, PrincipalKind.API_KEY})
"""An agent reaches as far as its owner does and no further: grant it to the owner."""


class AccessStatus(StrEnum):
    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"


class GranteeNotAllowed(Rejected):
    code = "grantee_not_allowed"
    hint = "Name a user or an API key, as user:7 or api_key:<prefix>; an agent reads as its owner."

    def __init__(self, grantee: str) -> None:
        super().__init__(
            f"Access cannot be granted to {grantee!r}.", pointer="/grantee", grantee=grantee
        )


class AccessEndsInThePast(Rejected):
    code = "access_ends_in_the_past"
    hint = "Give a later time, or leave it out."

    def __init__(self, expires_at: str) -> None:
        super().__init__(
            "The access would end before it begins.",
            pointer="/expires_at",
            expires_at=expires_at,
        )


class AccessGrantedAlready(Conflict):
    code = "access_granted_already"
    hint = "Revoke it first to grant access on other terms."

    def __init__(self, access_id: UUID, grantee: str) -> None:
        super().__init__(
            f"{grantee} can open this document already.",
            access_id=str(access_id),
            grantee=grantee,
        )


class AccessEndedAlready(Conflict):
    code = "access_ended_already"
    hint = "Grant access again if the document must be opened again."

    def __init__(self, access_id: UUID, status: AccessStatus) -> None:
        super().__init__(
            f"Access {access_id} is {status.value}; there is nothing to revoke.",
            access_id=str(access_id),
            status=status.value,
        )


class DocumentAccessEnded(Forbidden):
    """Returned only to a caller who once had access: others must not learn that it exists."""

    code = "document_access_ended"
    hint = "Ask the person who granted it, if it is still needed."

    def __init__(self, access_id: UUID, status: AccessStatus) -> None:
        super().__init__(
            f"Your access to this document is {status.value}.",
            access_id=str(access_id),
            status=status.value,
        )


def status_of(*, expires_at: datetime, revoked_at: datetime | None, at: datetime) -> AccessStatus:
    """Return how it stands with an access at a moment; its last moment is too late."""
    if revoked_at is not None:
        return AccessStatus.REVOKED
    return AccessStatus.LIVE if at < expires_at else AccessStatus.EXPIRED


def read_grantee(text: str) -> Principal:
    """Return whom a grant names.

    :raises GranteeNotAllowed: if access cannot be granted to it.
    """
    try:
        grantee = Principal.parse(text)
    except ValueError:
        raise GranteeNotAllowed(text) from None
    if grantee.kind not in GRANTABLE or not grantee.id:
        raise GranteeNotAllowed(text)
    return grantee


def check_end(expires_at: datetime, *, at: datetime) -> None:
    """Refuse an access that is over before it begins.

    :raises AccessEndsInThePast: if it would be.
    """
    if expires_at <= at:
        raise AccessEndsInThePast(expires_at.isoformat())


def check_can_revoke(access_id: UUID, status: AccessStatus) -> None:
    """Refuse to revoke what has ended.

    :raises AccessEndedAlready: if it was revoked, or is over.
    """
    if status is not AccessStatus.LIVE:
        raise AccessEndedAlready(access_id, status)
