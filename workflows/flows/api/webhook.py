"""The callback endpoint of asynchronous steps.

The token in the address is the credential: 122 unguessable bits, for one result.
"""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from events import context
from ledger.access import authority
from workflows.flows.api import bodies
from workflows.flows.api.bodies import BodyTooLarge
from workflows.flows.api.protocol import empty, error, not_found, with_cors
from workflows.flows.domain import commands as asked
from workflows.flows.domain import ids
from workflows.flows.domain.errors import MalformedRequest
from workflows.flows.steps import receipts
from workflows.flows.steps.invocation import PROBLEM_JSON, detail_of, problem_in
from workflows.flows.steps.receipts import CallbackUnknown


@csrf_exempt
@authority.public
def webhook(request: HttpRequest, flow_id: str, step_id: str, token: str) -> HttpResponse:
    """Take a result, or a problem document as a failure. Later ones change nothing: 200."""
    if request.method == "OPTIONS":
        return empty()
    if request.method != "POST":
        return with_cors(not_found())
    try:
        outcome = _outcome(request, step_id, token)
        with context.acting(ids.principal_of(flow_id)):
            receipts.receive(
                flow_id=flow_id, step_id=step_id, token=token, outcome=outcome, raw=request.body
            )
    except CallbackUnknown as unknown:
        return with_cors(error(str(unknown), HTTPStatus.BAD_REQUEST))
    except BodyTooLarge as refusal:
        return with_cors(error(str(refusal), HTTPStatus.BAD_REQUEST))
    except MalformedRequest:
        what = "Invalid problem JSON" if _is_problem(request) else "Invalid JSON"
        return with_cors(error(what, HTTPStatus.BAD_REQUEST))
    response = empty()
    response["Referrer-Policy"] = "no-referrer"
    return response


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
