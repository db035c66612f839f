"""A step of a flow in one word."""

from console.flows.step_state import step_state
from tests.support.flow_bench import OUTPUT, FlowBench, each, requires, step
from workflows.flows.domain import commands as asked


def test_a_step_that_failed_has_failed_whatever_was_undone_of_it() -> None:
    bench: FlowBench = each(parallelism=2)
    bench.start("work", list=[1, 2])
    bench.succeed("work", 0)
    bench.fail("work", 1)
    assert step_state(bench.flow, "work").state == "compensating"

    bench.do(asked.SucceedCompensation(step_id="work", token=bench.token("work")))

    found = step_state(bench.flow, "work")
    assert (found.state, found.tone) == ("failed, compensated", "bad")


def test_a_step_that_never_came_to_its_turn_is_not_said_to_wait_for_it() -> None:
    bench = FlowBench(
        step("hold", attributes={"seat": OUTPUT}), step("pay", attributes={"seat": requires()})
    )
    bench.start("pay")
    assert step_state(bench.flow, "pay").state == "pending"

    bench.do(asked.CancelFlow(reason="storm", entry_id="", compensates=False))

    found = step_state(bench.flow, "pay")
    assert (found.state, found.tone) == ("not begun", "mute")
