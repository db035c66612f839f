"""The catalogue of steps: choose goals, see the plan, start a flow."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from console.access import demand
from console.flows.catalogue import Catalogue, catalogue
from console.flows.start import StartForm
from console.notices import tell_refusal
from events.domain.errors import DomainError
from ledger.access import authority
from workflows.flows import selectors, services


@authority.requires("step.read")
def show(request: HttpRequest) -> HttpResponse:
    """Show all steps by their attributes, and the plan for the goals of the address."""
    return _page(request, _chosen(request, request.GET))


@authority.requires("flow.start")
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest) -> HttpResponseBase:
    """Start a flow for the chosen goals with the values of the form, which is at another page."""
    demand(request, "step.read")  # A form that is refused is shown again, with the catalogue.
    if request.method != "POST":
        # Reads like the page to start a flow, and is in the address bar over a refused form.
        query = request.GET.urlencode()
        return redirect(f"{reverse('console:steps')}{'?' if query else ''}{query}")
    chosen = _chosen(request, request.POST)
    form = _form(chosen, request.POST)
    if form is None:
        messages.error(request, "Choose a goal first: each must be a step that is registered.")
        return redirect("console:steps")
    if form.is_valid():
        try:
            flow = services.start_flow(goals=chosen.goals, **form.asked())
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Started.")
            return redirect("console:flow", flow.id)
    return _page(request, chosen, form=form, status=400)


def _page(
    request: HttpRequest, chosen: Catalogue, *, form: StartForm | None = None, status: int = 200
) -> HttpResponse:
    may_start = authority.holds(request, "flow.start")
    context: dict[str, Any] = {
        "catalogue": chosen,
        "preview": chosen.preview,
        "graph": chosen.graph(),
        "rows": chosen.rows(),
        "attributes": chosen.attribute_rows(),
        "may_manage": authority.holds(request, "step.manage"),
        "may_start": may_start,
        "may_let_start": may_start and authority.holds(request, "flow_start.manage"),
        "form": form or (_form(chosen, None) if may_start else None),
    }
    return render(request, "console/steps/catalogue.html", context, status=status)


def _chosen(request: HttpRequest, query: QueryDict) -> Catalogue:
    goals, given = query.getlist("goal"), query.getlist("given")
    try:
        return catalogue(goals, given)
    except DomainError as refusal:
        tell_refusal(request, refusal)
        return catalogue([], given)


def _form(chosen: Catalogue, data: QueryDict | None) -> StartForm | None:
    if chosen.preview is None:
        return None
    return StartForm(
        data,
        plan=chosen.preview.plan,
        missing=chosen.preview.missing,
        given=chosen.given,
        flow_id=selectors.next_flow_id(chosen.goals[0]),
    )
