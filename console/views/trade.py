"""Bookings and invoices: the current state, and beside it the live events that led to it."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from commerce import selectors
from commerce.domain.booking.state import Status
from commerce.domain.invoices import InvoiceStatus
from commerce.domain.refunds import HOLDING
from commerce.models import Booking, Chargeback, Invoice
from console import counting
from console.access import demand_somewhere, signed_in
from console.feeds import Feed, feed
from console.forms import TradeFilters
from console.paging import page_of
from console.tabs import Tab, tab_of
from events.domain.envelope import Stream
from events.explore import Window
from ledger import selectors as ledger
from ledger.access import authority, people
from ledger.models import Approval


@signed_in
def bookings(request: HttpRequest) -> HttpResponse:
    """Show the newest bookings that fit the filters."""
    demand_somewhere(request, "booking.read")
    rows = authority.visible(Booking.objects.all(), request, "booking.read")
    return _listing(request, rows, kind="booking", states=list(Status))


@signed_in
def invoices(request: HttpRequest) -> HttpResponse:
    """Show the newest invoices that fit the filters."""
    demand_somewhere(request, "invoice.read")
    rows = authority.visible(Invoice.objects.select_related("booking"), request, "invoice.read")
    return _listing(request, rows, kind="invoice", states=list(InvoiceStatus))


@signed_in
def booking(request: HttpRequest, booking_id: UUID) -> HttpResponse:
    """Show one booking, and everything that happened to it and its invoices."""
    found = _one(Booking.objects.all(), request, "booking.read", booking_id)
    own = list(authority.visible(found.invoices.order_by("id"), request, "invoice.read"))
    streams = [("booking", str(found.id)), *(("invoice", str(each.id)) for each in own)]
    context = {
        "booking": found,
        "names": people.names_of([found.created_by]),
        "items": found.items.order_by("id"),
        "invoices": own,
        "deliveries": _if_held(request, "delivery.read", found.deliveries.order_by("id")),
        "feed": _feed(request, streams, "Events of this booking"),
    }
    return render(request, "console/bookings/detail.html", context)


@signed_in
def invoice(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Show one invoice, its payments, and everything that happened to it."""
    found = _one(Invoice.objects.select_related("booking"), request, "invoice.read", invoice_id)
    context = {
        "invoice": found,
        "lines": found.lines.order_by("position"),
        "payments": _if_held(request, "payment.read", found.payments.order_by("id")),
        "chargebacks": _if_held(request, "chargeback.read", _chargebacks_on(found)),
        "surplus_approvals": _surplus_approvals(request, found),
        "credit_notes": _if_held(request, "credit_note.read", found.credit_notes.order_by("id")),
        "documents": found.renditions.defer("content_sealed").order_by("id"),
        "providers": found.external_refs.order_by("id"),
        "may_see_booking": authority.holds(request, "booking.read", found.booking),
        "feed": _feed(request, [("invoice", str(found.id))], "Events of this invoice"),
    }
    return render(request, "console/invoices/detail.html", context)


def _listing(
    request: HttpRequest, rows: QuerySet[Any], *, kind: str, states: Sequence[str]
) -> HttpResponse:
    form = TradeFilters(request.GET, states=states)
    tabs = list(_tabs(request.GET, rows, f"console:{kind}s", states))
    context: dict[str, Any] = {"kind": kind, "form": form, "tabs": tabs}
    template = f"console/{kind}s/list.html"
    if not form.is_valid():
        return render(request, template, context, status=400)
    found, links = page_of(request.GET, form.narrowed(rows).order_by("-id"))
    context |= {"rows": found, **links}
    return render(request, template, context)


def _tabs(query: QueryDict, rows: QuerySet[Any], name: str, states: Sequence[str]) -> Iterator[Tab]:
    counts = counting.by_status(rows, states)
    yield tab_of(name, query, "", count=counting.shown(sum(counts.values())))
    for state in states:
        yield tab_of(name, query, state, count=counting.shown(counts[state]))


def _one(rows: QuerySet[Any], request: HttpRequest, capability: str, id_: UUID) -> Any:
    found = authority.visible(rows, request, capability).filter(pk=id_).first()
    if found is None:
        raise Http404
    return found


def _if_held(request: HttpRequest, capability: str, rows: QuerySet[Any]) -> list[Model] | None:
    return list(rows) if authority.holds(request, capability) else None


def _chargebacks_on(invoice: Invoice) -> QuerySet[Chargeback]:
    """Return them with what of their surplus is given back, or about to be (`given_back_cents`)."""
    holds = Q(resolution__refunds__status__in=HOLDING)
    given_back = Sum("resolution__refunds__amount_cents", filter=holds, default=0)
    rows = Chargeback.objects.filter(payment__invoice=invoice)
    rows = rows.select_related("review", "resolution").annotate(given_back_cents=given_back)
    return rows.order_by("id")


def _surplus_approvals(request: HttpRequest, invoice: Invoice) -> QuerySet[Approval]:
    """Return what was asked for to give back what came too much, as far as the visitor sees it."""
    visible = ledger.approvals_visible_to(authority.caller_of(request))
    asked = visible.filter(pk__in=selectors.surplus_approval_ids(invoice))
    return asked.order_by("-requested_at", "-pk")


def _feed(request: HttpRequest, streams: Sequence[Stream], label: str) -> Feed:
    readable = [each for each in streams if authority.may_read_stream(request, each)]
    if not readable:
        raise PermissionDenied("Your account may see this, but not what happened to it.")
    return feed(
        Window(streams=readable), label=label, empty_template="console/events/_none_in_stream.html"
    )
