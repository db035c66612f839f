"""The inbox of approvals: requests that wait for the visitor's decision, and one in detail."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from console import addresses
from console.access import demand, signed_in
from console.forms import ApprovalFilters
from console.paging import page_of
from console.tabs import tab_of
from events.domain.errors import DomainError
from ledger import selectors
from ledger.access import authority, people, step_up
from ledger.approving import asking, staleness, steps, voting
from ledger.disclosure import free_texts
from ledger.domain.action import UNKNOWN_TARGET, Kind
from ledger.domain.approval import (
    COMMENT_CHARS_MAX,
    ApprovalStatus,
    Decision,
    StepUpRequired,
)
from ledger.domain.capability import Risk
from ledger.domain.payload import PayloadKind
from ledger.models import Approval, Entry
from ledger.services import approvals

LIST = "console:approvals"
ROWS = 50


class DecisionForm(forms.Form):
    """What somebody decides and why; of what is critical, the password again."""

    decision = forms.ChoiceField(choices=[(each.value, each.value) for each in Decision])
    comment = forms.CharField(
        max_length=COMMENT_CHARS_MAX,
        error_messages={"required": "Give a reason; it is kept with the entry."},
    )
    password = forms.CharField(required=False, strip=False, max_length=1000)


@signed_in
def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits for the visitor, and the newest requests that fit the filters."""
    demand(request, "approval.read")
    caller = authority.caller_of(request)
    waiting = list(selectors.approvals_to_decide(caller)[: ROWS + 1])
    form = ApprovalFilters(request.GET)
    is_valid = form.is_valid()
    visible = selectors.approvals_visible_to(caller)
    rows = form.narrowed(visible) if is_valid else visible.none()
    latest, links = page_of(request.GET, rows)
    shown = [*waiting[:ROWS], *latest]
    context: dict[str, Any] = {
        "form": form,
        "tabs": [tab_of(LIST, request.GET, state) for state in ("", *ApprovalStatus)],
        "waiting": waiting[:ROWS],
        "more_wait": len(waiting) > ROWS,
        "latest": latest,
        "names": people.names_of(row.requested_by for row in shown),
        "targets": _targets(shown),
        **links,
    }
    return render(request, "console/approvals/list.html", context, status=200 if is_valid else 400)


@signed_in
def detail(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Show one request: what is asked for, how its target was found, who said what."""
    return _page(request, _visible(request, approval_id), DecisionForm())


@signed_in
@require_POST
def decide(request: HttpRequest, approval_id: UUID) -> HttpResponseBase:
    """Approve or deny, through the service that every path goes through."""
    row = _visible(request, approval_id)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, row, form, status=400)
    password = form.cleaned_data["password"]
    if password and not step_up.prove(request, password):
        form.add_error("password", "This is not your password.")
        return _page(request, row, form, status=400)
    try:
        row = approvals.decide_approval(
            approval_id=row.pk,
            decision=form.cleaned_data["decision"],
            comment=form.cleaned_data["comment"],
            decider=authority.caller_of(request),
            is_fresh=step_up.is_fresh(request),
        )
    except StepUpRequired:
        form.add_error("password", "Enter your password to decide a critical request.")
        return _page(request, row, form, status=400)
    except DomainError as refusal:
        message = refusal.sentences
        if _may_decide(request, row):
            messages.error(request, message)
            return _page(request, row, form, status=409)
        messages.error(request, f"{message} Your decision and its reason were not kept.")
    else:
        messages.success(request, f"Your decision is recorded: it is {row.status}.")
    return redirect("console:approval", approval_id=row.pk)


def _visible(request: HttpRequest, approval_id: UUID) -> Approval:
    rows = selectors.approvals_visible_to(authority.caller_of(request))
    row = rows.filter(pk=approval_id).first()
    if row is None:
        raise Http404
    return row


def _may_decide(request: HttpRequest, row: Approval) -> bool:
    caller = authority.caller_of(request)
    return selectors.approvals_to_decide(caller).filter(pk=row.pk).exists()


def _targets(rows: Collection[Approval]) -> dict[UUID, str]:
    """Return what each request is about, in words where no single thing is named."""
    unnamed = [row.requested_entry_id for row in rows if row.target_id == UNKNOWN_TARGET]
    made = Entry.objects.filter(pk__in=unnamed, action_kind=Kind.CREATE)
    to_be_made = set(made.values_list("pk", flat=True)) if unnamed else set()
    return {row.pk: _target(row, is_new=row.requested_entry_id in to_be_made) for row in rows}


def _target(row: Approval, *, is_new: bool) -> str:
    if row.target_id != UNKNOWN_TARGET:
        return f"{row.target_type} {row.target_id}"
    return f"{'a new' if is_new else 'any'} {row.target_type.replace('_', ' ')}"


def _page(
    request: HttpRequest, row: Approval, form: DecisionForm, *, status: int = 200
) -> HttpResponse:
    may_decide = _may_decide(request, row)
    done = steps.execution_of(row.pk)
    may_be_done = done is None and row.status in {ApprovalStatus.PENDING, ApprovalStatus.APPROVED}
    votes = list(row.votes.select_related("entry__remark").order_by("created_at"))
    # What is final was counted when it became so.
    lapsed = voting.lapsed(row) if row.status == ApprovalStatus.PENDING else frozenset()
    agreed = [vote for vote in votes if vote.decision == Decision.APPROVE]
    context: dict[str, Any] = {
        "approval": row,
        "form": form,
        "votes": [
            (vote, free_texts.redacted_for(vote.comment, request), vote.human in lapsed)
            for vote in votes
        ],
        "agreed": sum(vote.human not in lapsed for vote in agreed),
        "names": people.names_of([row.requested_by, *(vote.principal for vote in votes)]),
        "reason": free_texts.redacted_for(row.reason, request),
        "snapshot": asking.content_of(row.requested_entry_id, PayloadKind.TARGET_SNAPSHOT),
        "target": _targets([row])[row.pk],
        "target_url": addresses.page_of_target(row.target_type, row.target_id),
        "input": asking.content_of(row.requested_entry_id, PayloadKind.COMMAND_INPUT),
        "undone": Entry.objects.get(pk=undone) if (undone := steps.undone_by(row)) else None,
        "may_preview_undoing": request.user.is_staff and authority.holds(request, "ledger.read"),
        "done": done,
        "is_stale": may_be_done and staleness.is_stale(row),
        "has_other_rules": may_be_done and not staleness.is_policy_in_force(row),
        "may_decide": may_decide,
        "waits_for_others": row.status == ApprovalStatus.PENDING and not may_decide,
        "asks_password": row.risk == Risk.CRITICAL and not step_up.is_fresh(request),
    }
    return render(request, "console/approvals/detail.html", context, status=status)
