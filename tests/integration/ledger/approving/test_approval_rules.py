"""What the triggers say again of requests and deciders, to whoever writes past the services."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from events.ids import new_id
from ledger.models import Approval, ApprovalVote
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def carol(db: None) -> User:
    return grant(User.objects.create_user("carol"), "approval.decide")


@pytest.fixture
def approval(alice: User, transactional_db: None) -> Approval:
    STATE.clear()
    with acting(alice):
        put_into_force(quorum=2)
        return asked()


def past_the_triggers(sql: str, *params: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, params)


def test_a_principal_through_whom_it_was_asked_does_not_decide(
    approval: Approval, alice: User
) -> None:
    with pytest.raises(IntegrityError, match="nobody decides what they asked for"):
        ApprovalVote.objects.create(
            approval=approval, principal=f"user:{alice.pk}", human="77", decision="approve"
        )


def test_it_is_not_handed_on_to_who_asked(approval: Approval, alice: User) -> None:
    with pytest.raises(IntegrityError, match="not for whoever asked"):
        Approval.objects.filter(pk=approval.pk).update(assigned_to=alice)


def slip_in_a_vote(approval: Approval, human: User) -> None:
    past_the_triggers(
        "INSERT INTO ledger_approvalvote (id, approval_id, principal, human, decision)"
        " VALUES (%s, %s, 'user:999', %s, 'approve')",
        new_id(),
        approval.pk,
        str(human.pk),
    )


def test_a_vote_of_who_asked_counts_for_nothing(
    approval: Approval, alice: User, carol: User
) -> None:
    grant(alice, "approval.decide")
    say(approval, carol)
    slip_in_a_vote(approval, alice)

    with pytest.raises(IntegrityError, match="takes more people"):
        Approval.objects.filter(pk=approval.pk).update(status="approved", decided_at=timezone.now())


def test_nobody_approves_after_its_time(approval: Approval, carol: User) -> None:
    past = timezone.now() - timedelta(hours=2)
    past_the_triggers(
        "UPDATE ledger_approval SET quorum = 1, requested_at = %s, expires_at = %s",
        past,
        past + timedelta(hours=1),
    )
    slip_in_a_vote(approval, carol)

    with pytest.raises(IntegrityError, match="nobody can approve it any more"):
        Approval.objects.filter(pk=approval.pk).update(status="approved", decided_at=timezone.now())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "approved", "decided_at": timezone.now()}, "begins as pending"),
        ({"chain": ["user:999"]}, "knows who asked"),
        ({"humans": ["999"]}, "knows who asked"),
    ],
)
def test_it_begins_pending_and_names_who_asked(
    approval: Approval, change: dict[str, object], why: str
) -> None:
    for name, value in {"pk": new_id(), **change}.items():
        setattr(approval, name, value)

    with pytest.raises(IntegrityError, match=why), transaction.atomic():
        approval.save(force_insert=True)
