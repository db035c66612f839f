"""The list of flows."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from console import counting
from console.forms import FlowFilters
from console.paging import page_of
from console.tabs import Tab, tab_of
from ledger.access import authority
from workflows.flows.argyll import listing as flows
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.execution import engine

LIST = "console:flows"


@authority.requires("flow.read")
def listing(request: HttpRequest) -> HttpResponse:
    """Show the newest flows that match the filters, and update live."""
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
    found, links = page_of(request.GET, form.narrowed(flows.roots()), key="flow_id")
    context |= {"flows": found, **links}
    return render(request, "console/flows/list.html", context)


def _tabs(query: QueryDict) -> Iterator[Tab]:
    counts = counting.by_status(flows.roots(), FlowStatus)
    yield tab_of(LIST, query, "")
    for status in FlowStatus:
        yield tab_of(LIST, query, status.value, count=counting.shown(counts[status.value]))
