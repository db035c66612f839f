"""The state of the installation in a few figures: only those that the visitor may see."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from commerce.domain.booking.state import Status
from commerce.domain.invoices import InvoiceStatus
from commerce.models import Booking, Invoice
from console.forms import START_STATES, in_state
from events import explore, selectors
from ledger import authority
from workflows.flows import selectors as flows
from workflows.flows.models import FlowStart
from workflows.work import selectors as work
from workflows.work.domain.life import LETTERS, WAITING, State

UNFINISHED = (
    State.READY,
    State.SCHEDULED,
    State.RETRY,
    State.LEASED,
    State.DEAD,
    State.POISONED,
)
MINUTES = 60
LAG_MAX_S = 5.0
BARS_HEIGHT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with its name. `key` is how scripts find it again."""

    key: str
    name: str
    value: str
    note: str = ""
    tone: str = ""
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """How many there are in each state, as links to the lists."""

    key: str
    name: str
    url: str
    counts: list[tuple[str, int]]


def figures(request: HttpRequest) -> list[Figure]:
    """Return the figures, each computed now."""
    now = timezone.now()
    return [figure for may_see, compute in _FIGURES if may_see(request) for figure in compute(now)]


def states(request: HttpRequest) -> list[States]:
    """Return the counts by state of unfinished jobs, flows, starts, bookings and invoices."""
    holder = authority.holder_of(request)
    found = []
    if holder.holds("job.read"):
        by_state = work.overview().by_state
        counts = [(state.value, by_state[state]) for state in UNFINISHED]
        found.append(States(key="job", name="Jobs", url=reverse("console:jobs"), counts=counts))
    if holder.holds("flow.read"):
        flows_by_status = list(flows.count_by_status().items())
        url = reverse("console:flows")
        found.append(States(key="flow", name="Flows", url=url, counts=flows_by_status))
        of_starts = [
            (state, in_state(FlowStart.objects.all(), state).count()) for state in START_STATES
        ]
        url = reverse("console:starts")
        found.append(States(key="start", name="Starts", url=url, counts=of_starts))
    for capability, key, name, rows, values in (
        ("booking.read", "booking", "Bookings", Booking.objects.all(), list(Status)),
        ("invoice.read", "invoice", "Invoices", Invoice.objects.all(), list(InvoiceStatus)),
    ):
        if holder.holds_somewhere(capability):
            visible = authority.visible(rows, request, capability)
            counts = _by_status(visible, values)
            found.append(States(key=key, name=name, url=reverse(f"console:{key}s"), counts=counts))
    return found


def pulse(request: HttpRequest) -> list[tuple[int, int, int]]:
    """Return the events of each of the last MINUTES as bars: minute, height, count."""
    if not authority.holds(request, "event.read"):
        return []
    counts = explore.per_minute(now=timezone.now(), minutes=MINUTES)
    top = max(*counts, 1)
    return [(minute, -(-count * BARS_HEIGHT // top), count) for minute, count in enumerate(counts)]


def _by_status(rows: QuerySet[Any], values: list[Any]) -> list[tuple[str, int]]:
    counts = dict(rows.order_by().values_list("status").annotate(Count("pk")))
    return [(str(value), counts.get(str(value), 0)) for value in values]


def _events(now: datetime) -> Iterator[Figure]:
    last_minute = explore.per_minute(now=now, minutes=1)[0]
    yield Figure(
        key="rate",
        name="Events in the last minute",
        value=f"{last_minute:,}",
        note=f"{selectors.head_position():,} in all",
        url=reverse("console:events"),
    )
    lag = explore.lag(now=now)
    is_late = lag.seconds > LAG_MAX_S
    yield Figure(
        key="lag",
        name="Sequencer",
        value=f"{lag.seconds:.1f} s" if lag.events else "caught up",
        note=_lag_note(lag.events, is_late=is_late),
        tone="bad" if is_late else "ok",
    )


def _work(now: datetime) -> Iterator[Figure]:
    found = work.overview()
    waiting = sum(found.by_state[state] for state in WAITING)
    yield Figure(
        key="waiting",
        name="Jobs waiting",
        value=f"{waiting:,}",
        note=f"{found.overdue:,} due, {found.by_state[State.LEASED]:,} running",
        url=reverse("console:jobs"),
    )
    letters = sum(found.by_state[state] for state in LETTERS)
    yield Figure(
        key="letters",
        name="Dead letters",
        value=f"{letters:,}",
        note="wait for a person" if letters else "nothing waits for you",
        tone="dead" if letters else "ok",
        url=f"{reverse('console:jobs')}?status=dead",
    )
    yield Figure(
        key="workers",
        name="Workers alive",
        value=str(found.workers_alive),
        note=_workers_note(found),
        tone="ok" if found.workers_alive else "bad",
    )


def _doctor(now: datetime) -> Iterator[Figure]:
    checkup = work.latest_checkup()
    url = reverse("console:doctor")
    if checkup is None:
        yield Figure(
            key="doctor",
            name="Doctor",
            value="not run yet",
            note="run it",
            tone="wait",
            url=url,
        )
        return
    ill = [id_ for id_, finding in checkup.findings.items() if finding["count"]]
    minutes = int((now - checkup.checked_at).total_seconds() // 60)
    yield Figure(
        key="doctor",
        name="Doctor",
        value="healthy" if checkup.is_healthy else f"{len(ill)} ill",
        note=f"asked {minutes} min ago" if minutes else "asked just now",
        tone="ok" if checkup.is_healthy else "bad",
        url=url,
    )


def _lag_note(events: int, *, is_late: bool) -> str:
    if is_late:
        return f"{events:,} without a position; is it running?"
    return f"{events:,} on their way" if events else "every event has its position"


def _workers_note(found: work.Overview) -> str:
    if found.workers_stale:
        return f"{found.workers_stale} fell silent"
    return "all of them lately" if found.workers_alive else "none was seen lately"


def _holders_of(capability: str) -> Callable[[HttpRequest], bool]:
    def may_see(request: HttpRequest) -> bool:
        return authority.holds(request, capability)

    return may_see


_FIGURES: tuple[
    tuple[Callable[[HttpRequest], bool], Callable[[datetime], Iterator[Figure]]], ...
] = (
    (_holders_of("event.read"), _events),
    (_holders_of("job.read"), _work),
    (_holders_of("system.health"), _doctor),
)
