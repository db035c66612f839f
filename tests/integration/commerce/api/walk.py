"""A walk through every address of the product, and what is found at each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver

from commerce.models import (
    CancellationPolicy,
    CancellationPolicyVersion,
    Chargeback,
    CreditNote,
    Delivery,
    DocumentAccess,
    Payment,
    Product,
    Refund,
    Slot,
)
from events.models import StoredEvent
from ledger.models import (
    Agent,
    Approval,
    ApprovalPolicyVersion,
    Checkpoint,
    Entry,
    LegalHold,
)
from tests.integration.commerce.api.marked import STEP, World
from workflows.flows.models import FlowSummary
from workflows.webhooks.models import Delivery as WebhookDelivery
from workflows.work.models import Work

NOBODY = UUID(int=7)
DRF_METHODS = ("get", "post", "put", "patch", "delete")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One method of one address, as it is asked for."""

    method: str
    route: str
    url: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.route}"

    @property
    def is_for_programs(self) -> bool:
        return self.route.startswith(("api/", "engine/", "webhook/"))


def calls(world: World) -> list[Call]:
    """Return every call: those that read first, those that take away last.

    :raises AssertionError: at an address of which `_places` does not say what is found there.
    """
    places = _places(world)
    found = [
        Call(method=method, route=_plain(route), url="/" + _filled(_plain(route), places))
        for route, view in _routes(get_resolver().url_patterns)
        for method in sorted(_methods(view))
    ]
    found += list(_of_the_admin())
    return sorted(found, key=lambda each: (_ORDER[each.method], each.route.endswith(_ENDS)))


_ORDER = {"GET": 0, "PUT": 1, "PATCH": 2, "POST": 3, "DELETE": 4}
_ENDS = ("/erase", "/revoke", "/redact", "/void", "/stop")


def _routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from _routes(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern), pattern.callback


def _methods(view: Any) -> set[str]:
    if (actions := getattr(view, "actions", None)) is not None:
        return {method.upper() for method in actions} - {"HEAD"}
    if (cls := getattr(view, "cls", None)) is not None:
        return {method.upper() for method in DRF_METHODS if hasattr(cls, method)}
    declared = getattr(view, "capabilities", {})
    named = {name.upper() for name in declared} if isinstance(declared, dict) else set()
    return named & set(_ORDER) or {"GET", "POST"}


def _plain(route: str) -> str:
    return route.replace("^", "").replace("/?$", "").replace("$", "")


def _filled(route: str, places: dict[str, Any]) -> str:
    url = template = ""
    rest = route.replace("(?:engine|webhook)/.*", "engine/nothing-here")
    while (match := _PARAMETER.search(rest)) is not None:
        before = rest[: match.start()]
        template += before
        assert template in places, f"say in `_places` what is to be found under {template}"
        url += f"{before}{places[template]}"
        template += "*"
        rest = rest[match.end() :]
    return url + rest


def _of_the_admin() -> Iterator[Call]:
    """What can be looked at there; what is changed there answers with the same pages."""
    for pattern in admin.site.get_urls():
        if isinstance(pattern, URLPattern):
            yield from _looked_at("admin/", pattern, object_id=NOBODY)
    histories: set[Any] = set()
    for model, page in admin.site._registry.items():
        row = model._default_manager.order_by("pk").first()
        within = f"admin/{model._meta.app_label}/{model._meta.model_name}/"
        for pattern in page.get_urls():
            if str(pattern.pattern).endswith("/history/"):
                # It has the name of a row, as the page of changes has it, and changes of Django's:
                # so once for each function that shows it.
                shown = type(page).history_view
                if row is None or shown in histories:
                    continue
                histories.add(shown)
            yield from _looked_at(within, pattern, object_id=NOBODY if row is None else row.pk)


def _looked_at(within: str, pattern: Any, *, object_id: Any) -> Iterator[Call]:
    route = _plain(str(pattern.pattern))
    if route.endswith(("add/", "delete/")) or route == "<path:object_id>/":
        return  # Nothing is shown yet; or what the page of changes shows.
    found = {"app_label": "commerce", "url": "nothing", "content_type_id": 1}
    filled = _PARAMETER.sub(lambda match: str(found.get(match[1] or match[2], object_id)), route)
    yield Call(method="GET", route=f"{within}{route}", url=f"/{within}{filled}")


def _first(model: type[models.Model]) -> Any:
    row = model._default_manager.order_by("pk").first()
    return NOBODY if row is None else row.pk


def _erasure() -> Any:
    erased = Entry.objects.filter(action_name="subject.erase").order_by("pk").first()
    return NOBODY if erased is None else erased.pk


def _places(world: World) -> dict[str, Any]:
    """Return what stands for each parameter, by what of the route comes before it."""
    flow, booking = _first(FlowSummary), world.booking.pk
    pages = {
        "webhook/": flow,
        "webhook/*/": STEP["id"],
        "webhook/*/*/": "no-token",
        "webhooks/": world.subscription_id,
        "docs/": "api",
        "events/streams/": f"booking/{booking}",
        "flows/steps/": STEP["id"],
        "flows/starts/": "marked",
        "approvals/": _first(Approval),
        "ledger/policies/": _first(ApprovalPolicyVersion),
    }
    ids = _of_the_api(world)
    shared = (
        *("events/", "jobs/", "flows/", "flows/*/steps/", "webhooks/deliveries/"),
        *("bookings/", "invoices/", "document-accesses/"),
    )
    return {
        **{f"api/v1/{begin}": value for begin, value in ids.items()},
        **{f"engine/{begin}": STEP["id"] for begin in ("health/", "step/")},
        "engine/flow/": flow,
        **{begin: ids[begin] for begin in shared},
        **pages,
    }


def _of_the_api(world: World) -> dict[str, Any]:
    event = StoredEvent.objects.order_by("pk").first()
    assert event is not None
    booking = world.booking.pk
    return {
        "events/": event.event_id,
        "streams/": f"booking/{booking}",
        "ledger/entries/": _first(Entry),
        "api-keys/": world.other_key.pk,
        "ledger/agents/": _first(Agent),
        "ledger/approvals/": _first(Approval),
        "ledger/policies/": _first(ApprovalPolicyVersion),
        "ledger/delegations/": world.delegation.pk,
        "ledger/seals/": _first(Checkpoint) if Checkpoint.objects.exists() else 1,
        "ledger/payloads/": world.payload.pk,
        "ledger/erasures/": _erasure(),
        "ledger/legal-holds/": _first(LegalHold),
        "jobs/": _first(Work),
        "job-schedules/": "walked",
        "webhooks/subscriptions/": world.subscription_id,
        "webhooks/deliveries/": _first(WebhookDelivery),
        "steps/": STEP["id"],
        "flows/": _first(FlowSummary),
        "flows/*/steps/": STEP["id"],
        "flow-starts/": "marked",
        "products/": _first(Product),
        "slots/": _first(Slot),
        "cancellation-policies/": _first(CancellationPolicy),
        "cancellation-policies/*/versions/": _first(CancellationPolicyVersion),
        "bookings/": booking,
        "bookings/*/travellers/": world.traveller.pk,
        "deliveries/": _first(Delivery),
        "invoices/": world.invoice.pk,
        "documents/": world.rendition.pk,
        "document-accesses/": _first(DocumentAccess),
        "payments/": _first(Payment),
        "chargebacks/": _first(Chargeback),
        "payment-providers/": "demo",
        "credit-notes/": _first(CreditNote),
        "refunds/": _first(Refund),
    }
