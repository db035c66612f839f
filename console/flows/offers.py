"""The actions on a flow and its steps that are possible now, as forms."""

from collections.abc import Iterator

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from console.fields import JsonField
from console.forms import ReasonForm
from console.offers import Act, Offer, Refused, offered
from ledger.access import authority
from workflows.flows import services
from workflows.flows.domain.decide import called_back_never
from workflows.flows.domain.flow import Flow, StepStatus


class CancelForm(ReasonForm):
    compensates = forms.BooleanField(
        required=False, label="Compensate its completed steps, in reverse order"
    )


class ForceForm(ReasonForm):
    outputs = JsonField(
        kind=dict,
        label="Its outputs, as a JSON object",
        initial="{}",
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
    )


class RetryForm(ReasonForm):
    token = forms.UUIDField(widget=forms.HiddenInput)


FLOW_ACTS = {
    act.name: act
    for act in (
        Act(
            name="pause",
            label="Pause",
            capability="flow.pause",
            consequence="Nothing new starts until it is resumed. What is under way is still "
            "recorded, deadlines pass, and child flows go on.",
            done="Paused: nothing new starts.",
            form=ReasonForm,
            run=lambda flow_id, asked: services.pause_flow(flow_id=flow_id, reason=asked["reason"]),
        ),
        Act(
            name="resume",
            label="Resume",
            capability="flow.pause",
            consequence="It continues where it was paused.",
            done="It is resumed.",
            form=ReasonForm,
            run=lambda flow_id, asked: services.resume_flow(
                flow_id=flow_id, reason=asked["reason"]
            ),
        ),
        Act(
            name="cancel",
            label="Cancel the flow",
            capability="flow.cancel",
            consequence="It fails at once, and its child flows are cancelled with it; your reason "
            "stands beside its event. Results of what is under way are still recorded. It cannot "
            "be taken back; a fork can begin anew.",
            done="Cancelled.",
            form=CancelForm,
            run=lambda flow_id, asked: services.cancel_flow(
                flow_id=flow_id, reason=asked["reason"], compensates=asked["compensates"]
            ),
            is_danger=True,
        ),
    )
}

STEP_ACTS = {
    act.name: act
    for act in (
        Act(
            name="skip",
            label="Skip",
            capability="flow.intervene",
            consequence="The flow does without this step. What needs its outputs may fail. "
            "What it did for some of its items is undone; its child flows are cancelled. Once the "
            "outcome of the flow is known, its callbacks are not waited for any more.",
            done="Skipped.",
            form=ReasonForm,
            run=lambda flow_id, step_id, asked: services.skip_step(
                flow_id=flow_id, step_id=step_id, reason=asked["reason"]
            ),
            is_danger=True,
        ),
        Act(
            name="force",
            label="Force",
            capability="flow.intervene",
            consequence="The step counts as done, and gave what you say. A result that comes "
            "later is recorded, and changes nothing. Its child flows are cancelled.",
            done="It counts as done.",
            form=ForceForm,
            run=lambda flow_id, step_id, asked: services.force_step(
                flow_id=flow_id,
                step_id=step_id,
                outputs=asked["outputs"],
                reason=asked["reason"],
            ),
            is_danger=True,
        ),
        Act(
            name="retry",
            label="Retry now",
            capability="flow.intervene",
            consequence="It is done or undone again at once instead of later, with the same token.",
            done="It is tried again.",
            form=RetryForm,
            run=lambda flow_id, step_id, asked: services.retry_now(
                flow_id=flow_id,
                step_id=step_id,
                token=str(asked["token"]),
                reason=asked["reason"],
            ),
        ),
    )
}


def on_flow(request: HttpRequest, flow: Flow, refused: Refused | None = None) -> Iterator[Offer]:
    """Yield what the visitor may do about a flow as it is now."""
    open_acts = set()
    if not flow.is_terminal:
        open_acts = {"resume" if flow.is_paused else "pause", "cancel"}
    for act in FLOW_ACTS.values():
        if act.name in open_acts and authority.holds(request, act.capability):
            url = reverse(f"console:flow-{act.name}", args=[flow.id])
            yield offered(act, url, refused or {}, {"compensates": flow.asks_for_compensation})


def on_step(
    request: HttpRequest, flow: Flow, step_id: str, refused: Refused | None = None
) -> Iterator[Offer]:
    """Yield what the visitor may do about a step as it is now; retry, for its next item."""
    execution = flow.executions[step_id]
    waiting = next((item for item in execution.in_order() if flow.will_retry(step_id, item)), None)
    can_settle = execution.status in {StepStatus.PENDING, StepStatus.ACTIVE}
    open_acts = {"skip", "force"} if can_settle and not flow.is_terminal else set()
    if waiting is not None:
        open_acts.add("retry")
    if called_back_never(flow, step_id):
        open_acts.add("skip")
    for act in STEP_ACTS.values():
        if act.name in open_acts and authority.holds(request, act.capability):
            url = reverse(f"console:flow-step-{act.name}", args=[flow.id, step_id])
            initial = {"token": waiting.token} if act.name == "retry" and waiting else {}
            yield offered(act, url, refused or {}, initial)
