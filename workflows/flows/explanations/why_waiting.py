"""Says why a flow does not go on at this moment, in a sentence, and when something of it is due."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import F, QuerySet
from django.utils import timezone

from events import explore
from events.domain.event_filter import EventFilter
from ledger.domain.approval import ApprovalStatus
from workflows.flows import conf, selectors
from workflows.flows.domain import ids
from workflows.flows.domain import inputs as given
from workflows.flows.domain.flow import (
    PARENT,
    Execution,
    Flow,
    StepStatus,
    WorkItem,
    WorkStatus,
)
from workflows.flows.domain.step import StepType, WorkConfig
from workflows.flows.execution import engine
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.languages.in_place import InPlace
from workflows.flows.models import AwaitedApproval, AwaitedCallback, AwaitedEvent
from workflows.flows.steps import callables
from workflows.work import selectors as work
from workflows.work.domain.life import ABANDONED, DEAD_LETTERS, OPEN, State
from workflows.work.models import Work
from workflows.work.queue import SUBJECT_CHARS_MAX

CHILDREN_ASKED_MAX = 20
"""How many child flows of a step are asked what they wait for."""
ROWS_LOOKED_AT_MAX = 50
"""Among how many rows of work the next is looked for."""
PENDING = ApprovalStatus.PENDING.value
_PAUSED = EventFilter(("flow_paused",))
_AT_ITS_CHILD = frozenset({WorkStatus.ACTIVE, WorkStatus.COMPENSATING})
_UNDONE_OR_NOT = (
    WorkStatus.COMPENSATING,
    WorkStatus.COMPENSATED,
    WorkStatus.COMPENSATION_FAILED,
)
_GIVEN_UP = DEAD_LETTERS | ABANDONED
_ON_THE_LIST = OPEN - {State.LEASED}
_HELD_BY_A_PAUSE = ("flow.invoke", "flow.look")
"""The rows that begin something: a retry, a step whose deadline passes. Timers go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a flow waits for, in a sentence; `next_at` is when something of it is due."""

    sentence: str
    next_at: datetime | None = None


def waiting(flow: Flow) -> Waiting | None:
    """Say why a flow waits at this moment; None if it has ended.

    `next_at` is when something of it or of its child flows is due, or an approval expires.
    Work that somebody is at is not: it ends when it ends. Nor is what a pause holds.
    """
    if flow.is_over:
        return None
    rows = work.jobs().filter(subject=_subject(flow), status__in=_ON_THE_LIST)
    if flow.is_paused:
        rows = rows.exclude(kind__in=_HELD_BY_A_PAUSE)
    due = [row.due_at for row in islice(_not_superseded(flow, rows.order_by("due_at")), 1)]
    asked = (one.expires_at for one in selectors.requests_of(flow) if one.status == PENDING)
    children = (waits.next_at for child in _children_waited_for(flow) if (waits := waiting(child)))
    times = [at for at in (*due, *asked, *children) if at is not None]
    return Waiting(sentence=_sentence(flow), next_at=min(times, default=None))


def _not_superseded(flow: Flow, rows: QuerySet[Work]) -> Iterator[Work]:
    """Yield rows in their order, but for those of a try that somebody did not wait for: a row
    stays on the list until it is due, and then does nothing."""
    for row in rows[:ROWS_LOOKED_AT_MAX]:
        asked = json.loads(row.input or "{}")
        retry = asked.get("retry")
        item = (
            flow.executions[asked["step_id"]].items[asked["token"]] if retry is not None else None
        )
        if item is None or not item.has_begun_otherwise(retry, is_taken_first=row.attempt == 0):
            yield row


def _sentence(flow: Flow) -> str:
    if flow.is_paused:
        resume = f"somebody has to resume it{_before_timeout(flow)}"
        return f"It is paused{_since_when(flow)}; {resume}{_of_unpaused(flow)}."
    at_work = [
        (step_id, item)
        for step_id, execution in flow.executions.items()
        if (item := next(_open_items(flow, step_id, execution), None)) is not None
    ]
    if at_work:
        more = f" (and {len(at_work) - 1} more)" if len(at_work) > 1 else ""
        return f"{_of_step(flow, *at_work[0])}{more}{_of_deadlines(flow)}{_of_timeout(flow)}."
    if flow.is_held:
        return f"It has completed; it ends once {flow.metadata[PARENT]} cannot have it undone."
    if flow.open_children:
        return f"It has {flow.status.value}; its child flows end before it."
    if flow.is_terminal:
        return f"It has {flow.status.value}; what it leaves behind is being put away."
    pending = [_lacks(flow, step_id) for step_id in flow.pending_steps()]
    return next(iter(pending), "It is about to continue.")


def _since_when(flow: Flow) -> str:
    paused = explore.picked(stream_of(flow.id), [_PAUSED], limit=1, latest_first=True)
    return f" since {_written(paused[0].emitted_at)}" if paused else ""


def _of_unpaused(flow: Flow) -> str:
    """Return what a child flow does meanwhile: no pause of its parent reaches it."""
    for step in flow.plan.nesting:
        for item in flow.executions[step.id].in_order():
            child = _child_of(flow, step.id, item) if item.status is WorkStatus.ACTIVE else None
            if child is not None:
                return f"; the child flow of step {step.id} goes on{_of_child(child)}"
    return ""


def _of_timeout(flow: Flow) -> str:
    at = None if flow.is_terminal else _times_out_at(flow)
    return f"; the flow times out at {_written(at)}" if at else ""


def _before_timeout(flow: Flow) -> str:
    at = _times_out_at(flow)
    return f" before it times out at {_written(at)}" if at else ""


def _times_out_at(flow: Flow) -> datetime | None:
    timeout_ms = flow.options.get("timeout_ms")
    if not timeout_ms or flow.created_at is None:
        return None
    return flow.created_at + timedelta(milliseconds=timeout_ms)


def _open_items(flow: Flow, step_id: str, execution: Execution) -> Iterator[WorkItem]:
    """Yield the items of a step that something is to happen to, in input order."""
    for item in execution.in_order():
        match item.status:
            case WorkStatus.ACTIVE | WorkStatus.COMPENSATING:
                yield item
            case WorkStatus.PENDING if flow.will_try_again(step_id, item):
                yield item
            case WorkStatus.PENDING if execution.status == StepStatus.ACTIVE and item.is_fresh:
                if not execution.count(WorkStatus.ACTIVE):
                    yield item


def _of_step(flow: Flow, step_id: str, item: WorkItem) -> str:
    """Return what a step waits for with `item`, its first open one."""
    sentence, execution = _of_item(flow, step_id, item), flow.executions[step_id]
    if item.status == WorkStatus.COMPENSATING:
        total, left = execution.count(*_UNDONE_OR_NOT), execution.count(WorkStatus.COMPENSATING)
        what = "undone"
    else:
        total = len(execution.order)
        left, what = execution.count(WorkStatus.ACTIVE, WorkStatus.PENDING), "done"
    return sentence if total == 1 else f"{sentence}; {total - left} of {total} items are {what}"


def _of_item(flow: Flow, step_id: str, item: WorkItem) -> str:
    if item.status == WorkStatus.ACTIVE:
        return _of_active(flow, step_id, item)
    if item.status == WorkStatus.COMPENSATING:
        return _of_compensating(flow, step_id, item)
    if item.next_retry_at is None:
        return f"Step {step_id} {_of_next_items(flow, step_id)}"
    if item.next_retry_at <= timezone.now() and not engine.is_healthy(step_id):
        return f"Step {step_id} waits for a healthy worker to be tried again"
    at, error = _written(item.next_retry_at), in_one_line(item.error)
    return f"Step {step_id} is tried again at {at}, {_of_retries(flow, step_id, item)}: {error}"


def _of_next_items(flow: Flow, step_id: str) -> str:
    """Return what items wait for that may begin: of a long list each look begins only some."""
    if not engine.is_healthy(step_id):
        return f"waits for a healthy worker{_of_health(step_id)}"
    looks = work.jobs().filter(subject=_subject(flow), kind="flow.look", status__in=OPEN)
    look = looks.order_by("due_at").first()
    return "is about to continue" if look is None else _of_job(look)


def _of_retries(flow: Flow, step_id: str, item: WorkItem) -> str:
    """Return which retry comes next, and of how many: below zero there is no limit."""
    config = (flow.step(step_id).work_config or WorkConfig()).merged(conf.current().retry)
    of_all = f" of {config.max_retries}" if config.max_retries >= 0 else ""
    return f"retry {item.retry_count}{of_all}"


def _of_health(step_id: str) -> str:
    error = selectors.health_of(step_id).error
    return f": {in_one_line(error)}" if error else ""


def _of_active(flow: Flow, step_id: str, item: WorkItem) -> str:
    job = _job_of(flow, item)
    if job is not None and job.status in _GIVEN_UP:
        return f"Step {step_id} was given up: {_for_somebody(job)}"
    until = _until(job)
    awaited = AwaitedEvent.objects.filter(token=item.token).first()
    if awaited is not None:
        return f"Step {step_id} waits for the event {awaited.event_name}{until}"
    if AwaitedApproval.objects.filter(token=item.token).exists():
        return (
            f"Step {step_id} waits for somebody to approve{_until_it_expires(flow, step_id, item)}"
        )
    called = AwaitedCallback.objects.filter(token=item.token).first()
    if called is not None:
        was_called = f"Step {step_id} was called at {_written(called.since)}"
        if not flow.is_terminal:
            return f"{was_called} and will call back{until}"
        skip_it = f"skip step {step_id} of flow {flow.id} to wait no longer"
        return f"{was_called} and may still call back{until}; {skip_it}"
    return f"Step {step_id} {_of_work(flow, step_id, item, job)}"


def _until(job: Work | None) -> str:
    if job is None or job.status != State.SCHEDULED:
        return ""
    return _at_most_until(job.due_at)


def _until_it_expires(flow: Flow, step_id: str, item: WorkItem) -> str:
    asked = selectors.requests_of(flow, step_id, tokens=[item.token])
    return next((_at_most_until(one.expires_at) for one in asked), "")


def _of_deadlines(flow: Flow) -> str:
    """Return which pending step goes on without an optional input first; empty if none will."""
    waits = [] if flow.is_terminal else given.optional_waits(flow, InPlace(), now=timezone.now())
    for step_id, name, until in sorted(waits, key=lambda wait: wait[2])[:1]:
        return f"; step {step_id} waits for {name}{_at_most_until(until)}"
    return ""


def _at_most_until(at: datetime) -> str:
    return f", at most until {_written(at)}"


def _of_work(flow: Flow, step_id: str, item: WorkItem, job: Work | None) -> str:
    """Return what happens to an item that a worker is to take, has taken or has lost."""
    step = flow.step(step_id)
    child = _child_of(flow, step_id, item) if step.type == StepType.FLOW else None
    if child is not None:
        return f"waits for its child flow{_of_child(child)}"
    if step.type == StepType.PYTHON and (name := callables.name_of(step)) not in callables.names():
        return f"waits for a worker that has the function {name}; here is none"
    if step.type == StepType.WAIT and job is not None and job.status == State.SCHEDULED:
        return f"waits until {_written(job.due_at)}"
    return "is being worked on" if job is None else _of_job(job)


def _of_job(job: Work) -> str:
    match job:
        case Work(status=State.LEASED, lease_until=until) if until and until <= timezone.now():
            return f"was being worked on by {job.leased_by}, which is lost; another takes over"
        case Work(status=State.LEASED):
            return f"is being worked on by {job.leased_by}"
        case Work(status=State.RETRY):
            error = in_one_line(job.last_error)
            if job.due_at <= timezone.now():
                return f"waits for a free worker to take it up again: {error}"
            return f"is taken up again at {_written(job.due_at)}: {error}"
        case Work(status=State.SCHEDULED):
            return f"is taken up again at {_written(job.due_at)}"
        case _:
            return "waits for a free worker"


def _job_of(flow: Flow, item: WorkItem) -> Work | None:
    """Return the row of work that is to move an item, None if there is none."""
    rows = work.jobs().about(subject=_subject(flow)).filter(status__in=OPEN | _GIVEN_UP)
    open_first = F("finished_at").asc(nulls_first=True)
    rows = rows.filter(input__contains=item.token).order_by(open_first, "due_at")
    return next(_not_superseded(flow, rows), None)


def _for_somebody(job: Work) -> str:
    what = "is a dead letter" if job.status in DEAD_LETTERS else f"was {job.status}"
    return f"job {job.pk} {what}, for somebody to retry"


def _subject(flow: Flow) -> str:
    return f"flow/{flow.id}"[:SUBJECT_CHARS_MAX]


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _of_compensating(flow: Flow, step_id: str, item: WorkItem) -> str:
    sentence, job = f"What step {step_id} did is being undone", _job_of(flow, item)
    if job is not None and job.status in _GIVEN_UP:
        return f"{sentence}; that was given up: {_for_somebody(job)}"
    if (name := callables.undoing_of(flow.step(step_id))) and name not in callables.names():
        return f"{sentence} by a worker that has the function {name}; here is none"
    if flow.step(step_id).flow_goals is not None:
        return f"{sentence}{_of_child(_child_of(flow, step_id, item))}"
    if item.next_retry_at is None:
        return sentence
    if item.next_retry_at <= timezone.now() and not engine.is_healthy(step_id):
        return f"{sentence}, again once a worker is healthy"
    at, error = _written(item.next_retry_at), in_one_line(item.error)
    return f"{sentence}, again at {at}, {_of_retries(flow, step_id, item)}: {error}"


def _of_child(child: Flow | None) -> str:
    if child is None or child.is_over:
        return ""
    why = _sentence(child).rstrip(".")
    return f": {why[:1].lower()}{why[1:]}"


def _children_waited_for(flow: Flow) -> Iterator[Flow]:
    for step_id, execution in flow.executions.items():
        if flow.step(step_id).flow_goals is None:
            continue
        active = (one for one in execution.in_order() if one.status in _AT_ITS_CHILD)
        for item in islice(active, CHILDREN_ASKED_MAX):
            child = _child_of(flow, step_id, item)
            if child is not None:
                yield child


def _child_of(flow: Flow, step_id: str, item: WorkItem) -> Flow | None:
    return engine.flow(ids.child_flow_id(parent=flow.id, step=step_id, token=item.token))


def in_one_line(error: str) -> str:
    """Write an error of several lines in one, without the full stop that a sentence gives it."""
    return ": ".join(line.rstrip(".") for line in error.split("\n") if line)


def _lacks(flow: Flow, step_id: str) -> str:
    names = [name for name, _ in flow.step(step_id).inputs() if not flow.values(name)]
    if not names:
        return f"Step {step_id} is about to start."
    return f"Step {step_id} waits for {', '.join(names)}."
