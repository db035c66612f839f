"""The callback endpoint of asynchronous steps.

Whoever was given the address may call back: it is signed (ADR 0193). Without the signature only
an operator may, with an API key; and anybody at an open engine, as in Argyll.
"""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from events import context
from events.domain.errors import DomainError, Forbidden
from ledger.access import authority
from ledger.idempotency import IdempotencyKeyRequired
from workflows.flows.api import bodies, protocol
from workflows.flows.api.bodies import BodyTooLarge
from workflows.flows.api.protocol import empty, error, not_found, with_cors
from workflows.flows.domain import commands as asked
from workflows.flows.domain import ids
from workflows.flows.domain.errors import MalformedRequest
from workflows.flows.steps import callback_address, receipts
from workflows.flows.steps.invocation import PROBLEM_JSON, detail_of, problem_in

INTERVENES = "flow.intervene"


class CallbackUnsigned(Forbidden):
    """One answer whether or not anybody waits there: nothing is looked up without a signature."""

    code = "callback_unsigned"
    hint = (
        "Use the webhook URL that came with the call, unchanged, with its query; or send an API "
        f"key that holds {INTERVENES}."
    )

    def __init__(self) -> None:
        super().__init__("the address lacks the signature with which it was given out")


class CallbackNeedsApproval(Forbidden):
    code = "callback_needs_approval"
    hint = "Force the step at /api/v1/flows/{id}/steps/{step_id}/force: it requests the approval."

    def __init__(self) -> None:
        super().__init__("somebody else has to agree first, and is not asked at this address")


@csrf_exempt
@authority.public
def webhook(request: HttpRequest, flow_id: str, step_id: str, token: str) -> HttpResponse:
    """Take a result, or a problem document as a failure. Later ones change nothing: 200."""
    if request.method == "OPTIONS":
        return empty()
    if request.method != "POST":
        return with_cors(not_found())
    try:
        _take(request, flow_id, step_id, token)
    except BodyTooLarge as refusal:
        return with_cors(error(str(refusal), HTTPStatus.BAD_REQUEST))
    except MalformedRequest:
        what = "Invalid problem JSON" if _is_problem(request) else "Invalid JSON"
        return with_cors(error(what, HTTPStatus.BAD_REQUEST))
    except DomainError as refusal:
        return with_cors(protocol.refused(refusal))
    response = empty()
    response["Referrer-Policy"] = "no-referrer"
    return response


def _take(request: HttpRequest, flow_id: str, step_id: str, token: str) -> None:
    presented = request.GET.getlist(callback_address.PARAMETER)
    if settings.OPEN_ENGINE or callback_address.is_signed(
        presented, flow_id=flow_id, step_id=step_id, token=token
    ):
        outcome = _outcome(request, step_id, token)
        with context.acting(ids.principal_of(flow_id)):
            receipts.receive(
                flow_id=flow_id, step_id=step_id, token=token, outcome=outcome, raw=request.body
            )
    elif "Authorization" in request.headers:
        # A cookie does not count: any page could make a browser send it here.
        caller = authority.bearer(request.headers["Authorization"])
        with context.acting(caller.principal, origin=context.current().origin):
            protocol.admit(caller, INTERVENES)
            outcome = _outcome(request, step_id, token)
            try:
                receipts.deliver(
                    flow_id=flow_id, step_id=step_id, token=token, outcome=outcome, raw=request.body
                )
            except IdempotencyKeyRequired as unasked:
                raise CallbackNeedsApproval from unasked
    else:
        raise CallbackUnsigned


def _is_problem(request: HttpRequest) -> bool:
    return (request.content_type or "").lower() == PROBLEM_JSON


def _outcome(request: HttpRequest, step_id: str, token: str) -> asked.SucceedWork | asked.FailWork:
    document = bodies.read(request)
    if document is not None and not isinstance(document, dict):
        raise MalformedRequest("not an object")
    if not _is_problem(request):
        return asked.SucceedWork(step_id=step_id, token=token, outputs=document)
    problem = problem_in(PROBLEM_JSON, request.body)
    if problem is None:
        raise MalformedRequest("not a problem document")
    # A type alone is a problem, too (RFC 9457 section 3.1): the work has failed without a word.
    return asked.FailWork(step_id=step_id, token=token, error=detail_of(problem))
