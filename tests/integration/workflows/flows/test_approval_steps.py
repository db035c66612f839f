"""Approval steps: a ledger approval is the step, given by somebody else, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from events import context, doctor, failpoints
from events import selectors as log
from events.domain.envelope import Envelope
from events.domain.principal import Principal, PrincipalKind
from events.failpoints import FailpointRaised
from ledger import approval_policies as seeded
from ledger.authority import Holder
from ledger.domain.approval import SelfDecisionForbidden
from ledger.models import Approval, Entry
from ledger.services import approval_policies, approvals
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.flows.conftest import flow, later, work_off
from workflows.flows import callables, explain, services
from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import AwaitedApproval
from workflows.work import leases, queue, runner
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

GIVES = {
    "amount": {"role": "required"},
    "approved": {"role": "output"},
    "decided_by": {"role": "output"},
}


def decider(name: str) -> User:
    return grant(User.objects.create_user(name), "approval.decide")


@pytest.fixture
def ada(db: None) -> User:
    return decider("ada")


@pytest.fixture
def bob(db: None) -> User:
    return decider("bob")


@pytest.fixture(autouse=True)
def _ada_acts(ada: User, transactional_db: None) -> Iterator[None]:
    approval_policies.lay_down(every=seeded.POLICIES)
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(ada.pk))):
        yield


def register(id_: str = "sign", *, attributes: Any = GIVES, **asks: Any) -> None:
    definition = {
        "id": id_,
        "name": "Sign",
        "type": "approval",
        "approval": asks,
        "attributes": attributes,
    }
    services.register_step(step=step_from_json(definition))


def asked(**options: Any) -> Approval:
    """Start a flow whose step asks, and return what it asks for."""
    start(**options)
    return Approval.objects.get()


def start(*, goal: str = "sign", **options: Any) -> None:
    services.start_flow(
        flow_id="trip", goals=[goal], init={"amount": [900]}, options=options or None
    )


def stream() -> list[Envelope]:
    return log.stream_events(("flow", "trip"))


@contextmanager
def died_at(point: str) -> Iterator[None]:
    failpoints.arm(f"{point}:raise")
    try:
        yield
    finally:
        failpoints.arm("")


@pytest.fixture
def step_before() -> Iterator[None]:
    """A step that gives `amount`, whose result lets the step start that asks."""
    callables.step_function("count")(lambda _inputs: {"counted": 900})
    definition = {
        "id": "before",
        "name": "Count",
        "type": "python",
        "python": {"callable": "count"},
        "attributes": {"counted": {"role": "output"}},
    }
    services.register_step(step=step_from_json(definition))
    GIVES["counted"] = {"role": "required"}
    yield
    del GIVES["counted"]
    callables._registered.pop("count")


def say(approval: Approval, who: User, decision: str) -> None:
    holder = Holder(User.objects.get(pk=who.pk))
    with context.acting(holder.principal):
        approvals.decide_approval(
            approval_id=approval.pk, decision=decision, decider=holder, is_fresh=True
        )
    work_off()


def status() -> str:
    return flow("trip").executions["sign"].status.value


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
    waiting = explain.waiting(flow("trip"))
    assert waiting is not None
    assert waiting.sentence == "Step sign waits for somebody to approve."


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
    outer = {
        "id": "sign",
        "name": "Outer",
        "type": "flow",
        "flow": {"goals": ["inner"]},
        "attributes": {"amount": {"role": "required"}},
    }
    services.register_step(step=step_from_json(outer))
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


def test_a_cancelled_flow_takes_its_request_back() -> None:
    register()
    approval = asked()

    services.cancel_flow(flow_id="trip", reason="no money", compensates=False)
    work_off()

    approval.refresh_from_db()
    assert approval.status == "cancelled"
    assert flow("trip").is_over
    assert not AwaitedApproval.objects.exists()


class TestTheRequestAndTheStartOfTheStep:
    """Are one transaction: they exist together, or not at all."""

    def test_are_there_before_any_worker_has_looked(self) -> None:
        register()
        start()

        approval = Approval.objects.get()
        assert AwaitedApproval.objects.get().approval_id == approval.pk
        assert status() == "active"
        assert not Work.objects.filter(kind="flow.invoke").exists()
        by_one = Entry.objects.filter(pk=approval.requested_entry_id)
        [begun] = [one for one in stream() if one.name == "step_started"]
        assert begun.emitted_at <= approval.requested_at
        assert by_one.values_list("caller_type", flat=True)[0] == "internal"

    @pytest.mark.parametrize("point", ["approval.before_request", "approval.after_request"])
    def test_are_neither_there_when_the_start_dies(self, point: str) -> None:
        register()

        with died_at(point), pytest.raises(FailpointRaised):
            start()

        assert not stream()
        assert not Approval.objects.exists()
        assert not AwaitedApproval.objects.exists()

    @pytest.mark.parametrize("point", ["approval.before_request", "approval.after_request"])
    def test_are_neither_there_when_a_worker_dies_and_both_when_another_comes(
        self, point: str, step_before: None
    ) -> None:
        register()
        start()
        with died_at(point):
            runner.work_off(worker="dies", kinds=["flow.invoke"])

        assert [one.name for one in stream()][-1] == "work_started"
        assert status() == "pending"
        assert not Approval.objects.exists()

        later(seconds=60)
        work_off()
        assert status() == "active"
        assert AwaitedApproval.objects.get().approval_id == Approval.objects.get().pk

    def test_happen_once_when_the_result_comes_twice(self, step_before: None) -> None:
        register()
        start()
        work_off()
        row = Work.objects.get(kind="flow.invoke")
        Work.objects.filter(pk=row.pk).update(status="ready", finished_at=None)
        work_off()

        assert Approval.objects.count() == 1
        assert len([one for one in stream() if one.name == "step_started"]) == 2

    def test_cost_flows_without_approvals_nothing(self, step_before: None) -> None:
        register()
        start(goal="before")
        claims = leases.claim_next(worker="w", kinds=["flow.invoke"])

        with CaptureQueriesContext(connection) as seen:
            runner.run(claims)

        assert flow("trip").status == "completed"
        assert [one["sql"] for one in seen if "BEGIN" in one["sql"]] == []

    def test_of_many_items_ask_for_each_as_its_turn_comes(self, bob: User) -> None:
        each = {"amount": {"role": "required", "required": {"for_each": True}}}
        register(attributes=each)
        services.start_flow(flow_id="trip", goals=["sign"], init={"amount": [[1, 2]]})

        first = Approval.objects.get()
        say(first, bob, "approve")
        second = Approval.objects.exclude(pk=first.pk).get()
        say(second, bob, "approve")

        assert flow("trip").status == "completed"


def test_without_a_policy_in_force_it_tries_again_and_then_fails() -> None:
    register(policy="nobody")
    start()

    waiting = explain.waiting(flow("trip"))
    assert waiting is not None
    assert "no approval policy nobody is in force" in waiting.sentence
    for _ in range(12):
        later(seconds=61)
        work_off()
    assert flow("trip").error == "step sign failed: no approval policy nobody is in force"
    assert not Approval.objects.exists()


def test_a_policy_that_comes_into_force_is_asked_for_at_the_next_try() -> None:
    register(policy="late")
    start()
    late = replace(seeded.POLICIES[0], name="late", condition="")
    approval_policies.lay_down(every=[late])

    later(seconds=2)
    work_off()

    assert Approval.objects.get().policy_name == "late"
    assert status() == "active"


def test_a_flow_cancelled_before_its_step_could_start_asks_nobody(step_before: None) -> None:
    register()
    start()

    services.cancel_flow(flow_id="trip", reason="no money", compensates=False)
    work_off()

    assert not Approval.objects.exists()


def test_who_asked_can_withdraw_and_the_step_fails(ada: User) -> None:
    register()
    approval = asked()

    approvals.cancel_approval(approval_id=approval.pk, by=Holder(User.objects.get(pk=ada.pk)))
    work_off()

    assert flow("trip").error == "step sign failed: approval cancelled"


def test_what_an_older_release_left_on_the_list_is_asked_for_once() -> None:
    register()
    approval = asked()
    item = AwaitedApproval.objects.get()
    # As that release left it: a row of work for the item, which is to ask.
    AwaitedApproval.objects.all().delete()
    row = {"flow_id": "trip", "step_id": "sign", "token": str(item.token)}
    for _ in range(2):
        with transaction.atomic():
            queue.enqueue("flow.invoke", subject="flow/trip", input=row)
        work_off()

    assert [one.pk for one in Approval.objects.all()] == [approval.pk]
    assert AwaitedApproval.objects.get().approval_id == approval.pk


def test_a_withdrawal_after_the_decision_changes_nothing(bob: User) -> None:
    register()
    approval = asked()
    holder = Holder(bob)
    with context.acting(holder.principal):
        approvals.decide_approval(
            approval_id=approval.pk, decision="approve", decider=holder, is_fresh=True
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

    assert findings["I11-flows"] == ()


@pytest.mark.parametrize(
    ("asks", "pointer"),
    [
        ({"quorum": 0}, "/approval/quorum"),
        ({"quorum": True}, "/approval/quorum"),
        ({"ttl_ms": -1}, "/approval/ttl_ms"),
        ({"risk": "odd"}, "/approval/risk"),
        ({"policy": 7}, "/approval/policy"),
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
