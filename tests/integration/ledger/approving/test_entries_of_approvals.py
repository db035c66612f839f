"""What is on record of approvals: who tried, who handed on, who was refused, and how often."""

from threading import Barrier, Thread

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from events import context
from events.domain.context import Origin
from events.domain.principal import SYSTEM
from ledger.access.authority import Caller
from ledger.approving import reference
from ledger.approving.gate import ApprovalRequired
from ledger.domain.approval import SelfDecisionForbidden
from ledger.domain.validation import ApprovalNotApproved
from ledger.entries import ActionInProgress
from ledger.idempotency import IdempotencyKeyRequired
from ledger.models import ApiKey, Approval, Entry
from ledger.services import approvals
from tests.integration.ledger.agents import an_agent, delegated
from tests.integration.ledger.approvals import acting, asked, do, put_into_force, say, under
from tests.integration.ledger.conftest import grant, issue

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("alice_may_decide", "alice_acts_under_a_policy"),
]


def refusals(**which: object) -> list[Entry]:
    return list(Entry.objects.filter(status="denied", **which).order_by("occurred_at"))


def poll(approval: Approval, thing: str = "t1", **facts: object) -> None:
    with pytest.raises(ApprovalNotApproved):
        under(approval, thing, **facts)


class TestWhoWaits:
    def test_leaves_one_refusal_however_often_they_ask(self) -> None:
        approval = asked()

        for _ in range(3):
            poll(approval)

        [entry] = refusals()
        assert entry.mutation.summary == "Refused: approval_not_approved"
        assert entry.approval_id == approval.pk
        assert entry.action_name == "thing.do"

    def test_leaves_another_once_it_is_decided(self, carol: User) -> None:
        approval = asked()
        poll(approval)

        say(approval, carol, "deny")
        poll(approval)
        poll(approval)

        assert len(refusals(action_name="thing.do")) == 2

    def test_leaves_another_for_whatever_else_they_try_under_it(self) -> None:
        approval = asked()
        poll(approval)

        poll(approval, "t2")
        poll(approval, price=7)

        assert len(refusals()) == 3

    def test_leaves_another_where_somebody_else_tries(self, carol: User) -> None:
        approval = asked()
        poll(approval)

        with acting(grant(carol, "approval.read")):
            poll(approval)

        assert len({entry.principal_id for entry in refusals()}) == 2

    def test_leaves_one_also_where_an_agent_asks_for_what_is_low(self, alice: User) -> None:
        with context.acting(SYSTEM):
            put_into_force(
                name="agents", capabilities=("event.read",), condition="", principals=("agent",)
            )
        agent = delegated(an_agent(alice))
        mcp = Origin(caller_type="mcp")
        with context.acting(agent.principal, origin=mcp), pytest.raises(ApprovalRequired):
            do(capability="event.read")
        approval = Approval.objects.get(requested_by=str(agent.principal))

        for _ in range(3):
            with context.acting(agent.principal, origin=mcp):
                poll(approval, capability="event.read")

        [entry] = refusals()
        assert (entry.principal_type, entry.approval_id) == ("agent", approval.pk)
        assert entry.delegation_id == agent.pk

    def test_leaves_one_also_when_they_ask_twice_at_once(self, alice: User) -> None:
        approval, barrier, ends = asked(), Barrier(2), []

        def ask() -> None:
            try:
                with acting(alice):
                    barrier.wait(60)
                    poll(approval)
                ends.append("refused")
            finally:
                connection.close()

        threads = [Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert ends == ["refused", "refused"]
        assert len(refusals()) == 1


class TestHandingOn:
    def test_says_who_did_by_what_right_and_which_approval(self, carol: User, dave: User) -> None:
        approval = asked()

        with acting(carol) as caller:
            approvals.delegate_approval(
                approval_id=approval.pk, to="dave", decider=caller, comment="I am on holiday"
            )

        entry = Entry.objects.get(approval_id=approval.pk, status="requested")
        assert (entry.action_name, entry.action_kind) == ("approval.decide", "update")
        assert (entry.principal_type, entry.principal_id) == ("user", str(carol.pk))
        assert (entry.capability_id, entry.authorization_source) == ("approval.decide", "approval")
        assert (entry.target_type, entry.target_id) == ("approval", str(approval.pk))
        assert entry.mutation.summary == "Handed on to dave."
        assert entry.reason == "I am on holiday"
        assert entry.causation_id == str(approval.requested_entry_id)

        say(approval, dave)
        decided = Entry.objects.get(approval_id=approval.pk, status="approved")
        assert decided.principal_id == str(dave.pk)

    def test_is_on_record_where_it_is_refused(self, carol: User) -> None:
        approval = asked()

        with acting(carol) as caller, pytest.raises(SelfDecisionForbidden):
            approvals.delegate_approval(approval_id=approval.pk, to="alice", decider=caller)

        [entry] = refusals()
        assert (entry.action_kind, entry.principal_id) == ("update", str(carol.pk))
        assert entry.mutation.summary == "Refused: approval_self_decision_forbidden"
        assert entry.approval_id == approval.pk


class TestARefusedDecision:
    def test_says_who_tried_by_what_right_and_on_which_approval(self, alice: User) -> None:
        approval = asked()

        with pytest.raises(SelfDecisionForbidden):
            say(approval, alice, "deny")

        [entry] = refusals()
        assert (entry.action_name, entry.action_kind) == ("approval.decide", "reject")
        assert (entry.principal_type, entry.principal_id) == ("user", str(alice.pk))
        assert entry.authorization_source == "permission"
        assert (entry.target_type, entry.target_id) == ("approval", str(approval.pk))
        assert entry.approval_id == approval.pk

    def test_names_the_key_through_which_it_was_tried(self, alice: User) -> None:
        approval = asked()
        key = ApiKey.objects.get(pk=issue(alice, ["*"])[1])
        caller = Caller(alice, key=key)

        with (
            context.acting(caller.principal, origin=Origin(caller_type="api")),
            pytest.raises(SelfDecisionForbidden),
        ):
            approvals.decide_approval(approval_id=approval.pk, decision="approve", decider=caller)

        [entry] = refusals()
        assert (entry.principal_type, entry.principal_id) == ("api_key", key.principal.id)
        assert (entry.authorization_source, entry.action_kind) == ("api_key_scope", "approve")


class TestAFormThatIsSentTwice:
    def test_is_carried_out_once_and_then_asked_for_anew(self, carol: User) -> None:
        say(_asked_to_make(), carol)

        entry_id = do(makes=True, name="x")
        with pytest.raises(ApprovalRequired) as again:
            do(makes=True, name="x")

        assert again.value.approval.status == "pending"
        assert "once it is approved" in again.value.hint
        made = Entry.objects.filter(action_name="thing.do", status="succeeded")
        assert [entry.pk for entry in made] == [entry_id]

    def test_waits_for_nobody_where_the_other_is_under_way(self, carol: User) -> None:
        given = say(_asked_to_make(), carol)
        is_held, is_over = Barrier(2), Barrier(2)

        def hold() -> None:
            try:
                with transaction.atomic():
                    Approval.objects.select_for_update().get(pk=given.pk)
                    is_held.wait(60)
                    is_over.wait(60)
            finally:
                connection.close()

        other = Thread(target=hold)
        other.start()
        is_held.wait(60)
        with pytest.raises(ActionInProgress):
            do(makes=True, name="x")
        is_over.wait(60)
        other.join()

        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()
        do(makes=True, name="x")

    def test_takes_up_nothing_where_approval_is_only_asked_for(self, carol: User) -> None:
        given = say(_asked_to_make(), carol)

        with reference.only_asking(), pytest.raises(ApprovalRequired) as required:
            do(makes=True, name="x")

        assert required.value.approval.pk == given.pk
        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()

    def test_takes_up_no_approval_of_somebody_else(self, carol: User, dave: User) -> None:
        say(_asked_to_make(), carol)

        with acting(dave), pytest.raises(ApprovalRequired):
            do(makes=True, name="x")

    def test_needs_its_header_over_the_api(self, alice: User, carol: User) -> None:
        api = Origin(caller_type="api")
        given = say(asked(), carol)
        assert given.requested_by == str(Caller(alice).principal)

        with (
            context.acting(Caller(alice).principal, origin=api),
            pytest.raises(IdempotencyKeyRequired),
        ):
            do()


def _asked_to_make() -> Approval:
    with pytest.raises(ApprovalRequired) as required:
        do(makes=True, name="x")
    return required.value.approval
