"""The page of one flow: state, history, what it waits for, and actions on it."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from console.flows import offers
from console.flows.fork import ForkForm
from console.flows.page import Look, Page, context, page
from console.notices import tell_refusal
from console.offers import Act, Refused, asked_of
from events.domain.errors import DomainError
from events.domain.streams import StreamMalformed, StreamTooLong
from ledger.access import authority
from workflows.flows import services
from workflows.flows.domain.errors import FlowUnknown
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.value_types import OutputsInvalid
from workflows.flows.explanations import explain


@authority.requires("flow.read")
def detail(request: HttpRequest, flow_id: str) -> HttpResponse:
    """Show a flow as it is, or `?at=` an event as it was, with one thing picked."""
    return _shown(request, _page(flow_id, request.GET))


@authority.requires("flow.fork")
def fork(request: HttpRequest, flow_id: str) -> HttpResponseBase:
    """Ask from which step and with which inputs to begin anew, and do it."""
    original = _flow(flow_id)
    form = ForkForm(request.POST or None, original=original, from_step=request.GET.get("from", ""))
    if request.method == "POST" and form.is_valid():
        try:
            forked = services.fork_flow(flow_id=flow_id, **form.asked())
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Forked. This is the new flow; the original stays as it is.")
            return redirect("console:flow", forked.id)
    status = 400 if form.is_bound else 200
    shown = {"form": form, "flow": original}
    return render(request, "console/flows/fork.html", shown, status=status)


def _on_flow(act: Act, request: HttpRequest, flow_id: str) -> HttpResponseBase:
    form = asked_of(act, request.POST)
    if not form.is_valid():
        return _shown(request, _page(flow_id, {}), on_flow={act.name: form}, status=400)
    if not _is_done(request, act, flow_id, form.cleaned_data):
        return _shown(request, _page(flow_id, {}), on_flow={act.name: form}, status=409)
    return redirect("console:flow", flow_id)


def _on_step(act: Act, request: HttpRequest, flow_id: str, step_id: str) -> HttpResponseBase:
    form = asked_of(act, request.POST)
    if not form.is_valid():
        shown = _page(flow_id, {"step": step_id})
        return _shown(request, shown, on_step={act.name: form}, status=400)
    try:
        is_done = _is_done(request, act, flow_id, step_id, form.cleaned_data)
    except OutputsInvalid as refusal:
        form.add_error("outputs", str(refusal))
        shown = _page(flow_id, {"step": step_id})
        return _shown(request, shown, on_step={act.name: form}, status=400)
    if not is_done:
        shown = _page(flow_id, {"step": step_id})
        return _shown(request, shown, on_step={act.name: form}, status=409)
    return redirect(f"{reverse('console:flow', args=[flow_id])}?{urlencode({'step': step_id})}")


pause, resume, cancel = (
    authority.requires(act.capability)(require_POST(partial(_on_flow, act)))
    for act in offers.FLOW_ACTS.values()
)
skip, force, retry = (
    authority.requires(act.capability)(require_POST(partial(_on_step, act)))
    for act in offers.STEP_ACTS.values()
)


def _is_done(request: HttpRequest, act: Act, *asked: Any) -> bool:
    try:
        act.run(*asked)
    except OutputsInvalid:
        raise
    except DomainError as refusal:
        tell_refusal(request, refusal)
        return False
    messages.success(request, act.done)
    return True


def _shown(
    request: HttpRequest,
    shown: Page,
    *,
    on_flow: Refused | None = None,
    on_step: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    found = context(shown)
    if shown.is_now:
        # What is done is done to the flow of now; the past has no handles.
        found["offers"] = list(offers.on_flow(request, shown.flow, on_flow))
        if shown.step:
            found["step_offers"] = list(offers.on_step(request, shown.flow, shown.step, on_step))
    found["may_fork"] = authority.holds(request, "flow.fork")
    return render(request, "console/flows/detail.html", found, status=status)


_UNKNOWN = (FlowUnknown, StreamMalformed, StreamTooLong)
"""What names no stream names no flow."""


def _page(flow_id: str, query: Any) -> Page:
    look = Look(query)
    if not look.is_valid():
        raise Http404
    try:
        return page(flow_id, look.cleaned_data)
    except _UNKNOWN as unknown:
        raise Http404 from unknown


def _flow(flow_id: str) -> Flow:
    try:
        return explain.reached(flow_id).flow
    except _UNKNOWN as unknown:
        raise Http404 from unknown
