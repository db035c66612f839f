"""Issues, rotates and revokes API keys. Each public function is one durable transaction.

A key is shown once, to its issuer. No function here logs or records it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from events import recorder
from events.domain.errors import Conflict, Forbidden, NotFound, Rejected
from events.domain.times import rfc3339
from ledger import recording
from ledger.access import credentials, scope_limits
from ledger.access.authority import Caller
from ledger.disclosure import disclosing
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.api_key import WrittenKey
from ledger.models import API_KEY_LIFETIME_MAX, ApiKey

API_KEY_OVERLAP_DEFAULT: Final = timedelta(hours=24)
API_KEY_OVERLAP_MAX: Final = timedelta(days=7)


class ApiKeyExpiryOutOfRange(Rejected):
    code = "api_key_expiry_out_of_range"
    hint = "Choose a time within the next year; rotate the key before it ends."

    def __init__(self, expires_at: datetime) -> None:
        super().__init__(
            "An API key must end in the future, and within a year.",
            pointer="/expires_at",
            expires_at=expires_at.isoformat(),
        )


class ApiKeyOverlapOutOfRange(Rejected):
    code = "api_key_overlap_out_of_range"
    hint = "Use 0 to end the old key at once."

    def __init__(self, overlap: timedelta) -> None:
        super().__init__(
            "The old key may stay good for seven days at most.",
            pointer="/overlap_seconds",
            overlap_seconds=int(overlap.total_seconds()),
        )


class ApiKeyNotFound(NotFound):
    code = "api_key_not_found"

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"There is no API key {key_id}.", id=str(key_id))


class ApiKeyOfSomebodyElse(Forbidden):
    code = "api_key_of_somebody_else"
    hint = "Revoke it; its owner can issue another."

    def __init__(self, key_id: UUID) -> None:
        super().__init__("Only its owner can rotate an API key.", id=str(key_id))


class ApiKeyEnded(Conflict):
    code = "api_key_ended"
    hint = "Issue a new key."

    def __init__(self, key_id: UUID) -> None:
        super().__init__(
            f"API key {key_id} is revoked, expired or already rotated.", id=str(key_id)
        )


def issue_api_key(
    *,
    name: str,
    owner: User,
    scopes: Sequence[str],
    expires_at: datetime,
    issuer: Caller | None = None,
) -> tuple[ApiKey, WrittenKey]:
    """Issue a key that acts as `owner` within `scopes`. Its secret is returned only here.

    `issuer` is the requester; None is Daybook itself.

    :raises ScopeUnknown: if a scope includes no capability.
    :raises ScopesTooWide: if the issuer is a key with narrower scopes.
    :raises ApiKeyExpiryOutOfRange: if it ends in the past or after more than a year.
    """
    scope_limits.check_scopes(scopes, giver=issuer)
    _check_expiry(expires_at)
    asked = {
        "name": name,
        "owner_id": owner.pk,
        "scopes": sorted(set(scopes)),
        "expires_at": expires_at,
    }
    action = _action("api_key.issue", Kind.CREATE, asked=asked)
    with recording.recorded(action) as proof:
        key, secret = _insert(
            name=name, owner=owner, scopes=scopes, expires_at=expires_at, proof=proof
        )
        _emit_issued(key)
    return key, secret


def rotate_api_key(
    *, key_id: UUID, overlap: timedelta = API_KEY_OVERLAP_DEFAULT, issuer: Caller
) -> tuple[ApiKey, WrittenKey]:
    """Issue the successor of a key; the old one stays valid for `overlap` at most.

    :raises ApiKeyNotFound: if there is none with this id.
    :raises ApiKeyOfSomebodyElse: if the issuer is not its owner.
    :raises ScopesTooWide: if the issuer is a key with narrower scopes.
    :raises ApiKeyEnded: if it is not live, or has a successor.
    :raises ApiKeyOverlapOutOfRange: if the overlap is negative or above seven days.
    """
    if not timedelta(0) <= overlap <= API_KEY_OVERLAP_MAX:
        raise ApiKeyOverlapOutOfRange(overlap)
    asked = {"key_id": key_id, "overlap_seconds": int(overlap.total_seconds())}
    action = _action("api_key.rotate", Kind.UPDATE, capability="api_key.issue", asked=asked)
    with recording.recorded(action) as proof:
        old = _locked(key_id)
        _check_rotation(old, issuer)
        new, secret = _insert(
            name=old.name,
            owner=old.owner,
            scopes=old.scopes,
            expires_at=timezone.now() + (old.expires_at - old.created_at),
            lineage=old.lineage,
            proof=proof,
        )
        old.successor = new
        old.expires_at = min(old.expires_at, timezone.now() + overlap)
        old.save(update_fields=["successor", "expires_at"])
        _emit_issued(new)
        _emit("api_key.rotated", old, successorId=str(new.pk), endsAt=rfc3339(old.expires_at))
    return new, secret


def revoke_api_key(*, key_id: UUID) -> ApiKey:
    """Revoke a key at once. Idempotent.

    :raises ApiKeyNotFound: if there is none with this id.
    """
    with recording.recorded(_action("api_key.revoke", Kind.UPDATE, key_id)) as proof:
        key = _locked(key_id)
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
            _emit("api_key.revoked", key)
            proof.says("Ended at once.")
        else:
            proof.changes_nothing()
    return key


def _action(
    name: str,
    kind: Kind,
    key_id: UUID | None = None,
    *,
    capability: str | None = None,
    asked: Mapping[str, Any] | None = None,
) -> Action:
    target = Target(type="api_key", id=str(key_id or ""))
    return Action(
        name=name, kind=kind, target=target, capability=capability or name, input=asked or {}
    )


def _check_expiry(expires_at: datetime) -> None:
    now = timezone.now()
    if not now < expires_at <= now + API_KEY_LIFETIME_MAX:
        raise ApiKeyExpiryOutOfRange(expires_at)


def _check_rotation(old: ApiKey, issuer: Caller) -> None:
    if issuer.user != old.owner:
        # Its successor would act in the owner's name, and its secret be in other hands.
        raise ApiKeyOfSomebodyElse(old.pk)
    scope_limits.check_reach(old.scopes, giver=issuer)
    if old.revoked_at or old.successor_id or old.expires_at <= timezone.now():
        raise ApiKeyEnded(old.pk)


def _emit_issued(key: ApiKey) -> None:
    facts = {
        "owner": key.owner.get_username(),
        "ownerId": str(key.owner_id),
        "scopes": key.scopes,
        "secretDigest": credentials.logged_digest(key.digest),
    }
    _emit("api_key.issued", key, **facts, expiresAt=rfc3339(key.expires_at))


def _emit(name: str, key: ApiKey, **facts: Any) -> None:
    data = {"keyId": str(key.pk), "prefix": key.prefix, "name": key.name, **facts}
    recorder.emit(name, data, stream=("api_key", str(key.pk)))


def _locked(key_id: UUID) -> ApiKey:
    key = ApiKey.objects.select_for_update(of=("self",)).select_related("owner").filter(pk=key_id)
    found = key.first()
    if found is None:
        raise ApiKeyNotFound(key_id)
    return found


def _insert(
    *,
    name: str,
    owner: User,
    scopes: Sequence[str],
    expires_at: datetime,
    proof: Proof,
    lineage: UUID | None = None,
) -> tuple[ApiKey, WrittenKey]:
    secret = credentials.new_key()
    key = ApiKey(
        prefix=secret.prefix,
        digest=credentials.digest(secret.text),
        name=name,
        owner=owner,
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        created_at=timezone.now(),
    )
    if lineage is not None:
        key.lineage = lineage
    key.save(force_insert=True)
    proof.refers_to(key.pk)
    proof.says(f"Issued to {owner.get_username()}: {', '.join(key.scopes)}.")
    disclosing.shows_secret(proof)
    return key, secret
