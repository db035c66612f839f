"""Child flows of a flow that asks for compensation: held, released, undone, stopped."""

from typing import Any

import pytest

from tests.support.flow_bench import OUTPUT, UNDO, FlowBench, requires, step
from tests.support.flow_tree import ROOT, FlowTree
from workflows.flows.domain import commands as asked
from workflows.flows.domain.flow import Flow, FlowStatus, StepStatus, WorkStatus
from workflows.flows.domain.flow_events import CompStarted


def nested(id_: str, *goals: str, **attributes: Any) -> dict[str, Any]:
    flow = {"goals": [*goals]}
    return {"id": id_, "name": id_, "type": "flow", "flow": flow, "attributes": attributes}


def renamed(inner: str) -> dict[str, Any]:
    return {"role": "output", "output": {"mapping": {"name": inner}}}


def tour(*, compensate: bool = True) -> FlowTree:
    """Return a tour: the flow `travel` (a hotel, then the flow `drive` of a car), then a ticket."""
    bench = FlowBench(
        step("hotel", http=UNDO, attributes={"room": OUTPUT}),
        step("car", http=UNDO, attributes={"keys": OUTPUT}),
        nested("drive", "car", room=requires(), moved=renamed("keys")),
        nested("travel", "drive", "hotel", away=renamed("moved")),
        step("ticket", http=UNDO, attributes={"away": requires()}),
    )
    tree = FlowTree(bench)
    tree.start("ticket", compensate=compensate)
    return tree


def child_of(tree: FlowTree, step_id: str, *, of: str = ROOT) -> Flow:
    [token] = tree.flows[of].executions[step_id].order
    return tree.flows[f"{of}:{step_id}:{token}"]


def is_compensating(bench: FlowBench, step_id: str) -> bool:
    return bool(bench.tokens(step_id, WorkStatus.COMPENSATING))


class TestACompletedChild:
    def test_stays_until_its_parent_has_ended_and_its_outcome_counts_at_once(self) -> None:
        tree = tour()

        tree.deliver(holds="ticket")

        travel = child_of(tree, "travel")
        assert tree.flows[ROOT].executions["travel"].outputs == {"away": 1}
        assert tree.flows[ROOT].executions["ticket"].status == StepStatus.ACTIVE
        assert (travel.status, travel.is_held, travel.is_over) == ("completed", True, False)

    def test_ends_after_its_own_children_and_before_its_parent(self) -> None:
        tree = tour()

        tree.deliver()

        ended = [one for one, event in tree.log if type(event).__name__ == "FlowDeactivated"]
        assert [one.count(":") for one in ended] == [4, 2, 0]
        assert tree.names(ROOT)[-4:] == [
            "flow_completed",
            "child_released",
            "child_deactivated",
            "flow_deactivated",
        ]
        assert tree.undone() == []

    def test_ends_with_its_outcome_where_nobody_asks_for_compensation(self) -> None:
        tree = tour(compensate=False)

        tree.deliver(holds="ticket")

        assert child_of(tree, "travel").is_over

    def test_ends_with_its_outcome_if_nothing_of_it_can_be_undone(self) -> None:
        bench = FlowBench(
            step("hotel", attributes={"room": OUTPUT}),
            nested("travel", "hotel", room=OUTPUT),
            step("ticket", attributes={"room": requires()}),
        )
        tree = FlowTree(bench)
        tree.start("ticket", compensate=True)

        tree.deliver(holds="ticket")

        assert child_of(tree, "travel").is_over


class TestUndoing:
    def test_goes_back_through_children_to_any_depth(self) -> None:
        tree = tour()

        tree.deliver(fails="ticket")

        travel = child_of(tree, "travel")
        assert tree.undone() == ["car", "drive", "hotel", "travel"]
        assert (travel.status, travel.is_undone, travel.is_over) == ("completed", True, True)
        assert tree.names(ROOT)[-3:] == ["comp_started", "comp_succeeded", "flow_deactivated"]

    def test_that_fails_below_is_told_above_and_goes_on(self) -> None:
        tree = tour()
        tree.deliver(holds="ticket")
        tree.deliver(fails="ticket", holds="car")
        [car] = tree.bag
        tree.bag.clear()

        at = {"step_id": "car", "token": car.effect.token}
        tree.do(car.flow_id, asked.FailCompensation(**at, error="gone"))
        tree.deliver()

        travel = child_of(tree, "travel")
        [drive] = travel.executions["drive"].in_order()
        assert drive.status == WorkStatus.COMPENSATION_FAILED
        assert drive.error == "not undone: car"
        assert tree.undone() == ["hotel"]
        [whole] = tree.flows[ROOT].executions["travel"].in_order()
        assert whole.error == "not undone: drive"
        assert tree.flows[ROOT].is_over

    def test_of_a_child_that_failed_comes_before_its_parent_is_told(self) -> None:
        tree = tour()

        tree.deliver(fails="car")

        assert tree.undone() == ["hotel"]
        assert child_of(tree, "travel").is_over
        assert tree.flows[ROOT].error.startswith("step travel failed: step drive failed")

    def test_what_a_child_did_whose_outcome_cannot_be_taken(self) -> None:
        bench = FlowBench(
            step("hotel", http=UNDO, attributes={"room": OUTPUT}),
            nested("travel", "hotel", towel=renamed("towel")),
        )
        tree = FlowTree(bench)
        tree.start("travel", compensate=True)

        tree.deliver()

        assert tree.flows[ROOT].error == "step travel failed: flow output missing: towel"
        assert tree.undone() == ["hotel", "travel"]

    def test_children_that_were_over_before_somebody_asked_are_told_of(self) -> None:
        tree = tour(compensate=False)
        tree.deliver(holds="ticket")

        tree.do(ROOT, asked.CancelFlow(reason="enough", compensates=True))
        tree.deliver()

        [item] = tree.flows[ROOT].executions["travel"].in_order()
        assert item.status == WorkStatus.COMPENSATION_FAILED
        assert item.error == "the child flow was over before, and stays done"

    def test_what_an_interrupted_list_has_done(self) -> None:
        bench = FlowBench(
            step("work", http=UNDO, attributes={"list": requires(for_each=True)}),
        )
        bench.start("work", list=[1, 2, 3])
        bench.succeed("work", 0)

        bench.do(asked.CancelFlow(reason="enough", compensates=True))

        assert bench.succeed("work", 1)[-2:] == ["comp_started", "comp_started"]

    def test_begins_with_what_was_interrupted_the_last_to_start_first(self) -> None:
        listed = requires(for_each=True)
        bench = FlowBench(
            # Its place in the plan is before that of the step it waits for.
            step("late", http=UNDO, attributes={"list": listed, "seats": requires()}),
            step("early", http=UNDO, attributes={"list": listed}),
            step("seats", http=UNDO, attributes={"seats": OUTPUT}),
        )
        bench.start("late", "early", list=[1, 2, 3])
        bench.after(seconds=1)
        bench.succeed("seats", seats=1)
        bench.succeed("late")
        bench.succeed("early")

        bench.do(asked.CancelFlow(reason="enough", compensates=True))
        for step_id in ("late", "early"):
            bench.succeed(step_id, 1)
        while begun := [one for one in ("late", "early", "seats") if is_compensating(bench, one)]:
            [step_id] = begun
            for token in bench.tokens(step_id, WorkStatus.COMPENSATING):
                bench.do(asked.SucceedCompensation(step_id=step_id, token=token))

        compensated = [event.step_id for event in bench.events if isinstance(event, CompStarted)]
        assert compensated == ["late", "late", "early", "early", "seats"]

    def test_what_a_list_has_done_that_is_skipped(self) -> None:
        bench = FlowBench(
            step("work", http=UNDO, attributes={"list": requires(for_each=True)}),
        )
        bench.start("work", list=[1, 2])
        bench.succeed("work", 0)

        happened = bench.do(asked.SkipStep(step_id="work", reason="enough"))

        assert happened == ["step_skipped", "comp_started", "flow_completed"]


class TestCancelling:
    @pytest.mark.parametrize(("compensates", "undone"), [(True, ["hotel"]), (False, [])])
    def test_stops_children_that_are_under_way(
        self, *, compensates: bool, undone: list[str]
    ) -> None:
        tree = tour()
        tree.deliver(holds="car")

        tree.do(ROOT, asked.CancelFlow(reason="enough", compensates=compensates))
        tree.deliver(fails="car")

        assert child_of(tree, "travel").error == "flow cancelled: no longer awaited"
        assert tree.undone() == undone
        assert all(flow.is_over for flow in tree.flows.values())

    def test_leaves_what_was_done_if_that_is_said_whatever_the_option(self) -> None:
        bench = FlowBench(
            step("seats", http=UNDO, attributes={"held": OUTPUT}),
            step("card", attributes={"held": requires()}),
        )
        bench.start("card", options={"compensate": True})
        bench.succeed("seats", held=1)
        bench.do(asked.CancelFlow(reason="enough", compensates=False))

        bench.succeed("card")

        assert bench.count("comp_started") == 0
        assert bench.flow.is_over

    def test_comes_before_a_child_that_was_not_begun(self) -> None:
        tree = tour()
        tree.do(ROOT, asked.CancelFlow(reason="enough", compensates=True))

        tree.deliver()

        assert [*tree.flows] == [ROOT]
        assert tree.flows[ROOT].is_over

    @pytest.mark.parametrize("compensate", [True, False])
    def test_a_step_that_is_skipped_stops_its_child(self, *, compensate: bool) -> None:
        tree = tour(compensate=compensate)
        tree.deliver(holds="car")

        tree.do(ROOT, asked.SkipStep(step_id="travel", reason="enough"))
        tree.deliver()

        assert child_of(tree, "travel").is_cancelled
        assert tree.flows[ROOT].status == FlowStatus.FAILED
        assert tree.undone() == (["car", "drive", "hotel"] if compensate else [])

    def test_does_not_reach_the_children_of_a_flow_that_merely_failed(self) -> None:
        bench = FlowBench(
            step("slow", attributes={"a": OUTPUT}),
            nested("travel", "slow", a=OUTPUT),
            step("ticket"),
        )
        tree = FlowTree(bench)
        tree.start("ticket", "travel", compensate=False)
        tree.deliver(holds="slow", fails="ticket")

        tree.deliver()

        assert child_of(tree, "travel").status == FlowStatus.COMPLETED
        assert tree.flows[ROOT].executions["travel"].status == StepStatus.COMPLETED
