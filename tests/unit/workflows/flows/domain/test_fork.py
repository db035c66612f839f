"""Which steps a fork keeps, which it leaves out, and which run again."""

from typing import Any

import pytest

from tests.support.flow_bench import OUTPUT, UNDO, FlowBench, optional, requires, step
from workflows.flows.domain import commands as asked
from workflows.flows.domain.errors import InputsMissing
from workflows.flows.domain.flow import FlowStatus, StepStatus
from workflows.flows.domain.fork import fork_of

STEPS = (
    step("charge", attributes={"card": requires(), "receipt": OUTPUT}, http=UNDO),
    step("hold", attributes={"seat": OUTPUT}),
    step("ticket", attributes={"seat": requires(), "receipt": optional(), "ticket": OUTPUT}),
)


@pytest.fixture
def trip() -> FlowBench:
    bench = FlowBench(*STEPS)
    bench.start("charge", "ticket", card="a")
    bench.do(asked.SkipStep(step_id="charge", reason="paid in cash"))
    bench.succeed("hold", seat=1)
    bench.fail("ticket")
    return bench


def forked(trip: FlowBench, from_step: str, **edited: list[Any]) -> FlowBench:
    fork = fork_of(trip.flow, from_step, edited)
    again = FlowBench(*STEPS, flow_id="trip-2")
    again.do(
        asked.StartFlow(
            plan=trip.flow.plan,
            init=fork.init,
            inherited=fork.inherited,
            left_out=fork.left_out,
        )
    )
    return again


class TestWhatSomebodySkipped:
    def test_stays_skipped(self, trip: FlowBench) -> None:
        again = forked(trip, "ticket")

        assert again.status("charge") == StepStatus.SKIPPED
        assert again.execution("charge").error == "skipped before the fork"
        assert again.status("hold") == StepStatus.COMPLETED
        again.succeed("ticket", ticket="t")
        assert again.flow.status == FlowStatus.COMPLETED

    def test_stays_skipped_in_a_fork_of_the_fork(self, trip: FlowBench) -> None:
        again = forked(trip, "ticket")
        again.fail("ticket")

        assert forked(again, "ticket").status("charge") == StepStatus.SKIPPED

    def test_runs_if_the_fork_begins_at_it(self, trip: FlowBench) -> None:
        assert forked(trip, "charge").status("charge") == StepStatus.ACTIVE

    def test_runs_if_one_of_its_inputs_is_edited(self, trip: FlowBench) -> None:
        assert forked(trip, "ticket", card=["b"]).status("charge") == StepStatus.ACTIVE


class TestAnEditThatTakesAwayAValue:
    @pytest.mark.parametrize(("from_step", "name"), [("charge", "card"), ("ticket", "seat")])
    def test_is_refused_where_a_step_requires_it(
        self, trip: FlowBench, from_step: str, name: str
    ) -> None:
        with pytest.raises(InputsMissing) as refusal:
            fork_of(trip.flow, from_step, {name: []})

        assert str(refusal.value) == f"required inputs not provided: [{name}]"
        assert refusal.value.pointer == f"/init/{name}"

    def test_does_no_harm_where_a_step_gives_another(self, trip: FlowBench) -> None:
        assert forked(trip, "hold", seat=[]).status("hold") == StepStatus.ACTIVE

    def test_does_no_harm_where_nobody_requires_it(self, trip: FlowBench) -> None:
        assert forked(trip, "ticket", receipt=[]).status("ticket") == StepStatus.ACTIVE
