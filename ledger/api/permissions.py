"""The permission check in front of every API view. Views only declare what they require.

`capabilities`: `PUBLIC`, or action (or lower-case method) → capability id.
`object_level = True`: the view filters with `authority.visible` or checks each object, so
it may be entered by who holds the capability on single objects only.
`noted_as`: of the actions that any credential may use, what an agent's go on record as.
`journalled = True`: what changes has a journal of its own, not an entry; an agent's wish gets one.
`idempotency_required`: the actions that are refused without an Idempotency-Key.
`idempotency_secret`: the actions whose response must never be stored.
`without_body`: the actions that take nothing in a body, beside every DELETE.
`rebuild_response(request, reference)`: the response, made anew, when it was lost.
"""

from typing import TYPE_CHECKING, Any, Final

from django.http import Http404
from rest_framework.exceptions import ErrorDetail, MethodNotAllowed, ValidationError
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import idempotency, recording
from ledger.access import authority
from ledger.access.authority import AUTHENTICATED, PUBLIC, Caller
from ledger.approving import reference
from ledger.disclosure import disclosing, reasons
from ledger.domain.action import TARGET_CHARS_MAX
from ledger.domain.capability import CapabilityMissing
from ledger.domain.delegation import OutOfReach

if TYPE_CHECKING:  # DRF imports its defaults, so this module, while it defines APIView.
    from rest_framework.views import APIView


_UNKNOWN: Final = ErrorDetail("There is no such field here, nor any other.", code="unknown")


class HoldsCapability(BasePermission):
    """The default permission: the caller holds what the view declares for this action."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        # Which methods there are is no secret: the schema says so to everybody.
        if request.method == "OPTIONS" or getattr(view, "capabilities", None) == PUBLIC:
            return True
        capability = capability_of(view, request)
        caller = authority.caller_of(request)
        if caller.user is None or capability is None:
            return False
        if capability == AUTHENTICATED:
            return _noted_anyway(view, request)
        if getattr(view, "object_level", False):
            is_held = caller.holds_somewhere(capability)
        else:
            is_held = caller.holds(capability)
        if not is_held:
            return self._refused(view, request, capability)
        return _noted(view, request, capability)

    def has_object_permission(self, request: Request, view: "APIView", obj: Any) -> bool:
        capability = capability_of(view, request)
        if capability in {None, AUTHENTICATED}:
            return True
        assert capability is not None
        return authority.holds(request, capability, obj) or self._refused(view, request, capability)

    def _refused(self, view: "APIView", request: Request, capability_id: str) -> bool:
        """Say no, and put it on record if it was about something grave, or an agent asked."""
        why = CapabilityMissing(capability_id)
        recording.record_denial(capability_id, target_id=_named(view), why=why)
        self.message = str(why)
        return False


class TakesNoBodyInVain(BasePermission):
    """Not a question of rights: what a body says is never ignored, also where none is asked for."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        takes_none = request.method == "DELETE" or _action(view, request) in getattr(
            view, "without_body", ()
        )
        body = request.data if takes_none else {}
        if isinstance(body, dict) and body:
            raise ValidationError({name: [_UNKNOWN] for name in body})
        if not isinstance(body, dict):
            raise ValidationError("Send no body, or an empty object.")
        return True


class HonoursIdempotencyKey(BasePermission):
    """Not a question of rights: the last gate before a request may have an effect."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if request.method in SAFE_METHODS:
            return True
        key = request.headers.get("Idempotency-Key")
        if key is None:
            if _action(view, request) in getattr(view, "idempotency_required", ()):
                raise idempotency.IdempotencyKeyRequired
            return True
        lost = idempotency.current_exchange().begin(_describe(key.strip(), request, view))
        if lost is not None:
            raise idempotency.Replayed(_answered_again(view, request, lost))
        return True


def capability_of(view: "APIView", request: Request) -> str | None:
    """Return what `view` declares for this request.

    :raises MethodNotAllowed: if the view does not know the method.
    """
    if request.method not in view.allowed_methods:
        raise MethodNotAllowed(request.method or "")
    declared: dict[str, str] = getattr(view, "capabilities", {})
    return declared.get(_action(view, request))


def _noted(view: "APIView", request: Request, capability_id: str) -> bool:
    """Allow it; what an agent reads is recorded first. Its changes have their own entries.

    So have the actions that a view names in `discloses`: they record the disclosure.
    """
    if not authority.caller_of(request).is_agent:
        return True
    _keep_to_itself(request)
    if _action(view, request) in getattr(view, "discloses", ()):
        return True
    if request.method in SAFE_METHODS:
        _note_read(view, request, capability_id)
    elif getattr(view, "journalled", False):
        recording.record_request(capability_id, target_id=_named(view))
    return True


def _note_read(view: "APIView", request: Request, capability_id: str) -> None:
    named = _named(view)
    try:
        why = reasons.access_reason(request)
        disclosing.note_read(capability_id, target_id=named, reason=why)
    except OutOfReach as refused:
        if not named:
            raise
        # On record as what it is. What a delegation does not name is not there: ADR 0170.
        raise Http404 from refused


def _noted_anyway(view: "APIView", request: Request) -> bool:
    """Say yes to an agent too, whatever was delegated to it; that it asked is on record."""
    if authority.caller_of(request).is_agent:
        _keep_to_itself(request)
        as_what = getattr(view, "noted_as", {}).get(_action(view, request))
        if as_what is not None:
            disclosing.note_read(as_what, target_id=_named(view), is_within_scope=False)
    return True


def _keep_to_itself(request: Request) -> None:
    """Mark the response as one that must not be stored: each disclosure is to be recorded."""
    request._request.daybook_is_private = True  # type: ignore[attr-defined]  # noqa: SLF001 - what middleware sees.


def _named(view: "APIView") -> str:
    kwargs = getattr(view, "kwargs", {})
    return str(kwargs.get("pk") or next(iter(kwargs.values()), ""))[:TARGET_CHARS_MAX]


def _action(view: "APIView", request: Request) -> str:
    method = (request.method or "").lower()
    return getattr(view, "action", None) or ("get" if method == "head" else method)


def _describe(key: str, request: Request, view: "APIView") -> idempotency.Request:
    if not 0 < len(key) <= idempotency.KEY_CHARS_MAX or not (key.isascii() and key.isprintable()):
        raise idempotency.IdempotencyKeyMalformed
    route = request.resolver_match.route if request.resolver_match else request.path
    return idempotency.Request(
        scope=f"{_caller(authority.caller_of(request))} {request.method} {route}{_under(request)}"[
            :300
        ],
        key=key,
        fingerprint=idempotency.fingerprint(
            method=request.method or "",
            path=request.path,
            query={name: request.query_params.getlist(name) for name in request.query_params},
            body=request.data,
        ),
        keeps_response=_action(view, request) not in getattr(view, "idempotency_secret", ()),
    )


def _under(request: Request) -> str:
    # With the approval it is another request than the one that asked for it, under the same key.
    approval_id = request.headers.get(reference.HEADER, "")[:36]
    return f" {approval_id}" if approval_id else ""


def _caller(caller: Caller) -> str:
    # Not the key's own name: a retry may come after the key was rotated. An agent is named
    # with its delegation.
    return f"api_key:{caller.key.lineage}" if caller.key is not None else str(caller.principal)


def _answered_again(view: Any, request: Request, reference: str) -> Response:
    if not hasattr(view, "rebuild_response"):
        raise idempotency.ResponseLost(reference)
    try:
        response: Response = view.rebuild_response(request, reference)
    except Http404 as error:
        raise idempotency.ResponseLost(reference) from error
    return response
