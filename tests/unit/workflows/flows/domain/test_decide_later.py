"""What a flow does when things go on: retries, deadlines, undoing, operators."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.flow_bench import (
    NO_RETRY,
    NOON,
    OUTPUT,
    UNDO,
    FlowBench,
    each,
    optional,
    requires,
    step,
)
from workflows.flows.domain import commands as asked
from workflows.flows.domain import snapshot
from workflows.flows.domain.decide import FlowSettled, NothingToRetry, StepSettled
from workflows.flows.domain.flow import FlowStatus, StepStatus


class TestRetry:
    def test_keeps_the_token_and_backs_off(self) -> None:
        bench = FlowBench(step("work", work_config=NO_RETRY))
        bench.start("work")
        token = bench.token("work")

        assert bench.not_complete("work") == ["work_not_completed", "work_retry_scheduled"]
        item = bench.execution("work").items[token]
        assert item.next_retry_at == NOON + timedelta(seconds=1)

        again = asked.BeginAttempt(step_id="work", token=token)
        assert bench.do(again) == []
        bench.after(seconds=1)
        assert bench.do(again) == ["work_started"]

        assert bench.not_complete("work") == [
            "work_not_completed",
            "work_failed",
            "step_failed",
            "flow_failed",
            "flow_deactivated",
        ]

    def test_the_first_result_wins(self) -> None:
        bench = FlowBench(step("work", attributes={"a": OUTPUT}))
        bench.start("work")
        bench.succeed("work", a=1)

        assert bench.succeed("work", a=2) == []
        assert bench.fail("work") == []
        assert bench.execution("work").outputs == {"a": 1}

    def test_a_result_that_comes_while_a_retry_waits_counts(self) -> None:
        bench = FlowBench(step("work", work_config=NO_RETRY))
        bench.start("work")
        bench.not_complete("work")

        assert bench.succeed("work")[-1] == "flow_deactivated"

    def test_an_operator_can_have_it_at_once(self) -> None:
        bench = FlowBench(step("work", work_config=NO_RETRY))
        bench.start("work")
        now = asked.RetryNow(step_id="work", token=bench.token("work"))
        with pytest.raises(NothingToRetry):
            bench.do(now)

        bench.not_complete("work")

        assert bench.do(now) == ["work_retry_requested", "work_started"]

    def test_is_not_waited_for_once_its_step_is_settled(self) -> None:
        bench = FlowBench(step("work", work_config=NO_RETRY), step("beside"))
        bench.start("work", "beside")
        bench.not_complete("work")
        token = bench.token("work")
        bench.do(asked.SkipStep(step_id="work", reason="enough"))
        bench.after(seconds=1)

        assert not bench.flow.will_retry("work", bench.execution("work").items[token])
        assert bench.do(asked.BeginAttempt(step_id="work", token=token)) == []
        with pytest.raises(NothingToRetry):
            bench.do(asked.RetryNow(step_id="work", token=token, reason="now"))
        assert bench.flow.status == FlowStatus.ACTIVE


class TestDispatch:
    def test_is_put_off_without_a_word_until_a_worker_is_healthy(self) -> None:
        bench = FlowBench(step("work"))
        bench.is_healthy = lambda _step: False

        bench.start("work")
        assert bench.names() == ["flow_started", "step_started"]
        assert bench.do(asked.Continue()) == []

        bench.is_healthy = lambda _step: True
        assert bench.do(asked.Continue()) == ["work_started"]

    def test_of_the_rest_of_a_list_is_put_off_and_says_so_once(self) -> None:
        listed = {"list": requires(for_each=True)}
        bench = FlowBench(step("work", attributes=listed), step("other", attributes=listed))
        bench.start("work", "other", list=[1, 2, 3])
        bench.is_healthy = lambda step: step.id == "other"

        assert bench.succeed("work") == ["work_succeeded", "dispatch_deferred"]
        assert bench.succeed("other") == ["work_succeeded", "work_started"]
        assert bench.do(asked.Continue()) == []

    def test_of_a_retry_or_an_undoing_waits_for_a_healthy_worker(self) -> None:
        bench = each(parallelism=2)
        bench.start("work", list=[1, 2])
        bench.not_complete("work")
        bench.succeed("work", 1)
        bench.after(seconds=1)
        of_item: dict[str, Any] = {"step_id": "work", "token": bench.token("work")}
        bench.is_healthy = lambda _step: False

        assert bench.do(asked.BeginAttempt(**of_item)) == ["dispatch_deferred"]
        assert bench.do(asked.BeginAttempt(**of_item, is_second_look=True)) == []
        bench.is_healthy = lambda _step: True
        assert bench.do(asked.BeginAttempt(**of_item, is_second_look=True)) == ["work_started"]

        bench.fail("work")
        undone: dict[str, Any] = {"step_id": "work", "token": bench.token("work", 1)}
        bench.do(asked.NotCompleteCompensation(**undone, error="busy"))
        bench.after(seconds=1)
        bench.is_healthy = lambda _step: False

        assert bench.do(asked.BeginCompensation(**undone)) == ["dispatch_deferred"]
        assert bench.do(asked.BeginCompensation(**undone, is_second_look=True)) == []
        bench.is_healthy = lambda _step: True
        assert bench.do(asked.BeginCompensation(**undone, is_second_look=True)) == ["comp_started"]

    def test_takes_from_memory_what_was_done_before(self) -> None:
        bench = FlowBench(step("work", memoizable=True, attributes={"a": OUTPUT}))
        bench.remembered = lambda _step, _inputs: {"a": "as before"}

        bench.start("work")

        assert "work_started" not in bench.names()
        assert bench.execution("work").outputs == {"a": "as before"}

    def test_takes_from_memory_although_no_worker_is_healthy(self) -> None:
        bench = FlowBench(step("work", memoizable=True, attributes={"a": OUTPUT}))
        bench.remembered = lambda _step, _inputs: {"a": "as before"}
        bench.is_healthy = lambda _step: False

        bench.start("work")

        assert bench.flow.is_over
        assert bench.execution("work").outputs == {"a": "as before"}


class TestOptionalInputs:
    def deadline_bench(self, deadline_ms: int) -> FlowBench:
        return FlowBench(
            step("slow", attributes={"a": OUTPUT}),
            step("goal", attributes={"a": optional(default='"D"', deadline=deadline_ms)}),
        )

    def test_start_with_the_default_when_the_deadline_has_passed(self) -> None:
        bench = self.deadline_bench(100)
        bench.start("goal")
        assert bench.status("goal") == StepStatus.PENDING

        bench.after(milliseconds=100)
        bench.do(asked.Continue())

        assert bench.execution("goal").inputs == {"a": "D"}

    def test_take_the_value_that_comes_in_time(self) -> None:
        bench = self.deadline_bench(2000)
        bench.start("goal")
        bench.after(milliseconds=540)

        bench.succeed("slow", a="real")

        assert bench.execution("goal").inputs == {"a": "real"}

    def test_do_not_wait_without_a_deadline(self) -> None:
        bench = self.deadline_bench(0)

        bench.start("goal")

        assert bench.execution("goal").inputs == {"a": "D"}


class TestCompensation:
    def test_undoes_what_succeeded_when_a_sibling_fails(self) -> None:
        bench = each(parallelism=2)
        bench.start("work", list=[1, 2])
        bench.succeed("work", 0, done="x")

        assert bench.fail("work", 1) == [
            "work_failed",
            "step_failed",
            "comp_started",
            "flow_failed",
        ]

    def test_is_not_attempted_without_an_address(self) -> None:
        bench = FlowBench(
            step(
                "work",
                attributes={"list": requires(for_each=True)},
                work_config={"parallelism": 2},
            )
        )
        bench.start("work", list=[1, 2])
        bench.succeed("work", 0)

        assert bench.fail("work", 1)[-1] == "flow_deactivated"

    def test_goes_back_through_the_steps_if_the_flow_wants_it(self) -> None:
        bench = FlowBench(
            step("seats", http=UNDO, attributes={"held": OUTPUT}),
            step("card", http=UNDO, attributes={"held": requires(), "paid": OUTPUT}),
            step("ticket", attributes={"paid": requires()}),
        )
        bench.start("ticket", options={"compensate": True})
        bench.succeed("seats", held=1)
        bench.succeed("card", paid=1)

        bench.fail("ticket")

        undone = [e.step_id for e in bench.events if type(e).__name__ == "CompStarted"]  # type: ignore[union-attr]
        assert undone == ["card"]
        card = asked.SucceedCompensation(step_id="card", token=bench.token("card"))
        assert bench.do(card) == ["comp_succeeded", "comp_started"]
        seats = asked.SucceedCompensation(step_id="seats", token=bench.token("seats"))
        assert bench.do(seats) == ["comp_succeeded", "flow_deactivated"]

    def test_failing_for_good_is_visible_and_ends(self) -> None:
        bench = each(parallelism=2)
        bench.start("work", list=[1, 2])
        bench.succeed("work", 0)
        bench.fail("work", 1)

        gone = asked.FailCompensation(step_id="work", token=bench.token("work"), error="410")

        assert bench.do(gone) == ["comp_failed", "flow_deactivated"]
        assert bench.do(gone) == []


class TestOperators:
    def test_nothing_starts_while_paused_but_results_count(self) -> None:
        bench = FlowBench(
            step("one", attributes={"a": OUTPUT}), step("two", attributes={"a": requires()})
        )
        bench.start("two")
        bench.do(asked.PauseFlow(reason="look first"))

        bench.succeed("one", a=1)
        assert bench.status("two") == StepStatus.PENDING

        assert bench.do(asked.ResumeFlow()) == ["flow_resumed", "step_started", "work_started"]

    @pytest.mark.parametrize("ends", [FlowBench.succeed, FlowBench.fail])
    def test_an_outcome_ends_a_pause(self, ends: Callable[[FlowBench, str], Any]) -> None:
        bench = FlowBench(step("one"))
        bench.start("one")
        bench.do(asked.PauseFlow(reason="look first"))
        paused = snapshot.dump(bench.flow)

        assert ends(bench, "one")[-1] == "flow_deactivated"

        assert not bench.flow.is_paused
        assert snapshot.load(paused).is_paused
        assert not snapshot.load(snapshot.dump(bench.flow)).is_paused

    def test_cancelling_ends_the_flow_when_what_is_under_way_has_ended(self) -> None:
        bench = FlowBench(step("work"))
        bench.start("work")

        assert bench.do(asked.CancelFlow(reason="changed my mind")) == [
            "flow_cancelled",
            "flow_failed",
        ]
        assert bench.succeed("work") == ["work_succeeded", "step_completed", "flow_deactivated"]
        with pytest.raises(FlowSettled):
            bench.do(asked.CancelFlow(reason="again"))

    @pytest.mark.parametrize(
        "command",
        [
            asked.CancelFlow(reason="no wind"),
            asked.SkipStep(step_id="wait", reason="no wind"),
            asked.ForceStep(step_id="wait", outputs={}),
        ],
    )
    def test_a_step_that_only_waits_holds_nothing_up(self, command: Any) -> None:
        bench = FlowBench(step("wait", type="wait", http=None, wait={"event": "wind.rose"}))
        bench.start("wait")

        happened = bench.do(command)

        assert happened[-1] == "flow_deactivated"
        assert happened.count("work_failed") == 1

    def test_what_a_skipped_step_still_did_is_undone_with_its_inputs(self) -> None:
        bench = FlowBench(step("pay", http=UNDO, attributes={"card": requires()}), step("hold"))
        bench.start("pay", "hold", card="a")
        bench.do(asked.SkipStep(step_id="pay", reason="paid in cash"))

        assert bench.succeed("pay", receipt=7) == ["work_succeeded", "comp_started"]
        assert bench.execution("pay").inputs == {"card": "a"}

    def test_a_forced_step_hands_over(self) -> None:
        bench = FlowBench(
            step("one", attributes={"a": OUTPUT}), step("two", attributes={"a": requires()})
        )
        bench.start("two")

        bench.do(asked.ForceStep(step_id="one", outputs={"a": "by phone"}))

        assert bench.execution("two").inputs == {"a": "by phone"}
        with pytest.raises(StepSettled):
            bench.do(asked.SkipStep(step_id="one", reason="too late"))
