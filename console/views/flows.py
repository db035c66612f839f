"""The list of flows: what is pursued, and what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse

from console.forms import FlowFilters
from console.views.events import pages
from ledger import authority
from workflows.flows import engine, selectors
from workflows.flows import listing as flows
from workflows.flows.domain.flow import FlowStatus

ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A status as a filter."""

    state: str
    url: str
    count: int | None
    is_current: bool


@authority.requires("flow.read")
def listing(request: HttpRequest) -> HttpResponse:
    """Show the newest flows that fit the filters, and go on live."""
    form = FlowFilters(request.GET)
    may_see_steps = authority.holds(request, "step.read")
    context: dict[str, Any] = {
        "form": form,
        "tabs": list(_tabs(request.GET)),
        "steps": sorted(engine.catalog().steps) if may_see_steps else [],
        "may_start": may_see_steps and authority.holds(request, "flow.start"),
    }
    if not form.is_valid():
        return render(request, "console/flows/list.html", context, status=400)
    found = list(form.narrowed(flows.roots())[: ROWS + 1])
    oldest = found[ROWS - 1].flow_id if len(found) > ROWS else None
    context |= {"flows": found[:ROWS], **pages(request.GET, oldest)}
    return render(request, "console/flows/list.html", context)


def _tabs(query: QueryDict) -> Iterator[Tab]:
    counts = selectors.count_by_status()
    current = query.get("status", "")
    yield Tab(state="", url=_tab_url(query, ""), count=None, is_current=not current)
    for status in FlowStatus:
        yield Tab(
            state=status.value,
            url=_tab_url(query, status.value),
            count=counts[status.value],
            is_current=current == status.value,
        )


def _tab_url(query: QueryDict, status: str) -> str:
    changed = query.copy()
    changed.pop("before", None)
    changed.pop("status", None)
    if status:
        changed["status"] = status
    address = reverse("console:flows")
    return f"{address}?{changed.urlencode()}" if changed else address
