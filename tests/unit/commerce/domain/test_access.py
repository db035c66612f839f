from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from commerce.domain import access
from commerce.domain.access import AccessStatus, GranteeNotAllowed
from commerce.domain.reversals import documents as plans
from commerce.domain.reversals.documents import READS_SHOWN_MAX, AccessFound, Opened
from ledger.domain.action import Target
from ledger.domain.plans import OriginalAction
from ledger.domain.reversals import Standing

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ENTRY = UUID(int=1)


@pytest.mark.parametrize(
    ("expires_at", "revoked_at", "status"),
    [
        (NOON + SECOND, None, AccessStatus.LIVE),
        (NOON, None, AccessStatus.EXPIRED),
        (NOON - SECOND, None, AccessStatus.EXPIRED),
        (NOON + SECOND, NOON, AccessStatus.REVOKED),
        (NOON - SECOND, NOON, AccessStatus.REVOKED),
    ],
)
def test_an_access_is_live_until_it_is_revoked_or_over(
    expires_at: datetime, revoked_at: datetime | None, status: AccessStatus
) -> None:
    assert access.status_of(expires_at=expires_at, revoked_at=revoked_at, at=NOON) is status


@pytest.mark.parametrize("text", ["user:7", "api_key:0123456789ab"])
def test_a_user_or_a_key_can_be_let_in(text: str) -> None:
    assert str(access.read_grantee(text)) == text


@pytest.mark.parametrize(
    "text", ["", "7", "user:", "agent:a@b", "workflow:x", "system:daybook", "ada@example.com"]
)
def test_nobody_else_can(text: str) -> None:
    with pytest.raises(GranteeNotAllowed) as refusal:
        access.read_grantee(text)

    assert refusal.value.facts["grantee"] == text


def original() -> OriginalAction:
    return OriginalAction(
        entry_id=ENTRY,
        action_name="document_access.grant",
        target=Target(type="document_access", id="a"),
        args={},
        standing=Standing(),
    )


def found(*opened: Opened, status: AccessStatus = AccessStatus.LIVE) -> AccessFound:
    return AccessFound(
        id="a",
        document_id="d",
        grantee="user:7",
        purpose="An audit",
        status=status,
        expires_at=NOON,
        opened=opened,
    )


def test_revoking_what_nobody_used_leaves_nothing_behind() -> None:
    [effect] = plans.revoke(original(), found()).effects

    assert (effect.kind, effect.parts) == ("reverted", ())
    assert effect.summary == "user:7 can no longer open document d."


def test_revoking_says_what_was_read_and_where_that_is_on_record() -> None:
    looks = [Opened(entry_id=UUID(int=n), at=NOON + n * SECOND) for n in range(30)]

    [effect] = plans.revoke(original(), found(*looks)).effects

    [read] = effect.parts
    assert read.kind == "irreversible"
    assert read.summary.startswith("It was opened 30 times under this access")
    assert [part.entry_id for part in read.parts] == [
        look.entry_id for look in looks[-READS_SHOWN_MAX:]
    ]


@pytest.mark.parametrize("status", [AccessStatus.EXPIRED, AccessStatus.REVOKED])
def test_what_has_ended_is_not_revoked(status: AccessStatus) -> None:
    [blocker] = plans.revoke(original(), found(status=status)).blockers

    assert blocker.summary == f"The access is {status.value} already."
