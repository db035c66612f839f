"""When each item was at it: bars from events, whatever the order in which tries ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.flows.waterfall import Axis, Bar, Row, Waterfall, lasting
from events.domain.envelope import Category, Envelope, Source
from events.domain.principal import SYSTEM
from workflows.flows.domain.flow import (
    Execution,
    Flow,
    FlowStatus,
    StepStatus,
    WorkItem,
    WorkStatus,
)
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.step import Step, StepType

START = datetime(2026, 1, 1, tzinfo=UTC)
FLOW = Flow(id="trip", plan=Plan(goals=("pay",), steps={}, attributes={}), created_at=START)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(name: str, seconds: float, item: str = "t") -> Envelope:
    data: dict[str, Any] = {"step_id": "pay", "token": item}
    return Envelope(
        name=name,
        data=data,
        category=Category.INTERNAL,
        source=Source.WORKFLOW,
        event_id=f"evt_{name}_{seconds}",
        principal=SYSTEM,
        correlation_id="cor",
        emitted_at=at(seconds),
    )


def bars(*events: Envelope, as_of: float, item: str = "t") -> list[Bar]:
    axis = Axis(start=START, end=at(10))
    return Waterfall(FLOW, events, axis=axis, as_of=at(as_of)).of_item(item)


def row(events: list[Envelope]) -> Row:
    pay = Step(id="pay", name="Pay", type=StepType.ASYNC, attributes={})
    plan = Plan(goals=("pay",), steps={"pay": pay}, attributes={})
    flow = replace(FLOW, plan=plan, executions={"pay": Execution()})
    axis = Axis(start=START, end=at(10))
    [found] = Waterfall(flow, events, axis=axis, as_of=at(10)).rows()
    return found


class TestBars:
    def test_show_each_try_and_the_waits_between(self) -> None:
        found = bars(
            event("work_started", 0),
            event("work_not_completed", 2),
            event("work_retry_scheduled", 2),
            event("work_started", 5),
            event("work_succeeded", 6),
            as_of=10,
        )

        assert found == [
            Bar(kind="try", x=0, width=200, tone="wait"),
            Bar(kind="wait", x=200, width=300, tone="wait"),
            Bar(kind="try", x=500, width=100, tone="ok"),
        ]

    def test_reach_to_the_moment_that_is_shown_while_they_go_on(self) -> None:
        assert bars(event("work_started", 2), as_of=4) == [
            Bar(kind="try", x=200, width=200, tone="run")
        ]

    def test_of_a_long_flow_end_with_what_is_drawn_of_it(self) -> None:
        axis = Axis(start=START, end=at(10))
        drawn = [event("work_started", 2)]

        long = Waterfall(FLOW, drawn, axis=axis, as_of=at(10), drawn_until=at(3))

        assert long.of_item("t") == [Bar(kind="try", x=200, width=100, tone="run")]

    def test_show_what_is_undone_after_what_was_done(self) -> None:
        found = bars(
            event("work_started", 0),
            event("work_succeeded", 1),
            event("comp_started", 3),
            event("comp_failed", 4),
            as_of=10,
        )

        assert [(bar.kind, bar.tone) for bar in found] == [("try", "ok"), ("undo", "bad")]

    def test_keep_the_items_apart(self) -> None:
        both = (event("work_started", 0, "a"), event("work_started", 1, "b"))

        assert [bar.x for bar in bars(*both, as_of=2, item="b")] == [100]

    def test_of_no_length_at_the_end_stay_on_the_axis(self) -> None:
        [bar] = bars(event("work_started", 10), as_of=10)

        assert bar.x + bar.width <= 1000

    def test_of_many_items_are_drawn_once_where_they_lie_on_one_another(self) -> None:
        each = [(name, str(nth)) for nth in range(1_000) for name in ("started", "succeeded")]
        events = [event(f"work_{name}", int(nth) / 1_000, nth) for name, nth in each]
        events += [event("work_started", 0.2, "sick"), event("work_failed", 0.3, "sick")]
        events += [event("work_started", 5, "late"), event("work_succeeded", 6, "late")]

        assert row(events).bars == [
            Bar(kind="try", x=0, width=104, tone="ok"),
            Bar(kind="try", x=500, width=100, tone="ok"),
            Bar(kind="try", x=20, width=10, tone="bad"),
        ]


class TestStoppedStep:
    """Of a step that waited for its next try when the outcome of its flow became known."""

    def stopped(self, item: WorkItem) -> Row:
        events = [event("work_started", 0), event("work_not_completed", 1)]
        events.append(event("work_retry_scheduled", 1))
        pay = Step(id="pay", name="Pay", type=StepType.ASYNC, attributes={})
        plan = Plan(goals=("pay",), steps={"pay": pay}, attributes={})
        begun = Execution(status=StepStatus.ACTIVE, started_at=START)
        of_pay = begun.with_known_items({item.token: item})
        flow = replace(
            FLOW,
            plan=plan,
            status=FlowStatus.FAILED,
            completed_at=at(4),
            executions={"pay": of_pay},
        )
        axis = Axis(start=START, end=at(10))
        [found] = Waterfall(flow, events, axis=axis, as_of=at(10)).rows()
        return found

    def test_waits_and_lasts_until_then(self) -> None:
        waiting = WorkItem(token="t", inputs={}, retry_count=1)

        found = self.stopped(waiting)

        assert found.took == timedelta(seconds=4)
        assert found.bars == [
            Bar(kind="step", x=0, width=400, tone="mute"),
            Bar(kind="try", x=0, width=100, tone="wait"),
            Bar(kind="wait", x=100, width=300, tone="run"),
        ]

    def test_lasts_until_what_was_under_way_has_ended(self) -> None:
        late = WorkItem(token="t", inputs={}, status=WorkStatus.FAILED, completed_at=at(7))

        assert self.stopped(late).took == timedelta(seconds=7)


class TestAxis:
    def test_of_a_flow_that_has_just_begun_has_a_length(self) -> None:
        assert Axis(start=START, end=START).at(START) == 0

    def test_ends_where_it_ends(self) -> None:
        assert Axis(start=START, end=at(10)).at(at(11)) == 1000


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0, "0 ms"),
        (0.084, "84 ms"),
        (2.5, "2.5 s"),
        (150, "2.5 min"),
        (15_120, "4.2 h"),
        (300_000, "3 days"),
    ],
)
def test_spans_are_said_in_one_unit(seconds: float, says: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == says
