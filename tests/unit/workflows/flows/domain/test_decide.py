"""What a flow does, told as stories."""

from typing import Any

import pytest

from tests.support.flow_bench import (
    OUTPUT,
    FlowBench,
    each,
    requires,
    script,
    step,
)
from workflows.flows.domain import commands as asked
from workflows.flows.domain.errors import InputsMissing
from workflows.flows.domain.flow import FlowStatus, StepStatus, WorkStatus
from workflows.flows.domain.reachability import lost_inputs
from workflows.flows.domain.work_items import TooManyItems
from workflows.flows.languages.in_place import InPlace


def wide_steps(name: str, count: int) -> list[dict[str, Any]]:
    """Return steps that each have an item for every value of the list of that name."""
    each = {name: requires(for_each=True)}
    return [step(f"work{index}", attributes=each) for index in range(count)]


class TestHappyPath:
    def test_hands_over_from_step_to_step_in_one_decision(self) -> None:
        bench = FlowBench(
            step("one", attributes={"a": OUTPUT}),
            step("two", attributes={"a": requires(), "b": OUTPUT}),
        )
        bench.start("two")

        raised = bench.succeed("one", a=1)

        assert raised == [
            "work_succeeded",
            "attribute_set",
            "step_completed",
            "step_started",
            "work_started",
        ]
        assert bench.succeed("two", b=2)[-2:] == ["flow_completed", "flow_deactivated"]
        assert bench.events[-2].result == {"b": 2}  # type: ignore[union-attr]

    def test_runs_a_flow_of_scripts_in_one_decision(self) -> None:
        bench = FlowBench(
            script("double", "{'twice': v['n'] * 2}", attributes={"n": requires(), "twice": OUTPUT})
        )

        bench.start("double", n=21)

        assert bench.flow.is_over
        assert bench.execution("double").outputs == {"twice": 42}

    def test_demands_what_the_plan_requires(self) -> None:
        bench = FlowBench(step("one", attributes={"a": requires()}))

        with pytest.raises(InputsMissing, match=r"required inputs not provided: \[a\]"):
            bench.start("one")

    def test_completes_at_once_when_init_holds_the_result(self) -> None:
        bench = FlowBench(step("one", attributes={"a": OUTPUT}))

        bench.start("one", a="known")

        assert bench.names() == ["flow_started", "flow_completed", "flow_deactivated"]
        assert bench.events[1].result == {"a": "known"}  # type: ignore[union-attr]


class TestWorkItems:
    def test_an_empty_list_completes_the_step(self) -> None:
        bench = each()

        bench.start("work", list=[])

        assert bench.flow.status == FlowStatus.COMPLETED
        assert bench.execution("work").outputs == {"done": []}

    def test_a_renamed_list_is_expanded(self) -> None:
        bench = FlowBench(
            step(
                "work",
                attributes={"list": requires(for_each=True, mapping={"name": "item"})},
                work_config={"parallelism": 9},
            )
        )

        bench.start("work", list=["x", "y"])

        assert [item.inputs for item in bench.execution("work").in_order()] == [
            {"item": "x"},
            {"item": "y"},
        ]

    def test_results_come_in_the_order_of_the_inputs(self) -> None:
        bench = each(parallelism=3)
        bench.start("work", list=["x", "y", "z"])

        for index in (2, 0, 1):
            bench.succeed("work", index, done=index)

        assert bench.execution("work").outputs == {
            "done": [
                {"list": "x", "done": 0},
                {"list": "y", "done": 1},
                {"list": "z", "done": 2},
            ]
        }

    def test_no_more_than_parallelism_run_at_once(self) -> None:
        bench = each(parallelism=2)

        bench.start("work", list=[1, 2, 3, 4])
        assert len(bench.tokens("work", WorkStatus.ACTIVE)) == 2

        bench.succeed("work", 0)
        assert len(bench.tokens("work", WorkStatus.ACTIVE)) == 2
        assert len(bench.tokens("work", WorkStatus.PENDING)) == 1

    def test_an_item_whose_predicate_is_false_is_done_without_outputs(self) -> None:
        predicate = {"language": "lua", "script": "v['list'] != 2"}
        bench = each(parallelism=3, predicate=predicate)
        bench.start("work", list=[1, 2, 3])

        bench.succeed("work", 0, done="a")
        bench.succeed("work", 2, done="c")

        assert bench.execution("work").outputs == {
            "done": [{"list": 1, "done": "a"}, {"list": 3, "done": "c"}]
        }

    def test_too_many_items_refuse_the_start(self) -> None:
        with pytest.raises(TooManyItems, match=r"too many work items: 10001 \(max 10000\)"):
            each().start("work", list=list(range(10_001)))

    def test_too_many_items_later_fail_the_step_not_its_predecessor(self) -> None:
        bench = FlowBench(
            step("make", attributes={"list": OUTPUT}),
            step("work", attributes={"list": requires(for_each=True)}),
        )
        bench.start("work")

        bench.succeed("make", list=list(range(10_001)))

        assert bench.status("make") == StepStatus.COMPLETED
        assert bench.execution("work").error == "too many work items: 10001 (max 10000)"

    def test_all_steps_of_a_start_may_have_20_000_items_together(self) -> None:
        bench = FlowBench(*wide_steps("list", 2))

        bench.start("work0", "work1", list=[0] * 10_000)

        assert len(bench.execution("work1").order) == 10_000

    def test_more_items_of_all_steps_together_refuse_the_start(self) -> None:
        bench = FlowBench(
            *wide_steps("list", 2), step("more", attributes={"last": requires(for_each=True)})
        )

        with pytest.raises(
            TooManyItems, match=r"too many work items: 20001 \(max 20000\)"
        ) as refusal:
            bench.start("work0", "work1", "more", list=[0] * 10_000, last=[0])

        assert refusal.value.pointer == "/init"
        assert bench.events == []

    def test_more_items_of_all_steps_together_later_fail_the_step_that_has_them(self) -> None:
        bench = FlowBench(
            step("make", attributes={"list": OUTPUT, "last": OUTPUT}),
            *wide_steps("list", 2),
            step("more", attributes={"last": requires(for_each=True)}),
        )
        bench.start("work0", "work1", "more")

        bench.succeed("make", list=[0] * 10_000, last=[0])

        assert bench.status("make") == StepStatus.COMPLETED
        assert bench.execution("more").error == "too many work items: 20001 (max 20000)"

    def test_items_of_an_earlier_decision_do_not_count(self) -> None:
        bench = FlowBench(
            step("make", attributes={"last": OUTPUT}),
            *wide_steps("list", 2),
            step("more", attributes={"last": requires(for_each=True)}),
        )
        bench.start("work0", "work1", "more", list=[0] * 10_000)

        bench.succeed("make", last=[0])

        assert bench.status("more") == StepStatus.ACTIVE


class TestFailure:
    def test_waiting_siblings_do_not_hold_up_the_end(self) -> None:
        bench = each()
        bench.start("work", list=[1, 2, 3])

        bench.fail("work", 0)

        assert bench.flow.is_over
        assert bench.flow.error == "step work failed: boom"

    def test_a_waiting_retry_does_not_hold_up_the_end(self) -> None:
        bench = each(parallelism=2)
        bench.start("work", list=[1, 2])
        bench.not_complete("work", 0)

        bench.fail("work", 1)

        assert bench.flow.is_over

    def test_a_late_success_is_recorded_and_undone(self) -> None:
        bench = each(parallelism=2)
        bench.start("work", list=[1, 2])
        bench.fail("work", 0)
        assert not bench.flow.is_over

        raised = bench.succeed("work", 1, done="late")

        assert raised == ["work_succeeded", "comp_started"]
        token = bench.token("work", 1)
        assert bench.do(asked.SucceedCompensation(step_id="work", token=token)) == [
            "comp_succeeded",
            "flow_deactivated",
        ]

    def test_a_failed_provider_beside_a_successful_one_does_no_harm(self) -> None:
        bench = FlowBench(
            step("slow", attributes={"a": OUTPUT}),
            step("fast", attributes={"a": OUTPUT}),
            step("goal", attributes={"a": requires()}),
        )
        bench.start("goal")
        bench.succeed("fast", a=1)
        bench.succeed("goal")

        bench.fail("slow")

        assert bench.flow.status == FlowStatus.COMPLETED

    @pytest.mark.parametrize("mode", ["first", "last", "some", "all"])
    def test_a_provider_that_did_not_give_the_value_leaves_nobody_waiting(self, mode: str) -> None:
        bench = FlowBench(
            step("make", attributes={"a": OUTPUT}),
            step("goal", attributes={"a": requires(collect=mode)}),
        )
        bench.start("goal")

        bench.succeed("make")

        assert bench.execution("goal").error == "required input no longer available"
        assert bench.flow.status == FlowStatus.FAILED
        assert lost_inputs(bench.flow, "goal", InPlace()) == ["a"]

    def test_nothing_collected_is_lost_once_there_is_something(self) -> None:
        bench = FlowBench(
            step("make", attributes={"a": OUTPUT}),
            step("goal", attributes={"a": requires(collect="none")}),
        )
        bench.start("goal")

        bench.succeed("make", a=1)

        assert bench.flow.status == FlowStatus.FAILED

    def test_the_first_failure_is_the_reason(self) -> None:
        bench = FlowBench(
            step("make", attributes={"a": OUTPUT}), step("goal", attributes={"a": requires()})
        )
        bench.start("goal")

        bench.fail("make", error="no stock")

        assert bench.flow.error == "step make failed: no stock"

    def test_the_outcome_and_the_end_are_said_once(self) -> None:
        gate = requires(match={"language": "lua", "script": "v == 'post'"})
        bench = FlowBench(
            step("route", attributes={"by": OUTPUT}), step("send", attributes={"by": gate})
        )
        bench.start("send")

        bench.succeed("route", by="fax")

        assert bench.names()[-3:] == ["step_skipped", "flow_failed", "flow_deactivated"]
        assert bench.count("flow_failed") == bench.count("flow_deactivated") == 1

    def test_one_pruned_goal_of_two_completes(self) -> None:
        def gated(value: str) -> dict[str, object]:
            match = {"language": "lua", "script": f"v == '{value}'"}
            return {"by": requires(match=match)}

        bench = FlowBench(
            step("post", attributes=gated("post")), step("mail", attributes=gated("mail"))
        )
        bench.start("post", "mail", by="mail")

        bench.succeed("mail")

        assert bench.flow.status == FlowStatus.COMPLETED
        assert bench.status("post") == StepStatus.SKIPPED

    @pytest.mark.parametrize("goals", [["no", "other"], ["other", "no"]])
    def test_a_skipped_goal_is_settled_in_any_order(self, goals: list[str]) -> None:
        predicate = {"language": "lua", "script": "False"}
        bench = FlowBench(step("no", predicate=predicate), step("other"))
        bench.start(*goals)
        assert not bench.flow.is_terminal

        bench.succeed("other")

        assert bench.flow.status == FlowStatus.COMPLETED

    def test_a_flow_whose_goals_are_all_pruned_has_failed_whoever_is_at_work(self) -> None:
        mail = {"language": "lua", "script": "v == 'mail'"}
        bench = FlowBench(
            step("kind", attributes={"kind": OUTPUT}),
            step("notes", attributes={"notes": OUTPUT}),
            step("send", attributes={"kind": requires(match=mail), "notes": requires()}),
        )
        bench.start("send")

        assert bench.succeed("kind", kind="fax")[-2:] == ["step_skipped", "flow_failed"]
        assert bench.succeed("notes", notes=[])[-1] == "flow_deactivated"

    def test_nothing_starts_beside_a_step_whose_failure_ends_the_flow(self) -> None:
        broken = {"language": "lua", "script": "1 / 0"}
        bench = FlowBench(
            step("hold", attributes={"held": OUTPUT}, predicate=broken),
            step("price", attributes={"price": OUTPUT}),
            step("pay", attributes={"held": requires(), "price": requires()}),
        )

        bench.start("pay")

        assert bench.names() == [
            *("flow_started", "step_failed", "step_failed"),
            *("flow_failed", "flow_deactivated"),
        ]
