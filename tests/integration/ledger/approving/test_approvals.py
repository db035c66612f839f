"""Approvals of somebody else: asked for, given by people, used once."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from events.domain.errors import Rejected
from events.models import StoredEvent
from ledger.approving import reference
from ledger.approving.gate import ApprovalRequired, ApprovedActionRepeated
from ledger.domain.approval import (
    AlreadyVoted,
    ApprovalAssigneeMismatch,
    ApprovalDecisionConflict,
    ApprovalDecisionStatusInvalid,
    NotTheRequester,
    SelfDecisionForbidden,
    StepUpRequired,
)
from ledger.domain.capability import CapabilityMissing
from ledger.domain.validation import ApprovalExpired, ApprovalFingerprintMismatch
from ledger.models import Approval, Entry
from ledger.services import approvals
from tests.integration.ledger.approvals import STATE, acting, asked, do, put_into_force, say, under
from tests.integration.ledger.conftest import grant

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("alice_may_decide", "alice_acts_under_a_policy"),
]


class CannotBe(Rejected):
    code = "cannot_be"

    def __init__(self) -> None:
        super().__init__("It cannot be.")


def entries(**facts: object) -> list[str]:
    return list(
        Entry.objects.filter(**facts).order_by("occurred_at").values_list("status", flat=True)
    )


class TestAsking:
    def test_takes_the_change_back_and_puts_the_request_on_record(self, alice: User) -> None:
        approval = asked(reason_of_mine="because")

        entry = Entry.objects.get(approval_id=approval.pk)
        assert (entry.status, entry.action_name, entry.target_id) == (
            "awaiting_approval",
            "thing.do",
            "t1",
        )
        assert entry.pk == approval.requested_entry_id
        assert approval.requested_by == f"user:{alice.pk}"
        assert approval.humans == [str(alice.pk)]
        assert (approval.policy_name, approval.policy_version) == ("test-approval", 1)
        assert approval.reason_code == "thing_do_requested_by_user"
        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()

    def test_twice_for_the_same_finds_the_first(self) -> None:
        first = asked(n=1)

        assert asked(n=1).pk == first.pk
        assert Approval.objects.count() == 1

    def test_again_for_something_else_replaces_what_is_pending(self) -> None:
        first, second = asked(n=1), asked(n=2)

        first.refresh_from_db()
        assert (first.status, second.status) == ("superseded", "pending")
        assert entries(approval_id=first.pk) == ["awaiting_approval", "superseded"]

    def test_for_two_things_yet_to_be_made_keeps_both(self) -> None:
        first, second = asked(makes=True, n=1), asked(makes=True, n=2)

        first.refresh_from_db()
        assert (first.status, second.status) == ("pending", "pending")

    def test_tells_the_inbox(self) -> None:
        approval = asked()

        event = StoredEvent.objects.get(name="ledger.approval.requested")
        assert json.loads(str(event.data))["approvalId"] == str(approval.pk)


class TestPoliciesThatMove:
    """The process remembers which are in force; the statement of the entry knows better."""

    def test_one_that_came_into_force_since_the_last_action_is_asked(self) -> None:
        do(capability="agent.stop")
        put_into_force(name="of-late", capabilities=("agent.stop",))
        done = entries(action_name="thing.do")

        assert asked(capability="agent.stop").policy_name == "of-late"
        assert done == ["succeeded"]
        assert entries(action_name="thing.do") == ["succeeded", "awaiting_approval"]

    def test_one_that_retired_since_the_last_action_asks_nothing(self) -> None:
        asked("t1")
        put_into_force(condition="target_type == 'another thing'")

        do("t2")

        assert entries(target_id="t2") == ["succeeded"]

    def test_an_action_that_finds_them_as_they_were_reads_none(self) -> None:
        do(capability="agent.stop")

        with CaptureQueriesContext(connection) as queries:
            do(capability="agent.stop")

        statements = [query["sql"] for query in queries if "ledger_" in query["sql"]]
        assert [sql.startswith("INSERT INTO ledger_entry") for sql in statements] == [True]


class TestDeciding:
    def test_lets_the_requester_do_it_once(self, carol: User) -> None:
        approval = asked(n=1)
        say(approval, carol, comment="fine")

        entry_id = under(approval, n=1)

        entry = Entry.objects.get(pk=entry_id)
        assert entry.approval_id == approval.pk
        assert entry.causation_id == str(approval.requested_entry_id)
        assert entry.idempotency_scope == f"{approval.pk}:execution"
        with pytest.raises(ApprovedActionRepeated) as repeated:
            under(approval, n=1)
        assert repeated.value.entry.pk == entry_id
        assert entries(approval_id=approval.pk) == ["awaiting_approval", "approved", "succeeded"]

    def test_says_no_for_good(self, carol: User) -> None:
        approval = asked()

        assert say(approval, carol, "deny").status == "denied"
        with pytest.raises(ApprovalDecisionConflict):
            say(approval, carol, "approve")

    def test_the_same_twice_changes_nothing(self, carol: User) -> None:
        approval = asked()
        say(approval, carol)

        assert say(approval, carol).status == "approved"
        assert entries(approval_id=approval.pk) == ["awaiting_approval", "approved"]

    def test_takes_a_quorum_of_different_people(self, carol: User, dave: User) -> None:
        put_into_force(quorum=2)
        approval = asked()

        assert say(approval, carol).status == "pending"
        with pytest.raises(AlreadyVoted):
            say(approval, carol, "deny")
        assert say(approval, dave).status == "approved"

    @pytest.mark.parametrize("lost", ["right", "account", "group"])
    def test_counts_nobody_who_could_not_say_it_any_more(
        self, carol: User, dave: User, lost: str
    ) -> None:
        erin = grant(User.objects.create_user("erin"), "approval.decide")
        group = put_into_force(quorum=2, assigned_group="Finance").assigned_group
        assert group is not None
        group.user_set.add(carol, dave, erin)
        approval = asked()
        say(approval, carol)
        if lost == "right":
            carol.user_permissions.clear()
        elif lost == "account":
            User.objects.filter(pk=carol.pk).update(is_active=False)
        else:
            carol.groups.clear()

        assert say(approval, dave).status == "pending"
        assert say(approval, erin).status == "approved"

    def test_is_not_for_the_requester(self, alice: User) -> None:
        approval = asked()

        with pytest.raises(SelfDecisionForbidden):
            say(approval, User.objects.get(pk=alice.pk))
        approval.refresh_from_db()
        assert approval.status == "pending"
        assert entries(action_name="approval.decide") == ["denied"]

    def test_needs_the_capability(self, bob: User) -> None:
        approval = asked()

        with pytest.raises(CapabilityMissing):
            say(approval, bob)

    def test_knows_two_words(self, carol: User) -> None:
        with pytest.raises(ApprovalDecisionStatusInvalid):
            say(asked(), carol, "expired")

    def test_leaves_it_to_the_group_it_is_for(self, carol: User, dave: User) -> None:
        policy = put_into_force(assigned_group="Finance")
        assert policy.assigned_group is not None
        dave.groups.add(policy.assigned_group)
        approval = asked()

        with pytest.raises(ApprovalAssigneeMismatch):
            say(approval, carol)
        assert say(approval, dave).status == "approved"


class TestInBulk:
    def test_a_superuser_is_refused_their_own_and_decides_the_rest(
        self, alice: User, bob: User, client: Client
    ) -> None:
        User.objects.update(is_staff=True, is_superuser=True)
        own = asked("t1")
        with acting(bob):
            other = asked("t2")
        client.force_login(User.objects.get(pk=alice.pk))

        chosen = {"action": "approve", "_selected_action": [str(own.pk), str(other.pk)]}
        client.post("/admin/ledger/approval/", chosen)

        stands = dict(Approval.objects.values_list("pk", "status"))
        assert stands == {own.pk: "pending", other.pk: "approved"}


class TestWithdrawing:
    def test_is_for_the_requester(self, alice: User, carol: User) -> None:
        approval = asked()

        grant(carol, "approval.read")
        with acting(carol) as caller, pytest.raises(NotTheRequester):
            approvals.cancel_approval(approval_id=approval.pk, by=caller)
        with acting(alice) as caller:
            done = approvals.cancel_approval(approval_id=approval.pk, by=caller)

        assert done.status == "cancelled"
        with pytest.raises(ApprovalDecisionConflict):
            say(approval, carol)


class TestDelegating:
    def test_lets_somebody_else_decide_instead(self, carol: User, dave: User) -> None:
        approval = asked()

        with acting(carol) as caller:
            approvals.delegate_approval(approval_id=approval.pk, to="dave", decider=caller)

        with pytest.raises(ApprovalAssigneeMismatch):
            say(approval, carol)
        assert say(approval, dave).status == "approved"

    def test_leaves_what_is_missing_of_a_quorum_to_the_others(
        self, carol: User, dave: User
    ) -> None:
        group = put_into_force(quorum=2, assigned_group="Finance").assigned_group
        assert group is not None
        group.user_set.add(carol)
        approval = asked()
        with acting(carol) as caller:
            approvals.delegate_approval(approval_id=approval.pk, to="dave", decider=caller)

        assert say(approval, dave).status == "pending"
        assert say(approval, carol).status == "approved"

    def test_never_goes_back_to_the_requester(self, carol: User) -> None:
        approval = asked()

        with acting(carol) as caller, pytest.raises(SelfDecisionForbidden):
            approvals.delegate_approval(approval_id=approval.pk, to="alice", decider=caller)


class TestExpiry:
    def test_ends_by_the_sweep_with_an_entry(self) -> None:
        approval = asked()

        with time_machine.travel(timezone.now() + timedelta(hours=2), tick=False):
            assert approvals.expire_approvals() == 1
            assert approvals.expire_approvals() == 0

        approval.refresh_from_db()
        assert approval.status == "expired"
        entry = Entry.objects.get(approval_id=approval.pk, status="expired")
        assert (entry.principal_type, entry.principal_id) == ("system", "approval-expiry")

    def test_is_noticed_by_who_decides_too_late(self, carol: User) -> None:
        put_into_force(on_expiry="denied")
        approval = asked()

        with (
            time_machine.travel(timezone.now() + timedelta(hours=2), tick=False),
            pytest.raises(ApprovalDecisionConflict),
        ):
            say(approval, carol)

        approval.refresh_from_db()
        assert approval.status == "denied"

    def test_is_noticed_by_who_uses_it_too_late(self, carol: User) -> None:
        approval = say(asked(), carol)

        with (
            time_machine.travel(timezone.now() + timedelta(hours=2), tick=False),
            pytest.raises(ApprovalExpired),
        ):
            under(approval)


class TestUsing:
    def test_is_refused_when_the_target_has_changed(self, carol: User) -> None:
        approval = say(asked(), carol)
        STATE["t1"] = 2

        with pytest.raises(ApprovalFingerprintMismatch):
            under(approval)
        again = asked()

        assert again.pk != approval.pk

    def test_can_be_tried_again_when_it_failed(self, carol: User) -> None:
        approval = say(asked(), carol)

        with pytest.raises(CannotBe):
            under(approval, fails=CannotBe)
        under(approval)

        assert entries(approval_id=approval.pk, action_name="thing.do") == [
            "awaiting_approval",
            "failed",
            "succeeded",
        ]

    def test_covers_one_action_of_a_request(self, carol: User) -> None:
        approval = say(asked(), carol)

        with reference.presenting(str(approval.pk)):
            do()
            with pytest.raises(ApprovalRequired):
                do("t2")
        with reference.presenting(str(approval.pk)):
            with pytest.raises(ApprovedActionRepeated):
                do()
            with pytest.raises(ApprovalRequired):
                do("t2")


class TestStepUp:
    def test_is_asked_of_a_session_when_it_is_critical(self, carol: User) -> None:
        approval = asked(capability="api_key.issue")

        with pytest.raises(StepUpRequired):
            say(approval, carol, is_fresh=False)
        assert say(approval, carol).status == "approved"

    def test_is_not_asked_when_it_is_not(self, carol: User) -> None:
        assert say(asked(), carol, is_fresh=False).status == "approved"
