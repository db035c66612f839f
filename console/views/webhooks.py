"""Webhooks: subscriptions, deliveries with their attempts and responses, replays."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from console.access import demand, signed_in
from console.delivery_forms import (
    STANDINGS,
    DeliveryFilters,
    ReplayForm,
    SubscriptionFilters,
)
from console.paging import page_of
from console.tabs import Tab, tab_of
from events.domain.errors import DomainError
from ledger.access import authority, people
from ledger.approving.gate import ApprovalRequired
from workflows.webhooks import selectors, services
from workflows.webhooks.models import (
    Delivery,
    DeliveryStatus,
    Purpose,
    Subscription,
    SubscriptionStatus,
)

READS = "webhook.read"
REPLAYS = "webhook.replay"
MANAGES = "webhook.manage"
REPLAYS_SHOWN = 50
OFFERED = timedelta(days=7)


@signed_in
def subscriptions(request: HttpRequest) -> HttpResponse:
    """Show the newest subscriptions that fit the filters."""
    demand(request, READS)
    form = SubscriptionFilters(request.GET)
    context: dict[str, Any] = {"form": form, "tabs": list(_standings(request.GET))}
    if not form.is_valid():
        return render(request, "console/webhooks/list.html", context, status=400)
    sees_all = authority.holds(request, MANAGES)
    rows = form.narrowed(selectors.subscriptions(), sees_all=sees_all)
    found, links = page_of(request.GET, rows.order_by("-id"))
    context |= {"rows": found, **links}
    return render(request, "console/webhooks/list.html", context)


@signed_in
def subscription(request: HttpRequest, subscription_id: UUID) -> HttpResponse:
    """Show one subscription, with a form to send again what was given up."""
    demand(request, READS)
    return _page(request, _subscription(subscription_id))


@signed_in
@require_POST
def replay_range(request: HttpRequest, subscription_id: UUID) -> HttpResponseBase:
    """Send again what was given up between two moments."""
    demand(request, REPLAYS)
    found = _subscription(subscription_id)
    form = ReplayForm(request.POST)
    if not form.is_valid():
        return _page(request, found, refused=form, status=400)
    try:
        done = services.replay_given_up(subscription_id=found.pk, **form.cleaned_data)
    except ApprovalRequired as required:
        return _waits(request, required)
    except DomainError as refusal:
        messages.error(request, f"{refusal} {refusal.hint}".strip())
        return _page(request, found, refused=form, status=409)
    tell = messages.success if done.replayed else messages.warning
    tell(request, _describe(done))
    return redirect("console:webhook", found.pk)


@signed_in
def deliveries(request: HttpRequest) -> HttpResponse:
    """Show the newest deliveries that fit the filters."""
    demand(request, READS)
    form = DeliveryFilters(request.GET)
    context: dict[str, Any] = {
        "form": form,
        "tabs": list(_tabs(request.GET)),
        "event_names": [each.name for each in selectors.external_types()],
    }
    if not form.is_valid():
        return render(request, "console/webhooks/deliveries.html", context, status=400)
    rows = selectors.deliveries().select_related("subscription")
    found, links = page_of(request.GET, form.narrowed(rows))
    context |= {
        "rows": found,
        "of": selectors.subscriptions().filter(pk=form.cleaned_data["subscription"]).first(),
        **links,
    }
    return render(request, "console/webhooks/deliveries.html", context)


@signed_in
def delivery(request: HttpRequest, delivery_id: UUID) -> HttpResponse:
    """Show one delivery: what was sent, each attempt and its answer, the next try."""
    demand(request, READS)
    found = Delivery.objects.select_related("subscription").filter(pk=delivery_id).first()
    if found is None:
        raise Http404
    is_over = found.status != DeliveryStatus.PENDING
    is_sent_on = found.subscription.is_active and found.purpose != Purpose.TEST
    context = {
        "delivery": found,
        "attempts": list(found.attempts.order_by("number")),
        "again": list(found.replays.defer("body").order_by("-id")[:REPLAYS_SHOWN]),
        "payload": json.loads(found.body) if found.body else None,
        "is_pending": not is_over,
        "is_kept": found.subscription.standing != SubscriptionStatus.DELETED,
        "may_replay": is_over and is_sent_on and authority.holds(request, REPLAYS),
        "may_see_job": authority.holds(request, "job.read"),
    }
    return render(request, "console/webhooks/delivery.html", context)


@signed_in
@require_POST
def replay(request: HttpRequest, delivery_id: UUID) -> HttpResponseBase:
    """Send one message again, and show how that goes."""
    demand(request, REPLAYS)
    shown = delivery_id
    try:
        shown = services.replay_delivery(delivery_id=delivery_id).pk
    except ApprovalRequired as required:
        return _waits(request, required)
    except selectors.DeliveryNotFound as missing:
        raise Http404 from missing
    except DomainError as refusal:
        messages.error(request, f"{refusal} {refusal.hint}".strip())
    else:
        messages.success(request, "It is sent again: this is its new delivery.")
    return redirect("console:delivery", shown)


def _page(
    request: HttpRequest,
    found: Subscription,
    *,
    refused: ReplayForm | None = None,
    status: int = 200,
) -> HttpResponse:
    latest = selectors.deliveries().filter(subscription=found).order_by("-created_at", "-id")
    context = {
        "subscription": found,
        "names": people.names_of([found.created_by]),
        "latest": list(latest[:10]),
        "form": refused or ReplayForm(initial=_last_days()),
        "is_refused": refused is not None,
        "may_replay": found.is_active and authority.holds(request, REPLAYS),
        "may_manage": request.user.is_staff and authority.holds(request, MANAGES),
    }
    return render(request, "console/webhooks/detail.html", context, status=status)


def _last_days() -> dict[str, str]:
    # Whole days, so that the same is asked for until the end of today: under an approval too.
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    moments = {"since": today - OFFERED, "until": today + timedelta(days=1)}
    return {name: f"{moment:%Y-%m-%dT%H:%MZ}" for name, moment in moments.items()}


def _describe(done: services.ReplayedRange) -> str:
    if not done.replayed:
        return "No message failed in this period, or each is being sent again already."
    said = f"{done.replayed} {'message is' if done.replayed == 1 else 'messages are'} sent again."
    return f"{said} Some are left: send once more." if done.more else said


def _waits(request: HttpRequest, required: ApprovalRequired) -> HttpResponseBase:
    messages.warning(request, "Somebody else has to agree first. Then send the same again.")
    return redirect("console:approval", required.approval.pk)


def _subscription(subscription_id: UUID) -> Subscription:
    try:
        return selectors.subscription(subscription_id)
    except selectors.SubscriptionNotFound as missing:
        raise Http404 from missing


def _standings(query: QueryDict) -> Iterator[Tab]:
    # Beside another filter the number of all of them would be a wrong one.
    counts = {} if query.get("url") else selectors.count_by_standing()
    yield tab_of("console:webhooks", query, "")
    for each in STANDINGS:
        yield tab_of("console:webhooks", query, each.value, count=counts.get(each.value))


def _tabs(query: QueryDict) -> Iterator[Tab]:
    for status in ("", *DeliveryStatus.values):
        yield tab_of("console:deliveries", query, status)
