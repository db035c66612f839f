"""Subscriptions of webhooks: the list, one with its deliveries, and what may be done with it.

A signing secret is on the page that answers who created or rotated it, and nowhere else.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import demand, signed_in
from console.delivery_forms import (
    STANDINGS,
    ReplayForm,
    SubscriptionFilters,
    SubscriptionForm,
)
from console.notices import tell_refusal
from console.offers import Act, Offer, Refused, asked_of, offered
from console.paging import page_of
from console.tabs import Tab, tab_of
from events.domain.errors import DomainError
from ledger.access import authority, people
from ledger.approving.gate import ApprovalRequired
from workflows.webhooks import selectors
from workflows.webhooks.models import Subscription, SubscriptionStatus
from workflows.webhooks.services import sending, subscriptions

LIST = "console:webhooks"
READS = "webhook.read"
REPLAYS = "webhook.replay"
MANAGES = "webhook.manage"
OFFERED = timedelta(days=7)
AGAIN = "Somebody else has to agree first. Then send the same again."

ACTS = {
    act.name: act
    for act in (
        Act(
            name="disable",
            label="Pause",
            capability=MANAGES,
            consequence="Nothing is sent until it is enabled again; events in the meantime are not "
            "sent later.",
            done="Paused.",
            form=forms.Form,
            run=subscriptions.disable_subscription,
        ),
        Act(
            name="enable",
            label="Enable",
            capability=MANAGES,
            consequence="Messages are sent again, from the next event on.",
            done="Enabled.",
            form=forms.Form,
            run=subscriptions.enable_subscription,
        ),
        Act(
            name="test",
            label="Send a test",
            capability=MANAGES,
            consequence="Sends an example of its first event, once.",
            done="This is the delivery of the test.",
            form=forms.Form,
            run=sending.send_test,
        ),
        Act(
            name="rotate-secret",
            label="Rotate the secret",
            capability=MANAGES,
            consequence="Shows a new signing secret, once. For a day messages are signed with the "
            "old one too; an older one ends at once.",
            done="",
            form=forms.Form,
            run=subscriptions.rotate_secret,
        ),
        Act(
            name="delete",
            label="Delete",
            capability=MANAGES,
            consequence="Nothing is sent any more, and its secrets are forgotten. Past deliveries "
            "stay recorded. This cannot be undone.",
            done="Deleted. Its past deliveries stay recorded.",
            form=forms.Form,
            run=subscriptions.delete_subscription,
            is_danger=True,
        ),
    )
}


@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """Show the newest subscriptions that fit the filters."""
    demand(request, READS)
    form = SubscriptionFilters(request.GET)
    sees_all = authority.holds(request, MANAGES)
    context: dict[str, Any] = {
        "form": form,
        "tabs": list(_standings(request.GET)),
        "may_manage": sees_all,
    }
    if not form.is_valid():
        return render(request, "console/webhooks/list.html", context, status=400)
    rows = form.narrowed(selectors.subscriptions(), sees_all=sees_all)
    found, links = page_of(request.GET, rows.order_by("-id"))
    context |= {"rows": found, **links}
    return render(request, "console/webhooks/list.html", context)


@signed_in
def detail(request: HttpRequest, subscription_id: UUID) -> HttpResponse:
    """Show one subscription, with forms for what may be done with it."""
    demand(request, READS)
    return _page(request, _subscription(subscription_id))


@signed_in
def new(request: HttpRequest) -> HttpResponseBase:
    """Subscribe somebody, and show the secret with which their messages are signed."""
    demand(request, MANAGES)

    def create(form: SubscriptionForm) -> HttpResponse:
        return _shown_once(request, *subscriptions.create_subscription(**form.asked()))

    return _form(request, None, create)


@signed_in
def edit(request: HttpRequest, subscription_id: UUID) -> HttpResponseBase:
    """Change where the messages of a subscription go, and which events it is sent."""
    demand(request, MANAGES)

    def save(form: SubscriptionForm) -> HttpResponseBase:
        subscriptions.update_subscription(
            subscription_id=subscription_id,
            expected_version=form.expected_version(),
            **form.asked(),
        )
        messages.success(request, "Saved.")
        return redirect("console:webhook", subscription_id)

    return _form(request, _subscription(subscription_id), save)


def _form(
    request: HttpRequest,
    known: Subscription | None,
    done_with: Callable[[SubscriptionForm], HttpResponseBase],
) -> HttpResponseBase:
    form = SubscriptionForm(request.POST or None, types=selectors.external_types(), known=known)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            status = 409
            try:
                return done_with(form)
            except ApprovalRequired as required:
                messages.warning(request, AGAIN)
                form.waits_for = required.approval.pk
            except selectors.SubscriptionNotFound as missing:
                raise Http404 from missing
            except DomainError as refusal:
                form.refuse(refusal)
    context = {"form": form, "subscription": known}
    return render(request, "console/webhooks/form.html", context, status=status)


def _act(act: Act, request: HttpRequest, subscription_id: UUID) -> HttpResponseBase:
    demand(request, act.capability)
    known = _subscription(subscription_id)
    try:
        done = act.run(subscription_id=known.pk)
    except ApprovalRequired as required:
        return _waits(request, required)
    except DomainError as refusal:
        tell_refusal(request, refusal)
        refused = {act.name: asked_of(act, request.POST)}
        return _page(request, known, refused=refused, status=409)
    if act.name == "rotate-secret":
        return _shown_once(request, *done)
    messages.success(request, act.done)
    match act.name:
        case "delete":
            return redirect(LIST)
        case "test":
            return redirect("console:delivery", done.pk)
        case _:
            return redirect("console:webhook", known.pk)


disable, enable, send_test, rotate_secret, delete = (
    signed_in(require_POST(partial(_act, act))) for act in ACTS.values()
)


@signed_in
@require_POST
def replay_range(request: HttpRequest, subscription_id: UUID) -> HttpResponseBase:
    """Send again what was given up between two moments."""
    demand(request, REPLAYS)
    found = _subscription(subscription_id)
    form = ReplayForm(request.POST)
    if not form.is_valid():
        return _page(request, found, replaying=form, status=400)
    try:
        done = sending.replay_given_up(subscription_id=found.pk, **form.cleaned_data)
    except ApprovalRequired as required:
        return _waits(request, required)
    except DomainError as refusal:
        tell_refusal(request, refusal)
        return _page(request, found, replaying=form, status=409)
    tell = messages.success if done.replayed else messages.warning
    tell(request, _describe(done))
    return redirect("console:webhook", found.pk)


def _page(
    request: HttpRequest,
    found: Subscription,
    *,
    replaying: ReplayForm | None = None,
    refused: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    latest = selectors.deliveries().filter(subscription=found).order_by("-created_at", "-id")
    context = {
        "subscription": found,
        "names": people.names_of([found.created_by]),
        "latest": list(latest[:10]),
        "form": replaying or ReplayForm(initial=_last_days()),
        "is_refused": replaying is not None,
        "may_edit": authority.holds(request, MANAGES),
        "may_replay": found.is_active and authority.holds(request, REPLAYS),
        "offers": list(_offers(request, found, refused or {})),
    }
    return render(request, "console/webhooks/detail.html", context, status=status)


def _offers(request: HttpRequest, found: Subscription, refused: Refused) -> Iterator[Offer]:
    if not authority.holds(request, MANAGES):
        return
    is_active = found.standing == SubscriptionStatus.ACTIVE
    first = ("test", "disable") if is_active else ("enable",)
    for what in (*first, "rotate-secret", "delete"):
        yield offered(ACTS[what], reverse(f"console:webhook-{what}", args=[found.pk]), refused)


def _shown_once(request: HttpRequest, found: Subscription, secret: str) -> HttpResponse:
    page = reverse("console:webhook", args=[found.pk])
    # Not the address that made it: to load that again would make another.
    context = {"subscription": found, "secret": secret, "page_of_form": page}
    response = render(request, "console/webhooks/secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _last_days() -> dict[str, str]:
    # Whole days, so that the same is asked for until the end of today: under an approval too.
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    moments = {"since": today - OFFERED, "until": today + timedelta(days=1)}
    return {name: f"{moment:%Y-%m-%dT%H:%MZ}" for name, moment in moments.items()}


def _describe(done: sending.ReplayedRange) -> str:
    if not done.replayed:
        return "No message failed in this period, or each is being sent again already."
    messages_are = "message is" if done.replayed == 1 else "messages are"
    summary = f"{done.replayed} {messages_are} sent again."
    return f"{summary} Some are left: send once more." if done.more else summary


def _waits(request: HttpRequest, required: ApprovalRequired) -> HttpResponseBase:
    messages.warning(request, AGAIN)
    return redirect("console:approval", required.approval.pk)


def _subscription(subscription_id: UUID) -> Subscription:
    try:
        return selectors.subscription(subscription_id)
    except selectors.SubscriptionNotFound as missing:
        raise Http404 from missing


def _standings(query: QueryDict) -> Iterator[Tab]:
    # Beside another filter the number of all of them would be a wrong one.
    counts = {} if query.get("url") else selectors.count_by_standing()
    yield tab_of(LIST, query, "")
    for each in STANDINGS:
        yield tab_of(LIST, query, each.value, count=counts.get(each.value))
