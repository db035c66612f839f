"""Approval steps: a ledger approval is the step, given by somebody else, or not at all."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection, transaction

from events import context, doctor
from ledger.access.authority import Caller
from ledger.domain.approval import ApprovalDecisionConflict, SelfDecisionForbidden
from ledger.models import Approval, Entry
from ledger.services import approvals
from tests.integration.workflows.flows.approval_steps import (
    asked,
    register,
    register_around,
    say,
    start,
    status,
)
from tests.integration.workflows.flows.conftest import decider, flow, work_off
from tests.integration.workflows.flows.steps.test_waiting import somebody_waits_for_a_lock
from tests.live import eventually
from workflows.flows import services
from workflows.flows.domain import commands
from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine
from workflows.flows.explanations import why_waiting
from workflows.flows.models import AwaitedApproval
from workflows.flows.steps import callables
from workflows.work import queue, runner
from workflows.work.models import Work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ada_acts")]


def test_shows_that_a_title_made_of_long_names_is_cut() -> None:
    register(named="x" * 300)

    assert asked().title == "x" * 199 + "…"


def test_of_more_than_can_be_shown_fails_and_leaves_what_came_before_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register()
    large_amount = {"amount": "x" * 300_000}
    monkeypatch.setitem(callables._registered, "large", lambda _inputs: large_amount)
    large = {"id": "large", "name": "Large", "type": "python", "python": {"callable": "large"}}
    gives = {"attributes": {"amount": {"role": "output"}}}
    services.register_step(step=step_from_json({**large, **gives}))
    services.start_flow(flow_id="trip", goals=["sign"], init={})

    work_off()

    assert flow("trip").error == (
        "step sign failed: no more than 262144 bytes of inputs can be shown to who approves"
    )
    assert flow("trip").executions["large"].status == "completed"
    assert not Approval.objects.exists()


def test_asks_as_the_flow_and_names_run_and_step(ada: User) -> None:
    register(title="Sign the contract", reason="It is a lot.", risk="high")

    approval = asked()

    assert (approval.requested_by, approval.requested_by_human) == ("workflow:trip", str(ada.pk))
    assert (approval.title, approval.risk, approval.status) == (
        "Sign the contract",
        "high",
        "pending",
    )
    entry = Entry.objects.get(pk=approval.requested_entry_id)
    assert (entry.workflow_run_id, entry.workflow_step_id) == ("trip", "sign")
    assert entry.status == "awaiting_approval"
    assert status() == "active"
    waiting = why_waiting.waiting(flow("trip"))
    assert waiting is not None
    expires = f"{approval.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    assert waiting.sentence == f"Step sign waits for somebody to approve, at most until {expires}."
    assert waiting.next_at == approval.expires_at


def test_a_second_person_lets_the_flow_go_on(bob: User) -> None:
    register()

    say(asked(), bob, "approve")

    assert flow("trip").executions["sign"].outputs == {
        "approved": True,
        "decided_by": f"user:{bob.pk}",
    }
    assert flow("trip").status == "completed"
    assert not AwaitedApproval.objects.exists()


def test_who_started_the_flow_cannot_approve_it(ada: User) -> None:
    register()
    approval = asked()

    with pytest.raises(SelfDecisionForbidden):
        say(approval, ada, "approve")

    work_off()
    assert status() == "active"


def test_the_starter_is_seen_through_a_child_flow(ada: User) -> None:
    register("inner")
    register_around("inner")
    start()
    work_off()
    approval = Approval.objects.get()

    assert approval.requested_by_human == str(ada.pk)
    with pytest.raises(SelfDecisionForbidden):
        say(approval, ada, "approve")


def test_a_denial_fails_the_step(bob: User) -> None:
    register()

    say(asked(), bob, "deny")

    assert flow("trip").error == "step sign failed: approval denied"


def test_nobody_in_time_fails_the_step(clock: time_machine.Traveller) -> None:
    register(ttl_ms=60_000)
    asked()

    clock.shift(timedelta(seconds=61))
    assert approvals.expire_approvals() == 1
    work_off()

    assert flow("trip").error == "step sign failed: approval expired"


def test_two_people_have_to_agree_if_the_step_says_so(bob: User) -> None:
    register(quorum=2)
    approval = asked()

    say(approval, bob, "approve")
    assert status() == "active"
    say(approval, decider("carol"), "approve")

    assert status() == "completed"


class TestTheRequestOfAStepThatEnds:
    """Is taken back in the transaction that ends it: nobody approves it in between."""

    def assert_taken_back(self, approval: Approval) -> None:
        approval.refresh_from_db()
        assert approval.status == "cancelled"
        assert not AwaitedApproval.objects.exists()
        assert not Work.objects.filter(kind__in=["flow.withdraw", "flow.decided"]).exists()

    def test_with_its_flow(self) -> None:
        register()
        approval = asked()

        services.cancel_flow(flow_id="trip", reason="no money", compensates=False)

        self.assert_taken_back(approval)
        assert flow("trip").is_over
        cancelled = Entry.objects.get(action_name="flow.cancel")
        withdrawn = Entry.objects.get(target_id=str(approval.pk))
        assert withdrawn.transaction_id == cancelled.transaction_id
        assert (withdrawn.principal_type, withdrawn.principal_id) == ("workflow", "trip")

    @pytest.mark.parametrize("act", ["skip_step", "force_step"])
    def test_by_an_operator(self, act: str) -> None:
        register()
        approval = asked()

        more = {"outputs": {"approved": True}} if act == "force_step" else {}
        getattr(services, act)(flow_id="trip", step_id="sign", reason="They rang.", **more)

        self.assert_taken_back(approval)

    def test_because_another_step_has_failed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def give_up(_inputs: Any) -> None:
            raise ValueError("no")

        monkeypatch.setitem(callables._registered, "give_up", give_up)
        step = {
            "id": "other",
            "name": "Other",
            "type": "python",
            "python": {"callable": "give_up"},
        }
        services.register_step(step=step_from_json(step))
        register()
        services.start_flow(flow_id="trip", goals=["sign", "other"], init={"amount": [900]})
        approval = Approval.objects.get()

        runner.work_off(worker="w", kinds=["flow.invoke"])

        self.assert_taken_back(approval)
        assert flow("trip").error == "step other failed: ValueError: no"

    def test_cannot_be_approved_by_who_decides_meanwhile(self, bob: User) -> None:
        register()
        approval = asked()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                command = commands.CancelFlow(reason="no money", compensates=False)
                engine.handle_in_transaction("trip", command)
                deciding = pool.submit(_decide_alone, approval, bob)
                eventually(somebody_waits_for_a_lock)
            with pytest.raises(ApprovalDecisionConflict):
                deciding.result()

        self.assert_taken_back(approval)

    def test_by_a_row_of_work_of_a_release_before(self) -> None:
        register()
        approval = asked()
        token = str(AwaitedApproval.objects.get().token)
        with transaction.atomic():
            queue.enqueue("flow.withdraw", subject="flow/trip", input={"token": token})

        work_off()

        approval.refresh_from_db()
        assert approval.status == "cancelled"


def _decide_alone(approval: Approval, who: User) -> None:
    try:
        say(approval, who, "approve")
    finally:
        connection.close()


def test_who_asked_can_withdraw_and_the_step_fails(ada: User) -> None:
    register()
    approval = asked()

    approvals.cancel_approval(approval_id=approval.pk, by=Caller(User.objects.get(pk=ada.pk)))
    work_off()

    assert flow("trip").error == "step sign failed: approval cancelled"


def test_a_withdrawal_after_the_decision_changes_nothing(bob: User) -> None:
    register()
    approval = asked()
    caller = Caller(bob)
    with context.acting(caller.principal):
        approvals.decide_approval(
            approval_id=approval.pk, decision="approve", decider=caller, is_fresh=True
        )
    # The decision is made, and the flow is cancelled before it has heard of it.
    services.cancel_flow(flow_id="trip", reason="no money", compensates=False)
    work_off()

    approval.refresh_from_db()
    assert approval.status == "approved"
    assert flow("trip").is_over
    assert not AwaitedApproval.objects.exists()


def test_the_doctor_is_content_while_somebody_is_awaited() -> None:
    register()
    asked()

    findings = {one.id: one.violations for one in doctor.run()}

    assert findings["I11-flows"] == findings["I11-approvals"] == ()


def test_the_doctor_names_a_request_that_no_step_waits_for() -> None:
    register()
    approval = asked()
    AwaitedApproval.objects.all().delete()

    findings = {one.id: one.violations for one in doctor.run()}

    assert findings["I11-approvals"] == (
        f"approval {approval.pk} is asked for by workflow:trip, and no step waits for it",
    )


@pytest.mark.parametrize(
    ("asks", "pointer"),
    [
        ({"quorum": 0}, "/approval/quorum"),
        ({"quorum": True}, "/approval/quorum"),
        ({"ttl_ms": -1}, "/approval/ttl_ms"),
        ({"risk": "odd"}, "/approval/risk"),
        ({"policy": 7}, "/approval/policy"),
        ({"title": "x" * 201}, "/approval/title"),
        ({"colour": "red"}, "/approval/colour"),
    ],
)
def test_nonsense_is_refused(asks: Any, pointer: str) -> None:
    with pytest.raises(StepInvalid) as refusal:
        register(**asks)
    assert refusal.value.pointer == pointer


def test_nobody_approves_from_memory() -> None:
    with pytest.raises(StepInvalid, match="memoizable"):
        services.register_step(
            step=step_from_json({"id": "s", "name": "s", "type": "approval", "memoizable": True})
        )
