"""Starts of flows: the list, one start with its history, and its form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from zoneinfo import available_timezones

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from console import addresses
from console.flows.declare import DeclareForm
from console.forms import START_STATES, PageForm, ReasonForm, StartFilters, in_state
from console.notices import tell_refusal
from console.offers import Act, Offer, Refused, asked_of, offered
from console.paging import page_links, page_of
from console.tabs import Tab, tab_of
from events import catalogue, explore
from events.domain.errors import DomainError
from ledger.access import authority, people
from workflows.flows.execution import engine
from workflows.flows.models import FlowStart
from workflows.flows.triggers import occasions, starts
from workflows.flows.triggers.occasions import StartState
from workflows.work.domain.timing import is_place

LIST = "console:starts"
MANAGE = "flow_start.manage"
ROWS = 25
UNFINISHED_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One start in the list."""

    start: FlowStart
    current: StartState
    declarer: str


def _switch(name: str, asked: dict[str, Any], *, enabled: bool) -> None:
    starts.set_start_enabled(name=name, enabled=enabled, reason=asked["reason"])


ACTS = {
    act.name: act
    for act in (
        Act(
            name="enable",
            label="Switch on",
            capability=MANAGE,
            consequence="From the next slot or event on flows start again, in your name.",
            done="Switched on: flows start again, in your name.",
            form=ReasonForm,
            run=partial(_switch, enabled=True),
        ),
        Act(
            name="disable",
            label="Switch off",
            capability=MANAGE,
            consequence="It starts no more flows. Those that have started continue.",
            done="Switched off.",
            form=ReasonForm,
            run=partial(_switch, enabled=False),
        ),
        Act(
            name="remove",
            label="Remove",
            capability=MANAGE,
            consequence="The definition is deleted. Flows that it started continue.",
            done="Removed. Flows that it started continue.",
            form=ReasonForm,
            run=lambda name, asked: starts.remove_start(name=name, reason=asked["reason"]),
            is_danger=True,
        ),
    )
}


@authority.requires("flow.read")
def listing(request: HttpRequest) -> HttpResponse:
    """Show the starts that fit the filters, by name."""
    form = StartFilters(request.GET)
    context: dict[str, Any] = {
        "form": form,
        "tabs": list(_tabs(request.GET)),
        "steps": sorted(engine.catalog().steps),
        "events": _event_names(),
        "may_manage": authority.holds(request, MANAGE),
    }
    if not form.is_valid():
        return render(request, "console/starts/list.html", context, status=400)
    rows = form.narrowed(FlowStart.objects.all())
    found, links = page_of(request.GET, rows, key="name", size=ROWS)
    context |= {"rows": _rows(found), **links}
    return render(request, "console/starts/list.html", context)


@authority.requires("flow.read")
def detail(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show a start and, the newest first, what became of its occasions.

    The story of one that was removed is in its stream; the flows that it started lead here.
    """
    stream = starts.stream_of(name)
    is_gone = not FlowStart.objects.filter(name=name).exists()
    if is_gone and explore.last_of(stream, names=["flow_start.removed"]) is not None:
        return redirect(addresses.url_of(stream))
    return _page(request, _start(name))


@authority.requires(MANAGE)
def new(request: HttpRequest) -> HttpResponseBase:
    """Declare a start."""
    return _edit(request, None)


@authority.requires(MANAGE)
def edit(request: HttpRequest, name: str) -> HttpResponseBase:
    """Declare a start anew, in one's own name."""
    return _edit(request, _start(name))


def _act(act: Act, request: HttpRequest, name: str) -> HttpResponseBase:
    known = _start(name)
    form = asked_of(act, request.POST)
    if not form.is_valid():
        return _page(request, known, refused={act.name: form}, status=400)
    try:
        act.run(name, form.cleaned_data)
    except DomainError as refusal:
        tell_refusal(request, refusal)
        return _page(request, known, refused={act.name: form}, status=409)
    messages.success(request, act.done)
    return redirect(LIST) if act.name == "remove" else redirect("console:start", name)


enable, disable, remove = (
    authority.requires(MANAGE)(require_POST(partial(_act, act))) for act in ACTS.values()
)


def _edit(request: HttpRequest, known: FlowStart | None) -> HttpResponseBase:
    form = DeclareForm(request.POST or None, request.GET, known)
    if request.method == "POST" and form.is_valid():
        stated = form.stated()
        try:
            if request.POST.get("do") == "check":
                starts.check_start(**stated)
                messages.success(request, "The definition is good. Nothing was changed.")
            elif known is None and FlowStart.objects.filter(name=stated["name"]).exists():
                form.add_error("name", "There is a start of this name already.")
            else:
                starts.declare_start(expected_version=form.expected_version(), **stated)
                messages.success(request, "Declared." if known is None else "Declared anew.")
                return redirect("console:start", stated["name"])
        except DomainError as refusal:
            form.refuse(refusal)
    context = {
        "form": form,
        "start": known,
        "steps": sorted(engine.catalog().steps),
        "events": _event_names(),
        "zones": _zones(),
        "schema": _schema_of(str(form["event"].value() or "")),
    }
    status = 400 if form.errors else 200
    return render(request, "console/starts/form.html", context, status=status)


def _page(
    request: HttpRequest,
    start: FlowStart,
    *,
    refused: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    asked = PageForm(request.GET)
    if not asked.is_valid():
        raise Http404
    found = occasions.occasions(start.name, before=asked.cleaned_data["before"])
    declarers = {start.declared_by, *(line.by for line in found.lines if line.what == "declared")}
    context: dict[str, Any] = {
        "start": start,
        "current": occasions.start_states([start])[start.name],
        "names": people.names_of(declarers),
        "lines": found.lines,
        "unfinished": occasions.unfinished(start)[:UNFINISHED_SHOWN],
        "may_see_jobs": authority.holds(request, "job.read"),
        "slots": starts.slots_to_come(start),
        "offers": list(_offers(request, start, refused or {})),
        "may_manage": authority.holds(request, MANAGE),
        "stream": starts.stream_of(start.name),
        **page_links(request.GET, found.older),
    }
    return render(request, "console/starts/detail.html", context, status=status)


def _offers(request: HttpRequest, start: FlowStart, refused: Refused) -> Iterator[Offer]:
    if not authority.holds(request, MANAGE):
        return
    for what in ("disable" if start.enabled else "enable", "remove"):
        if what == "enable" and not authority.holds(request, "flow.start"):
            continue
        url = reverse(f"console:start-{what}", args=[start.name])
        yield offered(ACTS[what], url, refused)


def _rows(found: Sequence[FlowStart]) -> list[Row]:
    states = occasions.start_states(found)
    names = people.names_of(one.declared_by for one in found)
    return [
        Row(start=one, current=states[one.name], declarer=names[one.declared_by]) for one in found
    ]


def _tabs(query: QueryDict) -> Iterator[Tab]:
    yield tab_of(LIST, query, "")
    for state in START_STATES:
        yield tab_of(LIST, query, state, count=in_state(FlowStart.objects.all(), state).count())


@lru_cache(maxsize=1)
def _zones() -> list[str]:
    # A walk through some six hundred files.
    return sorted(zone for zone in available_timezones() if is_place(zone))


def _event_names() -> list[str]:
    return [each.name for each in catalogue.all_types() if "." in each.name]


def _schema_of(event: str) -> dict[str, Any] | None:
    return next((each.schema for each in catalogue.all_types() if each.name == event), None)


def _start(name: str) -> FlowStart:
    found = FlowStart.objects.filter(name=name).first()
    if found is None:
        raise Http404
    return found
