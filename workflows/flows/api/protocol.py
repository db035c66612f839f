"""How every answer to Argyll's clients is made: methods, credentials, errors, headers.

Without a credential only under `up --open-engine`; else with an API key that holds the
capability. Errors are `{"error", "status"}` here, problem documents everywhere else.
"""

from collections.abc import Callable, Mapping
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
    Unauthenticated,
    Unavailable,
)
from events.domain.principal import Principal, PrincipalKind
from ledger import recording
from ledger.access import authority, credentials
from ledger.disclosure import disclosing
from workflows.flows.domain import digits
from workflows.flows.domain.errors import ChildGoalsUnknown, GoalsUnknown, PlanCircular, StepInvalid
from workflows.flows.domain.work_items import TooManyItems

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


def refused(refusal: DomainError) -> HttpResponse:
    """Return a refusal in the words, and under the status, that the original's clients expect.

    It knows no credentials: what is refused for the want of one also has our code and hint.
    """
    message, status = _message(refusal), _status(refusal)
    if not isinstance(refusal, Unauthenticated | Forbidden):
        return error(message, status)
    ours = {"code": refusal.code, "hint": refusal.hint}
    return answer({"error": message, "status": status, **ours}, status)


def serves(path: str) -> bool:
    """Return whether it is Argyll's clients that ask for what is at a path."""
    return path == "/engine" or path.startswith(("/engine/", "/webhook/"))


def trouble(problem: Mapping[str, Any]) -> HttpResponse:
    """Return a problem from outside of every view: a bug, or a database that is away."""
    ours = {name: problem[name] for name in ("code", "hint", "request_id") if name in problem}
    status = problem["status"]
    return with_cors(answer({"error": problem["detail"], "status": status, **ours}, status))


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
                        admit(caller, capability)
                    return view(request, **parts)
            except DomainError as refusal:
                return refused(refusal)

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


def admit(caller: authority.Caller, capability: str) -> None:
    """Check that the caller holds the capability over everything; that it does not is on record.

    :raises NotAdmitted: if it does not.
    """
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
    if isinstance(refusal, ChildGoalsUnknown):
        return str(GoalsUnknown(refusal.asked))
    blamed = _TROUBLE.get(type(refusal))
    return f"{blamed}: {refusal}" if blamed else str(refusal)
