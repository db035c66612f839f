"""Jobs: the list, one job with its attempts, and actions on it."""

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console import story
from console.access import may_see
from console.dashboard import UNFINISHED
from console.forms import SHOWN, JobFilters, PageForm, ReasonForm
from console.notices import tell_refusal
from console.offers import Act, Offer, Refused, asked_of, offered
from console.paging import page_links, page_of
from console.tabs import Tab, tab_of
from console.waiting import why
from events import explore
from events.domain.errors import DomainError
from ledger.access import authority, people
from workflows.work import registry, selectors, services
from workflows.work.domain.life import OPEN, State, Trigger, states_that_allow
from workflows.work.models import Work

LIST = "console:jobs"
ATTEMPTS = selectors.ATTEMPTS_SHOWN
_UNCOUNTED = (State.DONE, State.CANCELLED, State.DISCARDED)
_SHOWS_ERROR = {State.RETRY.value, State.DEAD.value, State.POISONED.value}


_ACTS = (
    Act(
        name="retry",
        label="Retry",
        capability="job.retry",
        form=ReasonForm,
        run=services.retry,
        consequence=(
            "It is taken up again at once, with a new budget of attempts. Its token stays the "
            "same, so a receiver that has seen it can tell that this is not a second order."
        ),
        done="Taken up again.",
    ),
    Act(
        name="cancel",
        label="Cancel",
        capability="job.cancel",
        form=ReasonForm,
        run=services.cancel,
        consequence=(
            "Waiting work will not be done. Running work is asked to stop; what it has done "
            "so far stays done."
        ),
        done="Cancelled; if it was running, its worker was asked to stop.",
        is_danger=True,
    ),
    Act(
        name="discard",
        label="Discard",
        capability="job.discard",
        form=ReasonForm,
        run=services.discard,
        consequence="It is put away for good and cannot be retried. The record of it stays.",
        done="Put away for good.",
        is_danger=True,
    ),
)
_TRIGGERS = {"retry": Trigger.RE_DRIVE, "cancel": Trigger.CANCEL, "discard": Trigger.DISCARD}


@authority.requires("job.read")
def listing(request: HttpRequest) -> HttpResponse:
    """Show the newest jobs that fit the filters, with the number in each state."""
    form = JobFilters(request.GET)
    context: dict[str, Any] = {
        "form": form,
        "tabs": list(_tabs(request.GET)),
        "kinds": registry.names(),
        "shows_error": _SHOWS_ERROR,
    }
    if not form.is_valid():
        return render(request, "console/jobs/list.html", context, status=400)
    found, links = page_of(request.GET, form.narrowed(selectors.jobs()).order_by("-id"))
    context |= {"jobs": found, **links}
    if form.leaves_out:
        context["with_housekeeping"] = _with_housekeeping(request.GET)
    return render(request, "console/jobs/list.html", context)


@authority.requires("job.read")
def detail(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show one job: why it waits, its last attempts or those before, its input and result."""
    page = PageForm(request.GET)
    if not page.is_valid():
        return _page(request, _job(job_id), status=400)
    return _page(request, _job(job_id), before=page.cleaned_data["before"])


def _act(act: Act, request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    form = asked_of(act, request.POST)
    if not form.is_valid():
        return _page(request, _job(job_id), refused={act.name: form}, status=400)
    try:
        act.run(job_id, reason=form.cleaned_data["reason"])
    except DomainError as refusal:
        tell_refusal(request, refusal)
        return _page(request, _job(job_id), refused={act.name: form}, status=409)
    messages.success(request, act.done)
    return redirect("console:job", job_id)


retry, cancel, discard = (
    authority.requires(act.capability)(require_POST(partial(_act, act))) for act in _ACTS
)


def _page(
    request: HttpRequest,
    job: Work,
    *,
    before: int | None = None,
    refused: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    queue = registry.get(job.kind).queue if registry.is_known(job.kind) else None
    seen = [event for event in explore.story(job.correlation_id) if may_see(request, event)]
    attempts = selectors.latest_attempts(job.pk, before=before, limit=ATTEMPTS + 1)
    context = {
        "job": job,
        "names": people.names_of([job.principal]),
        "why": why(
            job,
            now=timezone.now(),
            queue=queue,
            is_anybody_working=bool(queue and selectors.listeners(selectors.workers())[queue]),
        ),
        "is_open": State(job.status) in OPEN,
        "attempts": attempts[-ATTEMPTS:],
        **page_links(request.GET, attempts[1].pk if len(attempts) > ATTEMPTS else None),
        "input": selectors.input_of(job),
        "has_result": job.result is not None or job.result_hash is not None,
        "result": selectors.result_of(job),
        "story": story.lines(seen),
        "offers": list(_offers(request, job, refused or {})),
        "shows_error": _SHOWS_ERROR,
    }
    return render(request, "console/jobs/detail.html", context, status=status)


def _job(job_id: UUID) -> Work:
    job = selectors.jobs().filter(id=job_id).first()
    if job is None:
        raise Http404
    return job


def _offers(request: HttpRequest, job: Work, refused: Refused) -> Iterator[Offer]:
    for act in _ACTS:
        is_part = bool(registry.whole_of(job.kind))
        possible = states_that_allow(_TRIGGERS[act.name], is_part=is_part)
        if job.status not in possible or (job.cancel_requested_at and job.status in OPEN):
            continue
        if act.run is services.retry and not registry.is_known(job.kind):
            continue  # The page says why.
        if authority.holds(request, act.capability):
            yield offered(act, reverse(f"console:job-{act.name}", args=[job.id]), refused)


def _with_housekeeping(query: QueryDict) -> str:
    changed = query.copy()
    changed.pop("before", None)
    changed["housekeeping"] = SHOWN
    return f"?{changed.urlencode()}"


def _tabs(query: QueryDict) -> Iterator[Tab]:
    counts = selectors.overview().by_state
    yield tab_of(LIST, query, "")
    for state in UNFINISHED + _UNCOUNTED:
        # Finished work is not counted: it only grows.
        is_counted = state in UNFINISHED
        yield tab_of(LIST, query, state.value, count=counts.get(state) if is_counted else None)
