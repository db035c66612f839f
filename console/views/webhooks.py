"""Deliveries of webhooks, with their attempts and responses, and sending one again."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from console.access import demand, signed_in
from console.delivery_forms import (
    DeliveryFilters,
)
from console.notices import tell_refusal
from console.paging import page_of
from console.tabs import Tab, tab_of
from events.domain.errors import DomainError
from ledger.access import authority
from ledger.approving.gate import ApprovalRequired
from workflows.webhooks import selectors
from workflows.webhooks.models import (
    Delivery,
    DeliveryStatus,
    Purpose,
    SubscriptionStatus,
)
from workflows.webhooks.services import sending

READS = "webhook.read"
REPLAYS = "webhook.replay"
REPLAYS_SHOWN = 50


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
        shown = sending.replay_delivery(delivery_id=delivery_id).pk
    except ApprovalRequired as required:
        return _waits(request, required)
    except selectors.DeliveryNotFound as missing:
        raise Http404 from missing
    except DomainError as refusal:
        tell_refusal(request, refusal)
    else:
        messages.success(request, "It is sent again: this is its new delivery.")
    return redirect("console:delivery", shown)


def _waits(request: HttpRequest, required: ApprovalRequired) -> HttpResponseBase:
    messages.warning(request, "Somebody else has to agree first. Then send the same again.")
    return redirect("console:approval", required.approval.pk)


def _tabs(query: QueryDict) -> Iterator[Tab]:
    for status in ("", *DeliveryStatus.values):
        yield tab_of("console:deliveries", query, status)
