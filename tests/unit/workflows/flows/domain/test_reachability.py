"""Which steps can still complete: asked of long chains, and of many ways to the same value."""

from typing import Any

import pytest

from tests.support.flow_bench import OUTPUT, FlowBench, requires, step
from workflows.flows.domain import commands as asked
from workflows.flows.domain import inputs, reachability
from workflows.flows.domain.flow import FlowStatus, StepStatus
from workflows.flows.domain.planner import make_plan


def layered(depth: int, *, width: int = 1) -> FlowBench:
    """Return a flow of layers of `width` steps that each give what all of the next take."""
    steps = [step("s0-0", attributes={"x0": OUTPUT})]
    for layer in range(1, depth):
        attributes = {f"x{layer - 1}": requires(), f"x{layer}": OUTPUT}
        steps += [step(f"s{layer}-{n}", attributes=attributes) for n in range(width)]
    bench = FlowBench(*steps)
    bench.start(f"s{depth - 1}-0")
    return bench


def test_a_failure_is_followed_through_a_chain_however_long_it_is() -> None:
    bench = layered(1_000)

    bench.fail("s0-0")

    assert bench.flow.status == FlowStatus.FAILED
    assert bench.flow.error == "step s0-0 failed: boom"
    assert bench.count("step_failed") == 1_000


def test_a_failure_is_followed_once_however_many_ways_lead_to_a_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, count = layered(16, width=2), [0]
    candidates = inputs.candidates

    def counted(*about: Any) -> Any:
        count[0] += 1
        return candidates(*about)

    monkeypatch.setattr(reachability, "candidates", counted)

    bench.fail("s0-0")

    assert bench.count("step_failed") == len(bench.flow.plan.steps)
    assert count[0] < 10 * len(bench.flow.plan.steps)


def test_one_of_two_suppliers_is_enough() -> None:
    bench = FlowBench(
        step("lost", attributes={"a": OUTPUT}),
        step("kept", attributes={"a": OUTPUT}),
        step("taker", attributes={"a": requires(), "b": OUTPUT}),
        step("last", attributes={"b": requires()}),
    )
    bench.start("last")

    bench.fail("lost")

    assert bench.flow.status == FlowStatus.ACTIVE
    assert bench.status("last") == StepStatus.PENDING
    bench.fail("kept")
    assert bench.flow.error == "step lost failed: boom"


@pytest.mark.parametrize("mode", ["all", "some"])
def test_values_that_differ_only_in_json_are_told_apart(mode: str) -> None:
    """For Python 1 and true are equal: what one of them matched, the other would have, too."""
    only_one = {"language": "lua", "script": "v is not True"}
    taken = requires(collect=mode, match=only_one)
    bench = FlowBench(step("work", attributes={"x": taken, "y": OUTPUT}))

    values = {"x": [1, True]}
    plan = make_plan(bench.catalog, ["work"], values, matches=bench.languages.matches)

    bench.do(asked.StartFlow(plan=plan, init=values))

    expected = {"all": StepStatus.SKIPPED, "some": StepStatus.ACTIVE}
    assert bench.status("work") == expected[mode]
