"""Approval policies: the versions of each, and what a draft would have changed.

The draft that is tried is in the URL; it changes nothing until it is saved and put into force.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from console.access import demand, signed_in
from console.fields import ScriptField
from console.forms import PolicyFilters
from console.notices import tell_refusal
from console.tabs import Tab, tab_of
from events.domain.errors import DomainError
from ledger import capabilities, selectors
from ledger.access import authority, step_up
from ledger.approving import what_if
from ledger.approving.what_if import DAYS_MAX, ENTRIES_MAX, SECONDS_MAX, Change, WhatIfReport
from ledger.domain.policy import ConditionInvalid, PolicyStatus
from ledger.models import ApprovalPolicyVersion
from ledger.models.approvals import CONDITION_CHARS_MAX
from ledger.services import approval_policies

LIST = "console:policies"
DAYS = 30
SAYS = {
    Change.NEWLY_NEEDED: "newly needs approval",
    Change.NO_LONGER_NEEDED: "no longer needs approval",
    Change.QUORUM_CHANGED: "other quorum",
}


class TrialForm(forms.Form):
    """What is tried, and on how much of the past."""

    condition = ScriptField(
        required=False,
        strip=False,
        max_length=CONDITION_CHARS_MAX,
        label="Condition",
        help_text="CEL over the facts of an action. Leave empty to always apply.",
        widget=forms.Textarea({"rows": 6, "class": "mono", "spellcheck": "false"}),
    )
    days = forms.IntegerField(min_value=1, max_value=DAYS_MAX, label="Days")

    def __init__(self, query: QueryDict, policy: ApprovalPolicyVersion) -> None:
        data = {"condition": policy.condition, "days": DAYS, **query.dict()}
        super().__init__(data, label_suffix="")
        self.broken: ConditionInvalid | None = None

    def refuse(self, why: ConditionInvalid) -> None:
        """Say beside the condition what is wrong with it."""
        self.add_error("condition", str(why))
        self.broken = why

    def mark(self) -> None:
        """Mark what is wrong for who cannot see colours."""
        for name in self.fields.keys() & self.errors.keys():
            self.fields[name].widget.attrs |= {"aria-invalid": "true", "autofocus": True}


@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """Show the versions of policies that fit the filters, of each the one in force first."""
    demand(request, "approval_policy.read")
    form = PolicyFilters(request.GET)
    context: dict[str, Any] = {
        "form": form,
        "tabs": list(_tabs(request.GET)),
        "capabilities": capabilities.every(),
    }
    if not form.is_valid():
        return render(request, "console/ledger/policies.html", context, status=400)
    rows = form.narrowed(ApprovalPolicyVersion.objects.all())
    order = {PolicyStatus.ACTIVE: 0, PolicyStatus.DRAFT: 1, PolicyStatus.RETIRED: 2}
    found = sorted(rows, key=lambda row: (row.name, order[PolicyStatus(row.status)], -row.version))
    context |= {"rows": found, "may_try": _may(request, "draft"), "days": DAYS}
    return render(request, "console/ledger/policies.html", context)


@signed_in
def try_out(request: HttpRequest, policy_id: UUID) -> HttpResponse:
    """Show what a version, or a condition drafted for it, would have changed."""
    demand(request, "approval_policy.draft")
    policy = _policy(policy_id)
    return _page(request, policy, TrialForm(request.GET, policy))


def _page(
    request: HttpRequest, policy: ApprovalPolicyVersion, form: TrialForm, *, refused: bool = False
) -> HttpResponse:
    report = _report(policy, form) if form.is_valid() else None
    form.mark()
    context = {
        "policy": policy,
        "form": form,
        "report": report,
        "place": _place(form),
        "entries_max": ENTRIES_MAX,
        "seconds_max": int(SECONDS_MAX),
        "says": SAYS,
        "may_open": request.user.is_staff and authority.holds(request, "ledger.read"),
        **_deciding(policy),
        "is_drafted": report is not None and report.condition == policy.condition,
        "asks_password": not step_up.is_fresh(request),
        "may_activate": policy.status == PolicyStatus.DRAFT and _may(request, "activate"),
    }
    status = 400 if form.errors else 409 if refused else 200
    return render(request, "console/ledger/what_if.html", context, status=status)


@signed_in
@require_POST
def draft(request: HttpRequest, policy_id: UUID) -> HttpResponseBase:
    """Draft the next version, with the condition that was tried."""
    demand(request, "approval_policy.draft")
    policy = _policy(policy_id)
    form = TrialForm(request.POST, policy)
    # What is refused is shown again from here: in an address it would stay in histories and logs.
    if not form.is_valid():
        return _page(request, policy, form)
    terms = approval_policies.terms_of(policy, condition=form.cleaned_data["condition"])
    made = _done(request, lambda: approval_policies.draft_policy(terms=terms))
    if made is None:
        return _page(request, policy, form, refused=True)
    messages.success(request, f"Drafted {made}. It changes nothing before it is put in force.")
    return _back(made, days=form.cleaned_data["days"])


@signed_in
@require_POST
def activate(request: HttpRequest, policy_id: UUID) -> HttpResponseBase:
    """Put a draft in force; the version before it makes way."""
    demand(request, "approval_policy.activate")
    policy = _policy(policy_id)
    password = request.POST.get("password", "")
    if password and not step_up.prove(request, password):
        messages.error(request, "This is not your password.")
        return _back(policy)
    is_fresh = step_up.is_fresh(request)
    done = _done(
        request,
        lambda: approval_policies.activate_policy(policy_id=policy.pk, is_fresh=is_fresh),
    )
    if done is None:
        return _back(policy)
    messages.success(request, f"{policy} is in force.")
    return redirect("console:policies")


def _deciding(policy: ApprovalPolicyVersion) -> dict[str, Any]:
    """Return who would decide, and whether they are enough: the requester does not count."""
    quorum = policy.escalated_quorum or policy.quorum
    deciders = selectors.deciders_of(policy).count()
    return {"deciders": deciders, "quorum": quorum, "are_enough": deciders > quorum}


def _report(policy: ApprovalPolicyVersion, form: TrialForm) -> WhatIfReport | None:
    try:
        return what_if.replay(policy, **form.cleaned_data)
    except ConditionInvalid as why:
        form.refuse(why)
        return None


def _place(form: TrialForm) -> dict[str, Any] | None:
    """Return the line of the condition that cannot be read, with what comes before the place."""
    if form.broken is None:
        return None
    line, column = form.broken.facts["line"], form.broken.facts["column"]
    written = str(form["condition"].value()).splitlines()
    return {
        "line": line,
        "column": column,
        "text": "".join(written[line - 1 : line]),
        "before": " " * (column - 1),
    }


def _done(
    request: HttpRequest, act: Callable[[], ApprovalPolicyVersion]
) -> ApprovalPolicyVersion | None:
    try:
        return act()
    except DomainError as refusal:
        tell_refusal(request, refusal)
        return None


def _back(policy: ApprovalPolicyVersion, *, days: int = DAYS) -> HttpResponseBase:
    return redirect(f"{reverse('console:policy-what-if', args=[policy.pk])}?days={days}")


def _policy(policy_id: UUID) -> ApprovalPolicyVersion:
    rows = ApprovalPolicyVersion.objects.select_related("assigned_group")
    found = rows.filter(pk=policy_id).first()
    if found is None:
        raise Http404
    return found


def _tabs(query: QueryDict) -> Iterator[Tab]:
    # Beside another filter the number of all of them would be a wrong one.
    others = query.get("name") or query.get("capability")
    rows = ApprovalPolicyVersion.objects.values_list("status").annotate(Count("pk"))
    counts = {} if others else dict(rows)
    yield tab_of(LIST, query, "")
    for each in PolicyStatus:
        label = "in force" if each is PolicyStatus.ACTIVE else ""
        yield tab_of(LIST, query, each.value, count=counts.get(each.value), label=label)


def _may(request: HttpRequest, verb: str) -> bool:
    return authority.holds(request, f"approval_policy.{verb}")
