"""The one place where errors become HTTP responses: RFC 9457, application/problem+json."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import (
    DatabaseError,
    DataError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    JsonResponse,
)
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.settings import api_settings

from console.views import refusals
from events.domain import errors, problem
from events.domain.errors import DomainError
from events.domain.json_pointer import pointer_to
from events.tables import migration_status
from ledger.api import approval_answers
from ledger.approving.gate import ApprovalRequired, ApprovedActionRepeated
from ledger.idempotency import Replayed
from workflows.flows.api import protocol

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = problem.MEDIA_TYPE
PAGES: Final = frozenset({"console", "admin"})
"""The namespaces of the addresses that people open in a browser."""

STATUS_OF: Final[dict[type[DomainError], HTTPStatus]] = {
    ApprovalRequired: HTTPStatus.ACCEPTED,
    ApprovedActionRepeated: HTTPStatus.OK,
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Throttled: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Rejected: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

# What the framework refuses before any of our code is asked: code → (status, meaning, hint).
FRAMEWORK_PROBLEMS: Final[dict[str, tuple[HTTPStatus, str, str]]] = {
    "invalid": (
        HTTPStatus.BAD_REQUEST,
        "Parts of the request are invalid; `errors` names each.",
        "Compare the request with the schema at /api/schema/.",
    ),
    "malformed": (
        HTTPStatus.BAD_REQUEST,
        "The request cannot be read.",
        "Send one JSON value in UTF-8, at an address of this host.",
    ),
    "value_out_of_range": (
        HTTPStatus.BAD_REQUEST,
        "A value in the request is beyond what can be stored.",
        "Check for numbers and times that are too large or too small.",
    ),
    "not_authenticated": (
        HTTPStatus.UNAUTHORIZED,
        "A credential is needed.",
        "Send an API key as `Authorization: Bearer daybook_…`, or log in.",
    ),
    "credential_refused": (
        HTTPStatus.UNAUTHORIZED,
        "The credential is unknown, expired or revoked.",
        "Send a live API key as `Authorization: Bearer daybook_…`, or log in.",
    ),
    "agent_stopped": (
        HTTPStatus.FORBIDDEN,
        "The key is valid, but its agent, or every agent, is stopped.",
        "Ask its owner; the same key works again once the agent is resumed.",
    ),
    "permission_denied": (
        HTTPStatus.FORBIDDEN,
        "The caller lacks the permission.",
        "Ask an administrator for the permission, or use a key that has it in its scopes.",
    ),
    "not_found": (
        HTTPStatus.NOT_FOUND,
        "The object does not exist, or not for this caller.",
        "Check the id and the path; what you may not see is not found either.",
    ),
    "method_not_allowed": (
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The address exists, the method does not.",
        "The Allow header lists the methods.",
    ),
    "not_acceptable": (
        HTTPStatus.NOT_ACCEPTABLE,
        "The response has no media type that the Accept header allows.",
        "Accept application/json.",
    ),
    "unsupported_media_type": (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The media type of the body is not supported.",
        "Send application/json.",
    ),
    "body_too_large": (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The body exceeds the size limit.",
        "Send a smaller request.",
    ),
    "throttled": (
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests in this minute.",
        "Wait for the seconds in Retry-After.",
    ),
    "internal_error": (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The server failed unexpectedly.",
        "Report it with its request_id; repeat it with the same Idempotency-Key.",
    ),
    "schema_differs": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database was migrated by another revision than this.",
        "Ask the operator: /readyz says what is missing.",
    ),
    "database_unavailable": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database is not available.",
        "Repeat the request, with the same Idempotency-Key, after Retry-After.",
    ),
}

_DATABASE_RETRY_SECONDS = 2
_SCHEMA_RETRY_SECONDS = 60
_TOLD_CHARS_MAX: Final = 1000


def problem_response(exc: Exception, context: Mapping[str, Any]) -> HttpResponseBase | None:
    """Answer what DRF caught in a view; None for a bug, which Django logs and answers."""
    request = context["request"]
    exc = approval_answers.asked_for(exc)
    if (answered := _no_problem(exc, context)) is not None:
        return answered
    if isinstance(exc, DomainError):
        return _drf(*_of_domain_error(request, exc))
    if isinstance(exc, OperationalError | InterfaceError | DataError):
        return _drf(*_of_database_error(request, exc))
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    elif isinstance(exc, RequestDataTooBig):
        return _drf(_body(request, "body_too_large"), {})
    if isinstance(exc, exceptions.APIException):
        return _drf(*_of_api_exception(request, exc))
    return None


def _no_problem(exc: Exception, context: Mapping[str, Any]) -> HttpResponseBase | None:
    """Answer what only ends a request early: it was done before, or somebody has to agree."""
    if isinstance(exc, Replayed):
        return exc.response
    if isinstance(exc, ApprovalRequired | ApprovedActionRepeated):
        return approval_answers.answer(exc, context["view"], context["request"])
    return None


def status_of(error: type[DomainError]) -> HTTPStatus:
    """Return the status with which an error of this class is answered."""
    return next(STATUS_OF[family] for family in error.__mro__ if family in STATUS_OF)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler400: malformed hosts, headers, forms."""
    is_too_large = isinstance(exception, RequestDataTooBig)
    if not _is_api(request):
        return (
            refusals.too_large(request)
            if is_too_large
            else refusals.bad_request(request, exception)
        )
    code = "body_too_large" if is_too_large else "malformed"
    return _plain(_body(request, code))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler403."""
    if not _is_api(request):
        return refusals.forbidden(request, exception)
    return _plain(_body(request, "permission_denied"))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler404: an unknown path."""
    if not _is_api(request):
        return refusals.not_found(request, exception)
    return _plain(_body(request, "not_found"))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's handler500: a bug, or a database that went away outside a view."""
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        body, headers = _of_database_error(request, error)
        return _page(request, refusals.database_away, body, headers)
    if isinstance(error, ProgrammingError) and _schema_differs():
        headers = {"Retry-After": str(_SCHEMA_RETRY_SECONDS)}
        return _page(request, refusals.schema_differs, _body(request, "schema_differs"), headers)
    if not _is_api(request):
        return refusals.broken(request)
    return _plain(_body(request, "internal_error"))


def refused_page(request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
    """Answer a refusal that a page did not expect, in its own words.

    Django's admin passes filters of the address on unread: PostgreSQL refuses a NUL in them.
    """
    match exception:
        case errors.NotFound():
            return page_not_found(request, exception)
        case ApprovalRequired() if not _is_api(request):
            return refusals.waits_for_approval(request, exception.approval.pk)
        case errors.Forbidden():
            return permission_denied(request, exception)
        case DataError():
            logger.error("PostgreSQL refused a value that we let through.", exc_info=exception)
            return bad_request(request, exception)
        case DomainError() if not _is_api(request):
            page = refusals.refused(request, exception, status=status_of(type(exception)))
            return _with(page, _of_domain_error(request, exception)[1])
    return None


def refused_by_middleware(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    """Answer a refusal that comes from outside of every view."""
    return _plain(*_of_domain_error(request, refusal))


def as_page_where_wanted(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return `response`, or the page for it where Django would show the visitor a blank one."""
    match = request.resolver_match
    is_page = match is not None and match.namespace in PAGES
    if is_page and isinstance(response, HttpResponseNotAllowed):
        return refusals.not_a_page(request, allow=response["Allow"])
    return response


def _schema_differs() -> bool:
    try:
        return migration_status.difference() != migration_status.Difference()
    except DatabaseError:
        return False  # Within a transaction that is broken already.


def _of_domain_error(request: Any, exc: DomainError) -> tuple[dict[str, Any], dict[str, str]]:
    status = status_of(type(exc))
    body = _document(request, status=status, code=exc.code, detail=str(exc), hint=exc.hint)
    if exc.pointer is not None:
        body["errors"] = [
            {"detail": _short(str(exc)), "code": exc.code, "pointer": _short(exc.pointer)}
        ]
    if exc.facts:
        body["facts"] = {name: _short(value) for name, value in exc.facts.items()}
    return body, problem.headers(exc, status=status)


def _of_database_error(request: Any, error: Exception) -> tuple[dict[str, Any], dict[str, str]]:
    if isinstance(error, DataError):
        # A net: what got through must not look like a bug to the caller, but is one to us.
        logger.error("PostgreSQL refused a value that we let through.", exc_info=error)
        return _body(request, "value_out_of_range"), {}
    logger.warning("The database does not answer.", exc_info=error)
    return _body(request, "database_unavailable"), {"Retry-After": str(_DATABASE_RETRY_SECONDS)}


def _of_api_exception(
    request: Any, exc: exceptions.APIException
) -> tuple[dict[str, Any], dict[str, str]]:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(exc, exceptions.ValidationError):
        body = _body(request, "invalid")
        # A safe method has no body: what is wrong is in its query.
        place = "parameter" if request.method in SAFE_METHODS else "pointer"
        body["errors"] = list(_flattened(exc.get_full_details(), place))
        return body, headers
    code = exc.get_codes()
    code = _FRAMEWORK_CODE_OF.get(code, code) if isinstance(code, str) else "malformed"
    # What the framework says by default says less than we do.
    detail = None if str(exc.detail) == str(exc.default_detail) else str(exc.detail)
    return _body(request, code, status=exc.status_code, detail=detail), headers


# Codes of DRF → ours, where they differ.
_FRAMEWORK_CODE_OF = {"parse_error": "malformed", "authentication_failed": "credential_refused"}


def _flattened(detail: Any, place: str, path: str = "") -> Iterator[dict[str, str]]:
    """Turn DRF's nested errors into a flat list, each with the place it is about."""
    if isinstance(detail, Mapping) and "message" in detail and "code" in detail:
        where = path if place == "pointer" else path.removeprefix("/").split("/")[0]
        yield {"detail": str(detail["message"]), "code": str(detail["code"]), place: where}
    elif isinstance(detail, Mapping):
        for key, value in detail.items():
            is_whole = key == api_settings.NON_FIELD_ERRORS_KEY
            yield from _flattened(value, place, path if is_whole else f"{path}{pointer_to(key)}")
    else:
        for index, value in enumerate(detail):
            # A list of messages belongs to the field; a list of objects to its items.
            is_item = not (isinstance(value, Mapping) and "message" in value)
            yield from _flattened(value, place, f"{path}/{index}" if is_item else path)


def _body(
    request: Any, code: str, *, status: int | None = None, detail: str | None = None
) -> dict[str, Any]:
    known = FRAMEWORK_PROBLEMS.get(code)
    if known is None:  # An APIException that a library raises with a code of its own.
        known = (HTTPStatus(status or HTTPStatus.BAD_REQUEST), "", "")
    default_status, meaning, hint = known
    return _document(
        request, status=status or default_status, code=code, detail=detail or meaning, hint=hint
    )


def _document(request: Any, *, status: int, code: str, detail: str, hint: str) -> dict[str, Any]:
    body = {
        "type": f"{settings.PROBLEM_DOCS_URL}#{code}",
        "title": problem.title_of(code),
        "status": int(status),
        "detail": _short(detail),
        "instance": request.path,
        "code": code,
        "hint": hint,
        "request_id": getattr(request, "request_id", None),
    }
    return {key: value for key, value in body.items() if value not in {None, ""}}


def _short(value: Any) -> Any:
    # A value is shortened: enough to recognise it.
    if isinstance(value, str) and len(value) > _TOLD_CHARS_MAX:
        return f"{value[: _TOLD_CHARS_MAX - 1]}…"
    return [_short(each) for each in value] if isinstance(value, list) else value


def _page(
    request: HttpRequest,
    page: Callable[[HttpRequest], HttpResponse],
    body: dict[str, Any],
    headers: dict[str, str],
) -> HttpResponse:
    """Return the page to browsers; probes and scripts get the problem document."""
    reads_pages = "text/html" in request.headers.get("Accept", "") and not _is_api(request)
    return _with(page(request) if reads_pages else _plain(body), headers)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or protocol.serves(request.path)


def _drf(body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)


def _plain(body: dict[str, Any], headers: dict[str, str] | None = None) -> HttpResponse:
    if protocol.serves(body["instance"]):
        return _with(protocol.trouble(body), headers or {})
    response = JsonResponse(body, status=body["status"], content_type=MEDIA_TYPE)
    return _with(response, headers or {})


def _with(response: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    for name, value in headers.items():
        response[name] = value
    return response
