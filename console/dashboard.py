"""The key figures of the installation: only those that the visitor may see."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from commerce.domain.booking.state import Status
from commerce.domain.invoices import InvoiceStatus
from commerce.models import Booking, Invoice
from console import counting
from console.forms import START_STATES
from events import explore
from ledger.access import authority
from workflows.flows.argyll.listing import roots
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.models import FlowStart
from workflows.webhooks import selectors as webhooks
from workflows.webhooks.models import SubscriptionStatus
from workflows.work import selectors as work
from workflows.work.domain.life import DEAD_LETTERS, WAITING, State

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
_GIVEN_UP = (SubscriptionStatus.FAILING, SubscriptionStatus.GONE)


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
    counts: list[tuple[str, str]]
    """As they are shown: what only grows is counted up to a bound."""


class Dashboard:
    """What a visitor may know of the installation now. Each figure is queried at most once.

    `minutes`: how many minutes back events are counted; the figures need only the last one.
    """

    def __init__(self, request: HttpRequest, *, minutes: int = 1) -> None:
        self.now = timezone.now()
        self._request = request
        self._caller = authority.caller_of(request)
        self._minutes = minutes

    def figures(self) -> list[Figure]:
        """Return the figures."""
        return [
            figure
            for capability, compute in _FIGURES.items()
            if self._caller.holds(capability)
            for figure in compute(self)
        ]

    def may(self, capability: str) -> bool:
        """Return whether the visitor holds `capability`."""
        return self._caller.holds(capability)

    def states(self) -> list[States]:
        """Return the counts by state of unfinished jobs, flows, starts, bookings and invoices."""
        found = []
        if self._caller.holds("job.read"):
            by_state = self.jobs.by_state
            exact = {state.value: f"{by_state[state]:,}" for state in UNFINISHED}
            found.append(_states("job", "Jobs", exact))
        if self._caller.holds("flow.read"):
            found.append(_states("flow", "Flows", _counted(roots(), FlowStatus)))
            found.append(_states("start", "Starts", _count_starts()))
        for capability, key, name, rows, values in (
            ("booking.read", "booking", "Bookings", Booking.objects.all(), list(Status)),
            ("invoice.read", "invoice", "Invoices", Invoice.objects.all(), list(InvoiceStatus)),
        ):
            if self._caller.holds_somewhere(capability):
                visible = authority.visible(rows, self._request, capability)
                found.append(_states(key, name, _counted(visible, values)))
        return found

    def pulse(self) -> list[tuple[int, int, int]]:
        """Return the events of each of the last minutes as bars: minute, height, count."""
        if not self._caller.holds("event.read"):
            return []
        top = max(*self.per_minute, 1)
        return [
            (minute, -(-count * BARS_HEIGHT // top), count)
            for minute, count in enumerate(self.per_minute)
        ]

    @cached_property
    def per_minute(self) -> list[int]:
        return explore.per_minute(now=self.now, minutes=self._minutes)

    @cached_property
    def jobs(self) -> work.Overview:
        return work.overview()


def _states(key: str, name: str, counts: dict[str, str]) -> States:
    return States(key=key, name=name, url=reverse(f"console:{key}s"), counts=list(counts.items()))


def _count_starts() -> dict[str, str]:
    counts = {state: Count("pk", filter=is_so) for state, is_so in START_STATES.items()}
    return {state: f"{n:,}" for state, n in FlowStart.objects.aggregate(**counts).items()}


def _counted(rows: QuerySet[Any], states: Iterable[Any]) -> dict[str, str]:
    counts = counting.by_status(rows, states)
    return {state: counting.shown(count) for state, count in counts.items()}


def _events(current: Dashboard) -> Iterator[Figure]:
    lag = explore.lag()
    yield Figure(
        key="rate",
        name="Events in the last minute",
        value=f"{current.per_minute[-1]:,}",
        note=f"{lag.head:,} in all",
        url=reverse("console:events"),
    )
    is_late = lag.seconds > LAG_MAX_S
    yield Figure(
        key="lag",
        name="Sequencer",
        value=f"{lag.seconds:.1f} s" if lag.events else "caught up",
        note=_lag_note(lag.events, is_late=is_late),
        tone="bad" if is_late else "ok",
    )


def _work(current: Dashboard) -> Iterator[Figure]:
    found = current.jobs
    waiting = sum(found.by_state[state] for state in WAITING)
    yield Figure(
        key="waiting",
        name="Jobs waiting",
        value=f"{waiting:,}",
        note=f"{found.overdue:,} due, {found.by_state[State.LEASED]:,} running",
        url=reverse("console:jobs"),
    )
    letters = sum(found.by_state[state] for state in DEAD_LETTERS)
    yield Figure(
        key="letters",
        name="Dead letters",
        value=f"{letters:,}",
        note="waiting for a decision" if letters else "nothing to decide",
        tone="dead" if letters else "ok",
        url=f"{reverse('console:jobs')}?status=dead",
    )
    yield Figure(
        key="workers",
        name="Workers alive",
        value=str(found.workers_alive),
        note=_workers_note(found),
        tone="bad" if found.unheard else "ok",
    )


def _doctor(current: Dashboard) -> Iterator[Figure]:
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
    minutes = int((current.now - checkup.checked_at).total_seconds() // 60)
    yield Figure(
        key="doctor",
        name="Doctor",
        value="healthy" if checkup.is_healthy else f"{len(ill)} failing",
        note=f"checked {minutes} min ago" if minutes else "checked just now",
        tone="ok" if checkup.is_healthy else "bad",
        url=url,
    )


def _webhooks(current: Dashboard) -> Iterator[Figure]:
    counts = webhooks.count_by_standing()
    # Paused is what somebody decided; these two Daybook switched off by itself.
    given_up = [each for each in _GIVEN_UP if counts[each]]
    number = sum(counts[each] for each in given_up)
    url = reverse("console:webhooks")
    yield Figure(
        key="webhooks",
        name="Webhooks switched off",
        value=f"{number:,}",
        note=_webhooks_note(number, current) if any(counts.values()) else "there is no receiver",
        tone="bad" if number else "ok",
        url=f"{url}?status={given_up[0]}" if len(given_up) == 1 else url,
    )


def _lag_note(events: int, *, is_late: bool) -> str:
    if is_late:
        return f"{events:,} without a position; is it running?"
    return f"{events:,} on their way" if events else "every event has its position"


def _webhooks_note(number: int, current: Dashboard) -> str:
    if not number:
        return "every receiver answers"
    if current.may("webhook.manage"):
        return "mend the receiver, then “Send messages again”"
    return "who may manage webhooks can enable them again"


def _workers_note(found: work.Overview) -> str:
    if found.workers_alive and found.unheard:
        return f"none takes from {', '.join(found.unheard)}"
    if found.workers_stale:
        return f"{found.workers_stale} stopped responding"
    return "all of them lately" if found.workers_alive else "none was seen lately"


_FIGURES: dict[str, Callable[[Dashboard], Iterator[Figure]]] = {
    "event.read": _events,
    "job.read": _work,
    "system.health": _doctor,
    "webhook.read": _webhooks,
}
