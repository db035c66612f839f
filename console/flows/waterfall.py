"""The waterfall of a flow: when each step ran, as bars on one axis, from its events."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from console.flows.step_state import StepState, step_state
from events.domain.envelope import Envelope
from workflows.flows.domain.flow import Execution, Flow, WorkStatus
from workflows.flows.domain.step import Step

WIDTH = 1000
"""Of the axis, in the units of the drawing."""
BAR_MIN = 4
_ENDS = {
    "work_succeeded": "ok",
    "work_failed": "bad",
    "work_not_completed": "wait",
    "comp_succeeded": "mute",
    "comp_failed": "bad",
    "comp_retry_scheduled": "wait",
}
_WORK_ENDS = frozenset({WorkStatus.SUCCEEDED, WorkStatus.FAILED})
_BEGINS = {"work_started": "try", "comp_started": "undo", "work_retry_scheduled": "wait"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From the start of a flow to its end, or to now."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return max(self.end - self.start, timedelta(milliseconds=1))

    def at(self, moment: datetime) -> int:
        """Return where a moment is."""
        along = (moment - self.start) / self.length
        return round(min(max(along, 0.0), 1.0) * WIDTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One stretch of time of one item, in the units of the axis. `kind`: step, try, wait, undo."""

    kind: str
    x: int
    width: int
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One step, with what the graph shows of it in words."""

    step: Step
    state: StepState
    is_goal: bool
    takes: list[str]
    gives: list[str]
    bars: list[Bar]
    started_at: datetime | None
    took: timedelta | None
    error: str


@dataclass(slots=True)
class _Stretch:
    kind: str
    step_id: str
    start: datetime
    end: datetime | None = None
    tone: str = "run"


@dataclass(slots=True)
class _Tries:
    """The stretches of each item, in the order in which they began."""

    of_step: dict[str, list[_Stretch]] = field(default_factory=dict)
    of_item: dict[str, list[_Stretch]] = field(default_factory=dict)

    def take(self, event: Envelope) -> None:
        token = event.data.get("token")
        if token is None or event.name not in _ENDS.keys() | _BEGINS.keys():
            return
        held = self.of_item.setdefault(token, [])
        if held and held[-1].end is None:
            held[-1].end = event.emitted_at
            held[-1].tone = _ENDS.get(event.name, "wait")
        if event.name in _BEGINS:
            step_id = event.data["step_id"]
            begun = _Stretch(kind=_BEGINS[event.name], step_id=step_id, start=event.emitted_at)
            held.append(begun)
            self.of_step.setdefault(step_id, []).append(begun)


class Waterfall:
    """The bars of steps and items, as of the last of `events`.

    If those are only the first, `drawn_until` is when they end: what came of a try that was
    under way then is not known.
    """

    def __init__(
        self,
        flow: Flow,
        events: Iterable[Envelope],
        *,
        axis: Axis,
        as_of: datetime,
        drawn_until: datetime | None = None,
    ) -> None:
        self.flow = flow
        self.axis = axis
        self.as_of = as_of
        self.drawn_until = drawn_until
        self._tries = _Tries()
        for event in events:
            self._tries.take(event)

    @property
    def cursor(self) -> int:
        """Where on the axis the moment is that is shown."""
        return self.axis.at(self.as_of)

    def rows(self) -> list[Row]:
        """Return the steps, those that started first, then the others in the order of the plan."""
        order = {step_id: index for index, step_id in enumerate(self.flow.plan.steps)}
        rows = [self._row(step) for step in self.flow.plan.steps.values()]
        return sorted(
            rows,
            key=lambda row: (
                row.started_at is None,
                row.started_at or self.axis.end,
                order[row.step.id],
            ),
        )

    def of_item(self, token: str) -> list[Bar]:
        """Return the bars of one item."""
        return list(self._bars(self._tries.of_item.get(token, [])))

    def _row(self, step: Step) -> Row:
        execution = self.flow.executions[step.id]
        shown = {*self.flow.plan.attributes, *self.flow.attributes}
        return Row(
            step=step,
            state=step_state(self.flow, step.id),
            is_goal=step.id in self.flow.plan.goals,
            takes=[name for name, _ in step.inputs() if name in shown],
            gives=[name for name, _ in step.outputs()],
            bars=[
                *self._whole(execution),
                *_merged(self._bars(self._tries.of_step.get(step.id, []))),
            ],
            started_at=execution.started_at,
            took=self._took(execution),
            error=execution.error,
        )

    def _took(self, execution: Execution) -> timedelta | None:
        if execution.started_at is None:
            return None
        end = self._ended_at(execution) or (None if self.flow.is_over else self.as_of)
        return max(end - execution.started_at, timedelta()) if end else None

    def _ended_at(self, execution: Execution) -> datetime | None:
        """Return when nothing more happened to a step: a stopped one has no event of its end."""
        if execution.completed_at is not None or execution.count(WorkStatus.ACTIVE):
            return execution.completed_at
        outcome_at = self.flow.completed_at
        # An item that was under way then has gone on to its end.
        items = (item for item in execution.in_order() if item.status in _WORK_ENDS)
        ended = (item.completed_at for item in items)
        return outcome_at and max(filter(None, (outcome_at, *ended)))

    def _whole(self, execution: Execution) -> Iterator[Bar]:
        if execution.started_at is not None:
            yield self._bar("step", execution.started_at, self._ended_at(execution), "mute")

    def _bars(self, stretches: Sequence[_Stretch]) -> Iterator[Bar]:
        return (self._bar(each.kind, each.start, self._end(each), each.tone) for each in stretches)

    def _end(self, stretch: _Stretch) -> datetime | None:
        """Return the end of a stretch: nobody waits to try again once the step or flow is over."""
        execution = self.flow.executions.get(stretch.step_id)
        if stretch.end is not None:
            return stretch.end
        if stretch.kind != "wait" or execution is None:
            return self.drawn_until
        over = (execution.completed_at, self.flow.completed_at, self.drawn_until)
        return min(filter(None, over), default=None)

    def _bar(self, kind: str, start: datetime, end: datetime | None, tone: str) -> Bar:
        x = self.axis.at(start)
        width = max(self.axis.at(end or self.as_of) - x, BAR_MIN)
        # At the right edge a bar of no length would fall outside.
        return Bar(kind=kind, x=min(x, WIDTH - BAR_MIN), width=width, tone=tone)


def _merged(bars: Iterable[Bar]) -> list[Bar]:
    """Return fewer bars that show the same: of ten thousand items most lie on one another.

    What went badly lies on top.
    """
    found: dict[tuple[str, str], list[Bar]] = {}
    for bar in sorted(bars, key=lambda bar: bar.x):
        alike = found.setdefault((bar.kind, bar.tone), [])
        last = alike[-1] if alike else None
        if last is None or bar.x > last.x + last.width:
            alike.append(bar)
        else:
            width = max(last.width, bar.x + bar.width - last.x)
            alike[-1] = replace(last, width=width)
    by_tone = sorted(found, key=lambda key: key[1] == "bad")
    return [bar for key in by_tone for bar in found[key]]


def lasting(span: timedelta | None) -> str:
    """Return how long: 84 ms, 2.5 s, 3 min, 4.2 h or 3 days."""
    if span is None:
        return ""
    seconds = span.total_seconds()
    scale: tuple[tuple[float, float, str], ...] = (
        (1, 0.001, "ms"),
        (60, 1, "s"),
        (3600, 60, "min"),
        (172_800, 3600, "h"),
    )
    for below, unit, name in scale:
        if seconds < below:
            amount = seconds / unit
            return f"{amount:.0f} ms" if name == "ms" else f"{amount:.1f} {name}"
    return f"{seconds / 86_400:.0f} days"
