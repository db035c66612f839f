"""Somebody who was to decide, or has agreed, and who cannot decide any more."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from events.models import StoredEvent
from ledger import selectors
from ledger.approving.voting import VotesMoved
from ledger.domain.approval import ApprovalAssigneeMismatch
from ledger.models import Approval, ApprovalVote, Entry
from ledger.services import approvals
from tests.integration.ledger.approvals import acting, asked, put_into_force, say
from tests.integration.ledger.conftest import grant

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("alice_acts_under_a_policy"),
]


Lose = Callable[[User], None]


@pytest.fixture(params=["the right", "the account", "the group of the right"])
def lose(request: pytest.FixtureRequest, carol: User, dave: User) -> Lose:
    """How somebody comes to decide nothing any more."""
    deciders = Group.objects.create(name="deciders")
    if request.param == "the group of the right":
        for user in (carol, dave):
            deciders.permissions.set(user.user_permissions.all())
            user.user_permissions.clear()
            user.groups.add(deciders)

    def it(user: User) -> None:
        match request.param:
            case "the right":
                user.user_permissions.clear()
            case "the account":
                User.objects.filter(pk=user.pk).update(is_active=False)
            case _:
                user.groups.remove(deciders)

    return it


def handed_on(by: User, to: User) -> Approval:
    """Ask, and let one who may decide hand it on to another."""
    approval = asked()
    with acting(User.objects.get(pk=by.pk)) as caller:
        approvals.delegate_approval(approval_id=approval.pk, to=to.username, decider=caller)
    approval.refresh_from_db()
    return approval


def events_of(approval: Approval) -> list[str]:
    rows = StoredEvent.objects.filter(name__startswith="ledger.approval.").order_by("sequence")
    about = [row.name for row in rows if str(approval.pk) in str(row.data)]
    return [name.removeprefix("ledger.approval.") for name in about]


class TestHandingOn:
    def test_to_somebody_who_cannot_any_more_gives_it_back_to_all(
        self, carol: User, dave: User, lose: Lose
    ) -> None:
        approval = handed_on(carol, dave)
        lose(dave)

        with acting(carol) as caller:
            assert list(selectors.approvals_to_decide(caller)) == [approval]
        assert say(approval, carol).status == "approved"

        assert events_of(approval) == ["requested", "delegated", "returned", "decided"]
        entry = Entry.objects.get(approval_id=approval.pk, principal_id="approval-return")
        assert entry.mutation.summary.startswith("Given back to all who may")

    def test_is_given_back_by_the_sweep(self, carol: User, dave: User, lose: Lose) -> None:
        approval = handed_on(carol, dave)

        approvals.expire_approvals()
        approval.refresh_from_db()
        assert approval.assigned_to == dave
        lose(dave)
        approvals.expire_approvals()
        approvals.expire_approvals()

        approval.refresh_from_db()
        assert approval.assigned_to_id is None
        assert approval.status == "pending"
        assert events_of(approval) == ["requested", "delegated", "returned"]

    def test_can_be_handed_on_again_from_who_cannot_any_more(
        self, carol: User, dave: User, lose: Lose
    ) -> None:
        approval = handed_on(carol, dave)
        erin = grant(User.objects.create_user("erin"), "approval.decide")
        lose(dave)

        with acting(carol) as caller:
            approvals.delegate_approval(approval_id=approval.pk, to="erin", decider=caller)

        assert say(approval, erin).status == "approved"

    def test_of_a_quorum_to_a_group_goes_back_to_the_group_alone(
        self, carol: User, dave: User, lose: Lose
    ) -> None:
        group = put_into_force(quorum=2, assigned_group="Finance").assigned_group
        assert group is not None
        group.user_set.add(carol)
        approval = handed_on(carol, dave)
        erin = grant(User.objects.create_user("erin"), "approval.decide")
        lose(dave)

        with acting(erin) as caller:
            assert list(selectors.approvals_to_decide(caller)) == []
        with pytest.raises(ApprovalAssigneeMismatch):
            say(approval, erin)
        assert say(approval, carol).status == "pending"


class TestWhatWasHandedOnAndCameBack:
    """The delegate is heard without being in the group; nobody else is for that."""

    @pytest.fixture
    def approval(self, carol: User, dave: User) -> Approval:
        """Finance has to agree, two of them; carol of Finance hands it on to dave, who agrees."""
        group = put_into_force(quorum=2, assigned_group="Finance").assigned_group
        assert group is not None
        group.user_set.add(carol)
        approval = handed_on(carol, dave)
        assert say(approval, dave).status == "pending"
        approval.refresh_from_db()
        return approval

    def test_says_no_more_from_whom(self, approval: Approval) -> None:
        assert (approval.assigned_to, approval.delegated_from) == (None, "")

    def test_hears_the_delegate(self, approval: Approval, carol: User) -> None:
        assert say(approval, carol).status == "approved"

    def test_hears_nobody_else_who_left_the_group(
        self, approval: Approval, carol: User, dave: User
    ) -> None:
        other = put_into_force(name="another", quorum=3, assigned_group="Finance")
        finance = other.assigned_group
        assert finance is not None
        approval = asked("t2")
        assert say(approval, carol).status == "pending"
        erin = grant(User.objects.create_user("erin"), "approval.decide")
        finance.user_set.add(erin)
        with acting(erin) as holder:
            approvals.delegate_approval(approval_id=approval.pk, to="dave", decider=holder)
        assert say(approval, dave).status == "pending"
        finance.user_set.remove(carol)

        assert say(approval, erin).status == "pending"

        with (
            pytest.raises(IntegrityError, match="takes more people to approve"),
            transaction.atomic(),
        ):
            Approval.objects.filter(pk=approval.pk).update(
                status="approved", decided_at=timezone.now()
            )

    def test_hears_nobody_as_the_delegate_to_whom_it_was_not_handed_on(
        self, approval: Approval, carol: User, dave: User
    ) -> None:
        erin = grant(User.objects.create_user("erin"), "approval.decide")

        with pytest.raises(IntegrityError, match="was not handed on to"), transaction.atomic():
            ApprovalVote.objects.create(
                approval=approval,
                principal=f"user:{erin.pk}",
                human=str(erin.pk),
                decision="approve",
                as_delegate=True,
            )


class TestSomebodyWithALongNumber:
    def test_may_decide(self, carol: User) -> None:
        put_into_force(quorum=2)
        approval = asked()
        User.objects.create_user("old-hand", pk=2_000_000_001)
        late = grant(User.objects.get(username="old-hand"), "approval.decide")
        assert say(approval, late).status == "pending"

        assert say(approval, carol).status == "approved"


class TestTheVoiceOfSomebodyWhoLostTheRight:
    """Counted by one rule: the service asks the function that the trigger asks."""

    @pytest.fixture
    def approval(self, carol: User, dave: User) -> Approval:
        put_into_force(quorum=2)
        approval = asked()
        assert say(approval, carol).status == "pending"
        return approval

    def test_counts_no_more(self, approval: Approval, carol: User, dave: User, lose: Lose) -> None:
        lose(carol)

        assert say(approval, dave).status == "pending"
        erin = grant(User.objects.create_user("erin"), "approval.decide")
        assert say(approval, erin).status == "approved"

    def test_counts_no_more_for_who_writes_past_the_service(
        self, approval: Approval, carol: User, dave: User, lose: Lose
    ) -> None:
        lose(carol)
        say(approval, dave)

        with (
            pytest.raises(IntegrityError, match="takes more people to approve"),
            transaction.atomic(),
        ):
            Approval.objects.filter(pk=approval.pk).update(
                status="approved", decided_at=timezone.now()
            )

    def test_is_counted_anew_when_it_is_lost_at_that_moment(
        self, approval: Approval, carol: User, dave: User, lose: Lose
    ) -> None:
        def beforehand(execute: Any, sql: str, *rest: Any) -> Any:
            if sql.startswith('UPDATE "ledger_approval"'):
                with ThreadPoolExecutor(1) as another:
                    another.submit(lost_elsewhere).result()
            return execute(sql, *rest)

        def lost_elsewhere() -> None:
            lose(carol)
            connection.close()

        with connection.execute_wrapper(beforehand), pytest.raises(VotesMoved):
            say(approval, dave)

        approval.refresh_from_db()
        assert approval.status == "pending"
        assert say(approval, dave).status == "pending"
