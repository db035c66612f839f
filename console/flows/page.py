"""The view model of a flow's page: now, or after one of its events, with one part selected."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.utils import timezone

from console.flows import graph, history, provenance
from console.flows.step_state import StepState, is_held, step_state
from console.flows.waterfall import Axis, Bar, Waterfall, lasting
from console.forms import POSITION_MAX
from events import explore
from events import selectors as log
from events.domain.envelope import Envelope
from ledger.access import people
from workflows.flows import selectors
from workflows.flows.domain.decision import NO_GOAL_RAN
from workflows.flows.domain.flow import Execution, Flow, WorkItem, WorkStatus
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.explanations import explain, why_waiting
from workflows.flows.selectors import Requested

EVENTS_DRAWN_MAX = 5_000
"""How many events of a flow the bars are made of; a longer one is drawn to there."""
LINES = 50
ITEMS_SHOWN_MAX = 50
CAUSES_SHOWN = 8
_FIRST = {WorkStatus.FAILED: 0, WorkStatus.COMPENSATION_FAILED: 0, WorkStatus.ACTIVE: 1}


class Look(forms.Form):
    """What the address of a flow's page asks for."""

    at = forms.IntegerField(required=False, min_value=1, max_value=POSITION_MAX)
    step = forms.CharField(required=False, max_length=256, strip=False)
    attribute = forms.CharField(required=False, max_length=256, strip=False)
    event = forms.IntegerField(required=False, min_value=1, max_value=POSITION_MAX)
    items = forms.IntegerField(required=False, min_value=0, max_value=POSITION_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One work item with its bars; `index` from 1, in input order."""

    index: int
    item: WorkItem
    bars: list[Bar]
    is_waiting: bool
    is_held: bool
    approval: Requested | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedStep:
    """One step of a flow with everything about it, and its items after number `before`."""

    id: str
    execution: Execution
    state: StepState
    definition: dict[str, Any]
    reason: explain.Reason
    unsatisfied: list[str]
    items: list[ItemRow]
    before: int
    children: list[Any]
    requests: list[Requested]

    @property
    def causes(self) -> list[Envelope]:
        """The first of the events that were the reason."""
        return self.reason.causes[:CAUSES_SHOWN]

    @property
    def has_more_causes(self) -> bool:
        return len(self.reason.causes) > CAUSES_SHOWN

    @property
    def until(self) -> int:
        """How many items there are up to the last that is shown."""
        return self.before + len(self.items)

    @property
    def total(self) -> int:
        return len(self.execution.order)

    @property
    def earlier(self) -> int:
        return max(self.before - ITEMS_SHOWN_MAX, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A flow and the part of its history that is looked at. `at` is None for now."""

    flow: Flow
    at: int | None
    head: int
    sequence: int
    as_of: datetime
    waterfall: Waterfall
    shown: list[Envelope]
    step: str = ""
    attribute: str = ""
    event: Envelope | None = None
    items: int = 0
    children: list[Any] = field(default_factory=list)
    children_in_all: int = 0
    forks: list[Any] = field(default_factory=list)

    @property
    def is_now(self) -> bool:
        return self.at is None

    @property
    def before(self) -> int:
        """The event before the one that is shown last."""
        return max(self.sequence - 1, 1)

    @property
    def after(self) -> int | str:
        """The event after it; nothing is now."""
        return self.sequence + 1 if self.sequence + 1 < self.head else ""

    def address(self, **changes: Any) -> str:
        """Return the query of this page with something else picked."""
        asked: dict[str, Any] = {
            "at": self.at,
            "step": self.step,
            "attribute": self.attribute,
            "event": self.event.sequence if self.event else None,
            # Of the step that is picked: of another one it is another item.
            "items": None if "step" in changes else self.items,
        }
        wanted = {key: value for key, value in {**asked, **changes}.items() if value}
        return f"?{urlencode(wanted)}" if wanted else "?"


def page(flow_id: str, asked: dict[str, Any]) -> Page:
    """Read a flow for its page.

    :raises FlowUnknown: if it was never started.
    """
    stream = stream_of(flow_id)
    now = explain.reached(flow_id)
    at = asked["at"] if asked["at"] and asked["at"] < now.sequence else None
    found = now if at is None else explain.reached(flow_id, at=at)
    drawn = log.stream_events(stream, limit=min(found.sequence, EVENTS_DRAWN_MAX))
    shown = _window(flow_id, around=asked["event"] or at or now.sequence)
    event = next((one for one in shown if one.sequence == asked["event"]), None)
    axis = Axis(start=_started(now.flow), end=_end(now.flow))
    as_of = axis.end if at is None else _as_of(found.flow, shown, at)
    children = selectors.children_of(flow_id)
    is_all = len(children) < selectors.CHILDREN_SHOWN_MAX
    return Page(
        flow=found.flow,
        at=at,
        head=now.sequence,
        sequence=found.sequence,
        as_of=as_of,
        waterfall=Waterfall(
            found.flow,
            drawn,
            axis=axis,
            as_of=as_of,
            drawn_until=drawn[-1].emitted_at if len(drawn) < found.sequence else None,
        ),
        shown=shown,
        step=_step_of(found.flow, asked["step"], event),
        attribute=asked["attribute"] if asked["attribute"] in _names(found.flow) else "",
        event=event,
        items=asked["items"] or 0,
        children=children,
        children_in_all=len(children) if is_all else selectors.count_children(flow_id),
        forks=selectors.forks_of(flow_id),
    )


def context(shown: Page) -> dict[str, Any]:
    """Return what the template of the page shows."""
    flow = shown.flow
    waits = why_waiting.waiting(flow) if shown.is_now else None
    event = shown.event
    return {
        "page": shown,
        "flow": flow,
        "state": _state(flow),
        "graph": graph.of_flow(flow),
        "rows": shown.waterfall.rows(),
        "span": lasting(shown.waterfall.axis.length),
        "settled_after": lasting(settled_after(flow)),
        "no_goal_ran": flow.error == NO_GOAL_RAN,
        "lines": history.lines(
            shown.shown,
            start=shown.waterfall.axis.start,
            at=shown.at,
            event=event.sequence if event else None,
            step_id=shown.step,
        ),
        "moment": next((one for one in shown.shown if one.sequence == shown.sequence), None),
        "earlier": max(shown.shown[0].sequence or 1, 1) - 1 if shown.shown else 0,
        "later": shown.shown[-1].sequence if shown.shown else 0,
        "attributes": provenance.attributes(flow),
        "origins": provenance.origins(flow, shown.attribute) if shown.attribute else [],
        "picked": picked_step(shown) if shown.step else None,
        "waits": waits,
        "starter": _starter(flow.id),
        "asked_for": _pending(selectors.requests_of(flow)) if waits else None,
        "is_overdue": bool(waits and waits.next_at and waits.next_at < timezone.now()),
        "children": shown.children,
        "forks": shown.forks,
    }


def _starter(flow_id: str) -> str:
    """Return the name of who started a flow; empty if it is unknown."""
    written = str(selectors.starter_of(flow_id) or "")
    return people.names_of([written])[written] if written else ""


def _pending(requests: list[Requested]) -> Requested | None:
    """Return the request for approval that is open, and expires first."""
    waiting = (one for one in requests if one.status == why_waiting.PENDING)
    return min(waiting, key=lambda one: one.expires_at, default=None)


def picked_step(shown: Page) -> PickedStep:
    """Read what is shown of the step that is picked."""
    flow, step_id = shown.flow, shown.step
    execution = flow.executions[step_id]
    last_page = max(len(execution.order) - 1, 0) // ITEMS_SHOWN_MAX * ITEMS_SHOWN_MAX
    before = min(shown.items, last_page)
    numbered = _urgent_first(execution)[before : before + ITEMS_SHOWN_MAX]
    requests = selectors.requests_of(flow, step_id, tokens=[item.token for _, item in numbered])
    items = list(_item_rows(shown, numbered, {one.token: one for one in requests}))
    return PickedStep(
        id=step_id,
        execution=execution,
        state=step_state(flow, step_id),
        definition=flow.step(step_id).as_json(),
        # One more than are shown: it says that there are more.
        reason=explain.why_in(flow, step_id, at=shown.at, limit=CAUSES_SHOWN + 1),
        unsatisfied=explain.unsatisfied(flow, step_id),
        items=items,
        before=before,
        children=[child for child in shown.children if _parent_step(child.flow_id) == step_id],
        requests=requests,
    )


def _urgent_first(execution: Execution) -> list[tuple[int, WorkItem]]:
    """Return the items with their numbers: failed, then active, then in input order."""
    numbered = enumerate(execution.in_order(), 1)
    return sorted(numbered, key=lambda pair: (_FIRST.get(pair[1].status, 2), pair[0]))


def _item_rows(
    shown: Page, numbered: Iterable[tuple[int, WorkItem]], requests: Mapping[str, Requested]
) -> Iterable[ItemRow]:
    for index, item in numbered:
        yield ItemRow(
            index=index,
            item=item,
            bars=shown.waterfall.of_item(item.token),
            is_waiting=shown.flow.will_retry(shown.step, item),
            is_held=is_held(shown.flow, item),
            approval=requests.get(item.token),
        )


def _window(flow_id: str, *, around: int) -> list[Envelope]:
    """Return up to LINES events: the last ones until `around`, and some that follow."""
    head = explore.head_sequence(stream_of(flow_id))
    last = min(around + LINES // 4, head)
    return log.stream_events(stream_of(flow_id), after=max(last - LINES, 0), limit=LINES)


def _as_of(flow: Flow, shown: Iterable[Envelope], at: int) -> datetime:
    found = next((one.emitted_at for one in shown if one.sequence == at), None)
    return found or flow.last_updated or _started(flow)


def _started(flow: Flow) -> datetime:
    assert flow.created_at is not None, "a flow that is found was started"
    return flow.created_at


def settled_after(flow: Flow) -> timedelta | None:
    """Return how long a flow took to its outcome: it may end much later."""
    return flow.completed_at - _started(flow) if flow.completed_at is not None else None


def _end(flow: Flow) -> datetime:
    return flow.deactivated_at or timezone.now()


def _step_of(flow: Flow, asked: str, event: Envelope | None) -> str:
    step_id = event.data.get("step_id", "") if event is not None else asked
    return step_id if step_id in flow.plan.steps else ""


def _names(flow: Flow) -> set[str]:
    return {*flow.plan.attributes, *flow.attributes, *flow.plan.required}


def _parent_step(child_id: str) -> str:
    # `<flow>:<step>:<token>`; the id of the flow may itself be a child's.
    return child_id.rsplit(":", 2)[-2] if child_id.count(":") > 1 else ""


def _state(flow: Flow) -> str:
    if flow.is_paused:
        return "paused"
    if flow.is_undone:
        if not flow.is_over:
            return WorkStatus.COMPENSATING.value
        return "partly_undone" if flow.is_partly_undone else WorkStatus.COMPENSATED.value
    return flow.status.value
