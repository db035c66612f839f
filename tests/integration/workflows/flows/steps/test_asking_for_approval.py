"""An approval step and its request exist together, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from events import failpoints
from events.failpoints import FailpointRaised
from ledger import approval_policies as seeded
from ledger.models import Approval, ApprovalPolicyVersion, Entry
from ledger.services import approval_policies
from tests.integration.workflows.flows.approval_steps import (
    GIVES,
    asked,
    register,
    register_around,
    say,
    start,
    status,
    stream,
)
from tests.integration.workflows.flows.conftest import flow, later, work_off
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.explanations import explain
from workflows.flows.models import AwaitedApproval
from workflows.flows.steps import callables
from workflows.work import leases, queue, runner
from workflows.work.models import Work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ada_acts")]


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

    def test_happen_once_when_the_flow_is_started_twice(self) -> None:
        register()
        start()
        start()

        assert Approval.objects.count() == AwaitedApproval.objects.count() == 1

    def test_follow_an_operators_act_as_they_follow_a_result(self, step_before: None) -> None:
        register()
        start()

        services.force_step(flow_id="trip", step_id="before", outputs={"counted": 900})

        approval = Approval.objects.get()
        assert (approval.requested_by, status()) == ("workflow:trip", "active")
        forced = Entry.objects.get(action_name="flow.force_step")
        requested = Entry.objects.get(pk=approval.requested_entry_id)
        assert requested.transaction_id == forced.transaction_id
        assert (requested.principal_type, forced.principal_type) == ("workflow", "user")

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


class TestWithoutAPolicyInForce:
    """Nobody can be asked, and a repetition would ask nobody: the step fails, and says why."""

    WHY = "no approval policy nobody is in force"

    def test_the_step_fails_at_once_and_asks_nobody(self) -> None:
        register(policy="nobody")

        start()

        assert flow("trip").error == f"step sign failed: {self.WHY}"
        assert flow("trip").is_over
        happened = [one.name for one in stream()]
        assert happened == [
            "flow_started",
            "step_started",
            "work_failed",
            "step_failed",
            "flow_failed",
            "flow_deactivated",
        ]
        assert not Approval.objects.exists()
        assert not Work.objects.exists()

    def test_in_a_child_flow_too(self) -> None:
        register("inner", policy="nobody")
        register_around("inner")

        start()
        work_off()

        assert flow("trip").error == f"step sign failed: step inner failed: {self.WHY}"

    def test_a_dry_run_says_so_before(self) -> None:
        register(policy="nobody")
        register("other")

        found = explain.preview(["sign", "other"], {"amount": [900]})

        assert found.approvals == ["sign", "other"]
        assert found.unaskable == {"sign": self.WHY}

    def test_a_fork_asks_once_the_policy_is_there(self) -> None:
        register(policy="nobody")
        start()
        late = replace(seeded.POLICIES[0], name="nobody", condition="")
        approval_policies.install_policies(every=[late])

        services.fork_flow(flow_id="trip", new_flow_id="again", from_step="sign")

        assert Approval.objects.get().policy_name == "nobody"
        assert flow("again").executions["sign"].status == "active"

    def test_one_that_is_retired_meanwhile_fails_the_step_and_loses_nothing(
        self, step_before: None
    ) -> None:
        late = replace(seeded.POLICIES[0], name="nobody", condition="")
        approval_policies.install_policies(every=[late])
        register(policy="nobody")
        start()
        row = ApprovalPolicyVersion.objects.get(name="nobody")
        approval_policies.retire_policy(policy_id=row.pk, is_fresh=True)

        work_off()

        assert flow("trip").executions["before"].outputs == {"counted": 900}
        assert flow("trip").error == f"step sign failed: {self.WHY}"


def test_a_flow_cancelled_before_its_step_could_start_asks_nobody(step_before: None) -> None:
    register()
    start()

    services.cancel_flow(flow_id="trip", reason="no money", compensates=False)
    work_off()

    assert not Approval.objects.exists()


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
