"""Calls the service of a step for one work item over HTTP. Records nothing.

Classification as in Argyll: 2xx is success, anything below 500 is
final, 5xx and the network may be tried again. All four Argyll headers are sent, also on
compensation, and the token also as Idempotency-Key. A redirect is followed
where nobody else gets what was meant for this step: a GET, or 307 and 308 within one origin.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from events.domain.redaction import REDACTED
from workflows.egress import client
from workflows.egress.client import Answer, Call
from workflows.egress.refusals import AnswerTooLarge, EgressFailed, EgressRefused
from workflows.flows import conf
from workflows.flows.domain import decoder, shapes
from workflows.flows.domain.digits import in_digits
from workflows.flows.domain.flow import Flow, WorkItem
from workflows.flows.domain.step import DEFAULT_METHOD, Step, StepType
from workflows.flows.domain.work_items import invocation_inputs, item_inputs
from workflows.flows.steps import callback_address

USER_AGENT = "Argyll-Engine/0.1"
_PATH_SAFE = "$&+=:@"
PROBLEM_JSON = "application/problem+json"
_TIMEOUT_MS_MAX = 3_600_000
_PLACE_CHARS_MAX = 300
_CONFIDENTIAL = frozenset({"Argyll-Receipt-Token", "Argyll-Webhook-URL"})
"""These are credentials to complete the item."""


@dataclass(frozen=True, slots=True)
class Done:
    """It worked; `outputs` are what it gave, None if nothing."""

    outputs: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Failed:
    """It failed, and would again. `status` is what the peer answered, if it did."""

    error: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class NotCompleted:
    """It did not work out this time."""

    error: str

    @classmethod
    def because(cls, reason: str) -> "NotCompleted":
        """Return this, in Argyll's words."""
        return cls(f"{_NOT_COMPLETED}{reason}")


_NOT_COMPLETED = "work not completed\n"

Result = Done | Failed | NotCompleted


class ArgumentMissing(Exception):
    """A placeholder of the URL has no value."""


def call_step(flow: Flow, step: Step, item: WorkItem) -> Result:
    """Invoke an HTTP step for one item and say how it went."""
    assert step.http is not None, "only HTTP steps are called"
    inputs = item_inputs(flow.executions[step.id], item)
    extra = {"webhook_url": _webhook_url(flow, step, item)} if step.type == StepType.ASYNC else {}
    body = invocation_inputs(flow, step, item, **extra)
    method = step.http.method or DEFAULT_METHOD
    try:
        url = filled(step.http.endpoint, inputs)
    except ArgumentMissing as missing:
        return Failed(str(missing))
    return _exchange(flow, step, item, method=method, url=url, body=body)


def verify_step(flow: Flow, step: Step, item: WorkItem) -> Result | None:
    """Ask the peer whether an earlier call took effect, before it is repeated.

    404 means that it did not, and gives None; a 2xx body is its answer. Anything else tells
    nothing (ours): nobody may repeat the call on the strength of it.
    """
    assert step.http is not None, "only HTTP steps are verified"
    try:
        url = filled(step.http.verify, item_inputs(flow.executions[step.id], item))
    except ArgumentMissing as missing:
        return Failed(str(missing))
    result = _exchange(flow, step, item, method="GET", url=url, body=None)
    if isinstance(result, Done):
        return result
    if isinstance(result, Failed) and result.status == HTTPStatus.NOT_FOUND:
        return None
    reason = result.error.removeprefix(_NOT_COMPLETED)
    return NotCompleted.because(f"outcome unknown: the look-up of effect verify failed: {reason}")


def call_compensation(flow: Flow, step: Step, item: WorkItem) -> Result:
    """Invoke the compensation of one item: its inputs and raw outputs in the body."""
    assert step.http is not None, "only HTTP steps are compensated over HTTP"
    inputs = item_inputs(flow.executions[step.id], item)
    outputs = dict(item.outputs or {})
    try:
        url = filled(step.http.compensate, {**inputs, **outputs})
    except ArgumentMissing as missing:
        return Failed(str(missing))
    body = {"input": inputs, "output": outputs}
    return _exchange(flow, step, item, method="POST", url=url, body=body)


def filled(template: str, values: Mapping[str, Any]) -> str:
    """Return the URL with every `{name}` replaced by its path-escaped value.

    :raises ArgumentMissing: if a value is not there.
    """
    parts = template.split("{")
    url = parts[0]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        if name not in values:
            raise ArgumentMissing(f"missing endpoint argument: {name}")
        value = values[name]
        text = value if isinstance(value, str) else _compact(value)
        url += quote(text, safe=_PATH_SAFE) + rest
    return url


def _exchange(
    flow: Flow, step: Step, item: WorkItem, *, method: str, url: str, body: Any
) -> Result:
    has_body = method != "GET"
    own_ms = step.http.timeout_ms if step.http else 0
    timeout_ms = own_ms if own_ms > 0 else conf.current().step_timeout_ms
    call = Call(
        method=method,
        url=url,
        headers=_headers(flow, step, item, has_body=has_body),
        body=_compact(body).encode() if has_body else b"",
        deadline_seconds=min(timeout_ms, _TIMEOUT_MS_MAX) / 1000,
        redirects_max=client.REDIRECTS_MAX,
        confidential=_CONFIDENTIAL,
    )
    try:
        answer = client.send(call)
    except (EgressRefused, AnswerTooLarge) as refusal:
        return Failed(str(refusal))
    except EgressFailed as error:
        reason = "context deadline exceeded" if error.error_class == "timeout" else str(error)
        return NotCompleted.because(f'{method.title()} "{url}": {reason}')
    return _without_signature(_classified(answer), flow, step, item)


def _without_signature(result: Result, flow: Flow, step: Step, item: WorkItem) -> Result:
    """Return a result whose error does not tell what the peer was told, if it repeats that."""
    if step.type != StepType.ASYNC or isinstance(result, Done):
        return result
    secret = callback_address.signature(flow_id=flow.id, step_id=step.id, token=item.token)
    return replace(result, error=result.error.replace(secret, REDACTED))


def _compact(value: Any) -> str:
    return json.dumps(in_digits(value), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _headers(flow: Flow, step: Step, item: WorkItem, *, has_body: bool) -> dict[str, str]:
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Argyll-Flow-ID": flow.id,
        "Argyll-Step-ID": step.id,
        "Argyll-Receipt-Token": item.token,
        "Idempotency-Key": item.token,
    }
    if step.type == StepType.ASYNC:
        headers["Argyll-Webhook-URL"] = _webhook_url(flow, step, item)
    if has_body:
        headers["Content-Type"] = "application/json"
    return headers


def _webhook_url(flow: Flow, step: Step, item: WorkItem) -> str:
    return callback_address.webhook_url(flow_id=flow.id, step_id=step.id, token=item.token)


def _classified(answer: Answer) -> Result:
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return _outputs(answer.body)
    kind = answer.headers.get("content-type", "")
    detail = _redirect(answer) or problem_detail(kind, answer.body)
    error = f"step returned HTTP error: status {answer.status}"
    error += f": {detail}" if detail else ""
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return NotCompleted.because(error)
    return Failed(error, status=answer.status)


def _redirect(answer: Answer) -> str:
    """Return where an answer points that was not followed, without what may be secret there."""
    location = answer.headers.get("location", "")
    if not location or answer.status not in client.REDIRECTS:
        return ""
    try:
        where = urlsplit(urljoin(answer.url, location))
        # Without a user's name and password, which may stand before the host.
        host = where.netloc.rpartition("@")[2]
        place = f"{where.scheme}://{host}{where.path}"[:_PLACE_CHARS_MAX]
    except ValueError:
        place = "what is no address"
    return (
        f"it redirects to {place}, and an effect is not sent elsewhere unseen: followed are "
        "GET, and 307 and 308 within one origin"
    )


def _outputs(body: bytes) -> Result:
    if not body.strip():
        return Done(None)
    try:
        outputs = decoder.only_value(body)
    except decoder.Undecodable as broken:
        return Failed(f"invalid output JSON: {broken}")
    if outputs is None or isinstance(outputs, dict):
        return Done(outputs)
    kind = shapes.kind_of(outputs)
    return Failed(
        f"invalid output JSON: json: cannot unmarshal {kind} into Go value of type api.Args"
    )


def problem_detail(content_type: str, body: bytes) -> str:
    """Return what a problem document says: its detail, else its title, else its status."""
    problem = problem_in(content_type, body)
    return detail_of(problem) if problem is not None else ""


def problem_in(content_type: str, body: bytes) -> dict[str, Any] | None:
    """Return the problem document (RFC 9457) that a body is; None if it is none."""
    if content_type.partition(";")[0].strip().lower() != PROBLEM_JSON:
        return None
    try:
        problem = decoder.only_value(body)
    except decoder.Undecodable:
        return None
    is_one = isinstance(problem, dict) and problem.keys() & {"type", "title", "detail"}
    return problem if is_one else None


def detail_of(problem: Mapping[str, Any]) -> str:
    """Return what a problem document says; empty if it has nothing but a type."""
    candidates = (problem.get("detail"), problem.get("title"), _phrase(problem.get("status")))
    return next((text for text in candidates if text and isinstance(text, str)), "")


def _phrase(status: Any) -> str:
    is_known = isinstance(status, int) and status in set(HTTPStatus)
    return HTTPStatus(status).phrase if is_known else ""
