"""The HTTP API of Argyll, for its clients: its JSON, messages and status codes.

Without a credential only under `up --open-engine`; else with an API key that holds the
capability. Errors are `{"error", "status"}` here, problem documents everywhere else.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from events import context
from events.domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    NotFound,
    PreconditionFailed,
    Throttled,
    Unavailable,
)
from events.domain.principal import Principal, PrincipalKind
from ledger import recording
from ledger.access import authority, credentials
from ledger.privacy import disclosing
from workflows.flows import engine, listing, selectors, services
from workflows.flows.api import bodies, readable
from workflows.flows.domain import digits, ids, shapes
from workflows.flows.domain.catalog import catalog_as_json
from workflows.flows.domain.errors import FlowUnknown, PlanCircular, StepInvalid, StepUnknown
from workflows.flows.domain.step import Step
from workflows.flows.domain.step_json import STEP_SHAPE, beyond_argyll_unnamed, step_from_json
from workflows.flows.domain.times import written
from workflows.flows.domain.view import flow_as_json
from workflows.flows.domain.work_items import TooManyItems
from workflows.flows.listing import RECENT_ASC, RECENT_DESC, Query

View = Callable[..., HttpResponse]
ANYBODY = Principal(kind=PrincipalKind.SYSTEM, id="open-engine")
_AS_THERE = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
JSON_TYPE = "application/json; charset=utf-8"
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
}


def answer(document: Any, status: int = HTTPStatus.OK) -> HttpResponse:
    """Return JSON with sorted keys, as the original sends it."""
    body = orjson.dumps(document, option=_AS_THERE)
    if digits.has_exponents(body):
        body = orjson.dumps(digits.in_digits(document), option=_AS_THERE)
    return HttpResponse(body, status=status, content_type=JSON_TYPE)


def error(message: str, status: int) -> HttpResponse:
    return answer({"error": message, "status": status}, status)


def methods(**views: View) -> View:
    """Make one Django view of a view per method. An unknown method is not found, as there."""

    @csrf_exempt  # No cookie counts here, so there is nothing that a form could ride on.
    def view(request: HttpRequest, **parts: str) -> HttpResponse:
        if request.method == "OPTIONS":
            return empty()
        chosen = views.get(str(request.method))
        return with_cors(chosen(request, **parts) if chosen else not_found())

    view.capabilities = {name.lower(): _demanded(one) for name, one in views.items()}  # type: ignore[attr-defined]
    return view


def with_cors(response: HttpResponse) -> HttpResponse:
    """Let pages of any origin read an answer, as the original does."""
    for name, value in CORS.items():
        response[name] = value
    return response


def empty() -> HttpResponse:
    """Return 200 without a body, and so without a type of one."""
    response = HttpResponse(status=HTTPStatus.OK)
    del response["Content-Type"]
    return with_cors(response)


def not_found() -> HttpResponse:
    return HttpResponse(
        "404 page not found", status=HTTPStatus.NOT_FOUND, content_type="text/plain"
    )


def no_such_route(request: HttpRequest) -> HttpResponse:
    return empty() if request.method == "OPTIONS" else with_cors(not_found())


@csrf_exempt
@authority.public
def unknown(request: HttpRequest, **_parts: str) -> HttpResponse:
    """Answer for an address that the original does not know either."""
    return no_such_route(request)


@csrf_exempt
@authority.public
def no_upgrade(request: HttpRequest) -> HttpResponse:
    """Refuse plain HTTP where a WebSocket is served."""
    if request.method != "GET":
        return no_such_route(request)
    refusal = HttpResponse(
        "Bad Request\n", status=HTTPStatus.BAD_REQUEST, content_type="text/plain; charset=utf-8"
    )
    refusal["Sec-WebSocket-Version"] = "13"
    return with_cors(refusal)


def _demanded(view: View) -> str:
    return str(view.capability)  # type: ignore[attr-defined]


def demands(capability: str) -> Callable[[View], View]:
    """Let in who holds `capability`, and turn refusals into the original's answers."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **parts: str) -> HttpResponse:
            try:
                caller = _caller_of(request)
                who = caller.principal if caller else ANYBODY
                with context.acting(who, origin=context.current().origin):
                    if caller:
                        request.daybook_is_private = caller.is_agent  # type: ignore[attr-defined]
                        _admit(caller, capability)
                    return view(request, **parts)
            except DomainError as refusal:
                return error(_message(refusal), _status(refusal))

        guarded.capability = capability  # type: ignore[attr-defined]
        return guarded

    return guard


class NotAdmitted(Forbidden):
    code = "engine_access_denied"
    hint = "Use an API key that holds the capability."

    def __init__(self, capability: str) -> None:
        super().__init__(f"this needs {capability}", capability=capability)


def _caller_of(request: HttpRequest) -> authority.Caller | None:
    if settings.OPEN_ENGINE:
        return None
    caller = authority.bearer(request.headers.get("Authorization", ""))
    if caller.user is None:
        raise credentials.CredentialRefused
    return caller


def _admit(caller: authority.Caller, capability: str) -> None:
    if not caller.holds(capability):
        why = NotAdmitted(capability)
        recording.record_denial(capability, target_id="", why=why)
        raise why
    if caller.is_agent and capability.endswith(".read"):
        # What it changes has entries of its own.
        disclosing.note_read(capability)


_STATUS: dict[type[DomainError], HTTPStatus] = {
    credentials.CredentialRefused: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.CONFLICT,
    Throttled: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


_TROUBLE: dict[type[DomainError], str] = {
    PlanCircular: "failed to create execution plan",
    TooManyItems: "failed to start flow",
}
"""What the original blames on itself, although the request is to blame: its clients expect it."""


def _status(refusal: DomainError) -> int:
    if type(refusal) in _TROUBLE:
        return HTTPStatus.INTERNAL_SERVER_ERROR
    found = (status for family, status in _STATUS.items() if isinstance(refusal, family))
    return next(found, HTTPStatus.BAD_REQUEST)


def _message(refusal: DomainError) -> str:
    if isinstance(refusal, StepInvalid):
        return f"invalid step\n{refusal}"
    trouble = _TROUBLE.get(type(refusal))
    return f"{trouble}: {refusal}" if trouble else str(refusal)


# --- health, state ------------------------------------------------------------------------


@demands("step.read")
def _whole_engine(_request: HttpRequest) -> HttpResponse:
    catalog, cluster = engine.catalog(), engine.cluster()
    times = [at for at in (catalog.last_updated, cluster.last_updated) if at is not None]
    nodes = selectors.cluster_document(cluster, list(catalog.steps))["nodes"]
    return answer(
        {
            "attributes": catalog.graph(),
            "health": nodes,
            "last_updated": written(max(times, default=None)),
            "steps": {step_id: step.as_json() for step_id, step in catalog.steps.items()},
        }
    )


@demands("step.read")
def _catalog(_request: HttpRequest) -> HttpResponse:
    return answer(catalog_as_json(engine.catalog()))


@demands("step.read")
def _cluster(_request: HttpRequest) -> HttpResponse:
    return answer(selectors.cluster_document(engine.cluster()))


@demands("step.read")
def _catalog_events(_request: HttpRequest) -> HttpResponse:
    return _events(("catalog",))


@demands("step.read")
def _cluster_events(_request: HttpRequest) -> HttpResponse:
    return _events(("cluster",))


def _events(stream: tuple[str, ...]) -> HttpResponse:
    events = selectors.argyll_events(stream)
    return answer({"count": len(events), "events": events})


@demands("step.read")
def _health(_request: HttpRequest) -> HttpResponse:
    return answer(selectors.cluster_document(engine.cluster(), list(engine.catalog().steps)))


@demands("step.read")
def _step_health(_request: HttpRequest, step_id: str) -> HttpResponse:
    if step_id not in engine.catalog().steps:
        return error(f"Health not found for step: {step_id}", HTTPStatus.NOT_FOUND)
    return answer(selectors.health_of(step_id).as_json())


# --- steps --------------------------------------------------------------------------------


@demands("step.read")
def _list_steps(_request: HttpRequest) -> HttpResponse:
    steps = [readable.listed(step.as_json()) for step in engine.catalog().steps.values()]
    return answer({"steps": steps, "count": len(steps)})


@demands("step.manage")
def _register_step(request: HttpRequest) -> HttpResponse:
    step = _step_of(bodies.read(request, STEP_SHAPE, bytes_max=bodies.STEP_BYTES_MAX))
    services.register_step(step=step)
    return answer({"step": step.as_json(), "message": "Step registered"}, HTTPStatus.CREATED)


@demands("step.read")
def _get_step(_request: HttpRequest, step_id: str) -> HttpResponse:
    step = engine.catalog().steps.get(step_id)
    if step is None:
        raise StepUnknown(step_id)
    return answer(step.as_json())


@demands("step.manage")
def _update_step(request: HttpRequest, step_id: str) -> HttpResponse:
    document = bodies.read(request, STEP_SHAPE, bytes_max=bodies.STEP_BYTES_MAX)
    step = _step_of(document)
    if step.id != ids.sanitized(step_id):
        return error("Step ID in URL does not match step ID in body", HTTPStatus.BAD_REQUEST)
    services.update_step_in_part(step=step, keeping=beyond_argyll_unnamed(document))
    return answer({"step": step.as_json(), "message": "Step updated"})


@demands("step.manage")
def _unregister_step(_request: HttpRequest, step_id: str) -> HttpResponse:
    services.unregister_step(step_id=step_id)
    return answer({"message": "Step unregistered"})


def _step_of(document: Any) -> Step:
    sent = step_from_json(document)
    return step_from_json({**(document or {}), "id": ids.sanitized(sent.id)})


# --- plans and flows ----------------------------------------------------------------------


@demands("step.read")
def _plan(request: HttpRequest) -> HttpResponse:
    body = shapes.check(bodies.read(request, bodies.PLAN), bodies.PLAN)
    if not body.get("goals"):
        return error("At least one goal step ID is required", HTTPStatus.BAD_REQUEST)
    plan = services.preview_plan(goals=body["goals"], init=body.get("init") or {})
    return answer(plan.as_json())


@demands("flow.start")
def _start_flow(request: HttpRequest) -> HttpResponse:
    body = shapes.check(bodies.read(request, bodies.FLOW), bodies.FLOW)
    flow = services.start_flow(
        flow_id=ids.sanitized(body.get("id") or ""),
        goals=body.get("goals") or (),
        init={name: values or [] for name, values in (body.get("init") or {}).items()},
        labels=body.get("labels") or {},
    )
    return answer({"message": "", "flow_id": flow.id}, HTTPStatus.CREATED)


@demands("flow.read")
def _list_flows(_request: HttpRequest) -> HttpResponse:
    return answer([listing.item(flow) for flow in listing.find(Query(sort=RECENT_DESC)).flows])


@demands("flow.read")
def _query_flows(request: HttpRequest) -> HttpResponse:
    body = shapes.check(bodies.read(request, bodies.QUERY), bodies.QUERY)
    page = listing.find(
        Query(
            id_prefix=body.get("id_prefix") or "",
            labels=body.get("labels") or {},
            statuses=body.get("statuses") or (),
            limit=int(body.get("limit") or 0),
            cursor=body.get("cursor") or "",
            sort=body.get("sort") or RECENT_ASC,
        )
    )
    return answer(
        {
            "flows": [listing.item(flow) for flow in page.flows],
            "count": len(page.flows),
            **({"total": page.total} if page.total else {}),
            **({"has_more": True, "next_cursor": page.next_cursor} if page.next_cursor else {}),
        }
    )


@demands("flow.read")
def _get_flow(_request: HttpRequest, flow_id: str = "query") -> HttpResponse:
    flow = engine.flow(flow_id)
    if flow is None:
        raise FlowUnknown(flow_id)
    return answer(flow_as_json(flow))


@demands("flow.read")
def _flow_status(_request: HttpRequest, flow_id: str) -> HttpResponse:
    status = selectors.status_of(flow_id)
    if status is None:
        raise FlowUnknown(flow_id)
    return answer({"id": flow_id, "status": status})


@demands("flow.read")
def _flow_events(_request: HttpRequest, flow_id: str) -> HttpResponse:
    events = selectors.argyll_events(("flow", flow_id))
    if not events:
        raise FlowUnknown(flow_id)
    return answer({"count": len(events), "events": events})


whole_engine = methods(GET=_whole_engine)
catalog = methods(GET=_catalog)
catalog_events = methods(GET=_catalog_events)
cluster = methods(GET=_cluster)
cluster_events = methods(GET=_cluster_events)
health = methods(GET=_health)
step_health = methods(GET=_step_health)
steps = methods(GET=_list_steps, POST=_register_step)
step = methods(GET=_get_step, PUT=_update_step, DELETE=_unregister_step)
plan = methods(POST=_plan)
flows = methods(GET=_list_flows, POST=_start_flow)
query = methods(GET=_get_flow, POST=_query_flows)  # A flow may be called "query" too.
flow = methods(GET=_get_flow)
flow_status = methods(GET=_flow_status)
flow_events = methods(GET=_flow_events)
