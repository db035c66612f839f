"""What a request for approval replaces, what it is good for, and what is on record of its end."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from events.domain.errors import Rejected
from ledger.approving.gate import ApprovalRequired
from ledger.domain.action import Action, Kind, Target
from ledger.domain.validation import ApprovalNotApproved
from ledger.models import Approval, Entry
from ledger.recording import recorded
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say, under
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

LATER = timedelta(hours=2)


class CannotBe(Rejected):
    code = "cannot_be"

    def __init__(self) -> None:
        super().__init__("It cannot be.")


@pytest.fixture
def carol(db: None) -> User:
    return grant(User.objects.create_user("carol"), "approval.decide")


@pytest.fixture(autouse=True)
def _alice_acts_under_a_policy(alice: User, transactional_db: None) -> Iterator[None]:
    STATE.clear()
    put_into_force(condition="true")
    with acting(User.objects.get(pk=alice.pk)):
        yield


def asked_for(name: str, type_: str, id_: str) -> Approval:
    """Want to do something, and be told to wait."""
    action = Action(
        name=name,
        kind=Kind.EXECUTE,
        target=Target(type=type_, id=id_),
        capability="api_key.revoke",
    )
    with pytest.raises(ApprovalRequired) as required, recorded(action):
        pass
    return required.value.approval


def status_of(approval: Approval) -> str:
    return Approval.objects.values_list("status", flat=True).get(pk=approval.pk)


class TestASecondRequest:
    @pytest.mark.parametrize(
        "other",
        [("thing.undo", "thing", "t1"), ("thing.do", "other", "t1"), ("thing.do", "thing", "t2")],
        ids=["of another action", "of another kind of target", "of another target"],
    )
    def test_leaves_alone_what_waits(self, other: tuple[str, str, str]) -> None:
        first = asked_for("thing.do", "thing", "t1")

        second = asked_for(*other)

        assert second.pk != first.pk
        assert [status_of(first), status_of(second)] == ["pending", "pending"]

    def test_by_somebody_else_leaves_alone_what_waits(self, bob: User) -> None:
        first = asked()

        with acting(User.objects.get(pk=bob.pk)):
            second = asked()

        assert second.pk != first.pk
        assert status_of(first) == "pending"

    def test_after_the_first_is_over_is_another_and_the_first_has_expired(self) -> None:
        first = asked()

        with time_machine.travel(timezone.now() + LATER, tick=False):
            second = asked()

        assert second.pk != first.pk
        assert [status_of(first), status_of(second)] == ["expired", "pending"]

    def test_after_leave_that_is_over_asks_anew(self, carol: User) -> None:
        first = say(asked(), carol)

        with time_machine.travel(timezone.now() + LATER, tick=False):
            second = asked()

        assert second.pk != first.pk
        assert [status_of(first), status_of(second)] == ["approved", "pending"]


class TestAnEnd:
    @pytest.mark.parametrize(
        ("decision", "kind", "risk"),
        [("approve", "approve", "critical"), ("deny", "reject", "high")],
    )
    def test_is_on_record_as_what_was_said(
        self, carol: User, decision: str, kind: str, risk: str
    ) -> None:
        approval = say(asked(), carol, decision)

        entry = Entry.objects.get(approval_id=approval.pk, action_name="approval.decide")
        assert (entry.action_kind, entry.evaluated_risk) == (kind, risk)
        assert entry.status == approval.status
        assert entry.causation_id == str(approval.requested_entry_id)


class TestWhatFailsUnderAnApproval:
    """Is on record as a failed execution only where it was one."""

    def failed(self) -> int:
        return Entry.objects.filter(status="failed").count()

    def test_that_is_not_given_yet_is_no_failed_execution(self) -> None:
        approval = asked()

        with pytest.raises(CannotBe):
            under(approval, fails=CannotBe)

        assert self.failed() == 0

    def test_and_is_something_else_is_no_failed_execution(self, carol: User) -> None:
        approval = say(asked(n=1), carol)

        with pytest.raises(CannotBe):
            under(approval, fails=CannotBe, n=2)

        assert self.failed() == 0

    def test_of_somebody_else_is_no_failed_execution(self, carol: User, bob: User) -> None:
        approval = say(asked(), carol)
        grant(bob, "approval.read")

        with acting(User.objects.get(pk=bob.pk)), pytest.raises(CannotBe):
            under(approval, fails=CannotBe)

        assert self.failed() == 0

    def test_and_was_given_is_one(self, carol: User) -> None:
        approval = say(asked(), carol)

        with pytest.raises(CannotBe):
            under(approval, fails=CannotBe)

        assert self.failed() == 1


def test_what_is_used_after_its_time_is_told_as_expired_before_any_sweep() -> None:
    approval = asked()

    with (
        time_machine.travel(timezone.now() + LATER, tick=False),
        pytest.raises(ApprovalNotApproved) as refused,
    ):
        under(approval)

    assert refused.value.facts["status"] == "expired"
    assert status_of(approval) == "pending"
