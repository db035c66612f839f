"""The page of one step: its definition, its providers and consumers, and its editor."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from console.fields import JSON_BYTES_MAX
from console.flows import editor
from console.flows.editor import StepForm
from console.forms import ReasonForm
from console.notices import tell_refusal
from events.domain import strict_json
from events.domain.errors import DomainError
from ledger.access import authority
from workflows.flows import selectors, services
from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.step import Step, StepType
from workflows.flows.domain.step_json import strict_step_from_json
from workflows.flows.execution import approval_requests, engine
from workflows.flows.steps import callables


@authority.requires("step.read")
def detail(request: HttpRequest, step_id: str) -> HttpResponse:
    """Show a step."""
    return _page(request, _step(step_id))


@authority.requires("step.manage")
def new(request: HttpRequest) -> HttpResponseBase:
    """Register a step."""
    asked = request.GET.get("type", "")
    type_ = asked if asked in set(StepType) else StepType.SYNC.value
    return _edit(request, None, type_)


@authority.requires("step.manage")
def edit(request: HttpRequest, step_id: str) -> HttpResponseBase:
    """Change a step. What is under way keeps the definition it has."""
    known = _step(step_id)
    return _edit(request, known, known.type)


@authority.requires("step.manage")
@require_POST
def unregister(request: HttpRequest, step_id: str) -> HttpResponseBase:
    """Take a step out of the catalogue."""
    known = _step(step_id)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, known, form=form, status=400)
    try:
        services.unregister_step(step_id=step_id, reason=form.cleaned_data["reason"])
    except DomainError as refusal:
        tell_refusal(request, refusal)
        return _page(request, known, form=form, status=409)
    messages.success(request, f"{step_id} left the catalogue. Flows under way keep it.")
    return redirect("console:steps")


def _edit(request: HttpRequest, known: Step | None, type_: str) -> HttpResponseBase:
    if "document" in request.POST or request.GET.get("as") == "json":
        return _edit_json(request, known, type_)
    form = StepForm(request.POST or None, known=known, type_=type_)
    if request.method == "POST" and form.is_valid():
        done = _kept(request, known, form.document, form.refuse)
        if done is not None:
            return done
    return _editor(
        request, known, type_, form=form, is_refused=form.is_bound and not _is_good(form)
    )


def _edit_json(request: HttpRequest, known: Step | None, type_: str) -> HttpResponseBase:
    text = request.POST.get("document", editor.written(known, type_))
    refusals: list[DomainError] = []
    if request.method == "POST":
        done = _kept(
            request,
            known,
            lambda: strict_json.loads(text, bytes_max=JSON_BYTES_MAX),
            refusals.append,
        )
        if done is not None:
            return done
    return _editor(
        request, known, type_, document=text, refusals=refusals, is_refused=bool(refusals)
    )


def _kept(
    request: HttpRequest,
    known: Step | None,
    document: Callable[[], Any],
    refuse: Callable[[DomainError], None],
) -> HttpResponseBase | None:
    """Check or keep a definition; None if the editor has to be shown again."""
    try:
        step = strict_step_from_json(document())
        if known is not None and step.id != known.id:
            raise StepInvalid("the id is not that of the address", pointer="/id")
        if request.POST.get("do") == "check":
            services.check_step(step=step)
            messages.success(request, "The definition is good. Nothing was changed.")
            _warn(request, step)
            return None
        keep = services.register_step if known is None else services.update_step
        keep(step=step)
    except DomainError as refusal:
        refuse(refusal)
        return None
    messages.success(request, "Registered." if known is None else "Changed.")
    _warn(request, step)
    return redirect("console:step", step.id)


def _warn(request: HttpRequest, step: Step) -> None:
    if why := _why_not_ask(step):
        messages.warning(request, f"As things are it would fail: {why}.")
    if unknown := callables.unknown_of(step):
        names = ", ".join(unknown)
        messages.warning(request, f"Flows wait at it: no worker here has registered {names}.")


def _why_not_ask(step: Step) -> str:
    return approval_requests.why_not_ask(step) if step.type == StepType.APPROVAL else ""


def _is_good(form: StepForm) -> bool:
    return not form.errors and not any(form.attributes.errors)


def _editor(
    request: HttpRequest, known: Step | None, type_: str, *, is_refused: bool, **more: Any
) -> HttpResponse:
    context = {"step": known, "type": type_, "parts": editor.PARTS, **more}
    status = 400 if is_refused else 200
    return render(request, "console/steps/editor.html", context, status=status)


def _page(
    request: HttpRequest, step: Step, *, form: ReasonForm | None = None, status: int = 200
) -> HttpResponse:
    edges = engine.catalog().graph()
    context = {
        "step": step,
        "definition": step.as_json(),
        "health": selectors.health_of(step.id),
        "unaskable": _why_not_ask(step),
        "unregistered": callables.unknown_of(step),
        "nodes": [
            (node_id, engine.cluster().on(node_id, step.id))
            for node_id in sorted(engine.cluster().nodes)
        ],
        "takes": [(name, spec, edges[name]["providers"]) for name, spec in step.inputs()],
        "gives": [(name, spec, edges[name]["consumers"]) for name, spec in step.outputs()],
        "may_manage": authority.holds(request, "step.manage"),
        "may_see_flows": authority.holds(request, "flow.read"),
        "form": form or ReasonForm(),
    }
    return render(request, "console/steps/detail.html", context, status=status)


def _step(step_id: str) -> Step:
    step = engine.catalog().steps.get(step_id)
    if step is None:
        raise Http404
    return step
