"""Every event of the trade: what it means and what it carries (Voyant §2.8-2.9, Appendix A)."""

from typing import Any

from commerce.domain.booking.state import Status
from commerce.models import Booking, Invoice
from commerce.schemas import (
    CENTS,
    COUNT,
    CURRENCY,
    DATE,
    FLAG,
    ID,
    REVISION,
    TEXT,
    TEXTS,
    TIME,
    list_of,
    nullable,
    one_of,
    record,
)
from events.catalogue import declare, declare_stream
from events.domain.envelope import Category, Stream


def _booking(stream: Stream) -> Booking | None:
    return Booking.objects.filter(pk=stream[1]).first()


def _invoice(stream: Stream) -> Invoice | None:
    return Invoice.objects.filter(pk=stream[1]).first()


def _fact(name: str, meaning: str, *, schema: dict[str, Any], stream: str, **rest: Any) -> None:
    declare(name, category=Category.DOMAIN, meaning=meaning, schema=schema, stream=stream, **rest)


def _note(name: str, meaning: str, *, schema: dict[str, Any], stream: str) -> None:
    declare(name, category=Category.INTERNAL, meaning=meaning, schema=schema, stream=stream)


declare_stream("product", meaning="One product.", read="product.read")
declare_stream("slot", meaning="The seats of one departure.", read="product.read")
declare_stream("policy", meaning="One cancellation policy.", read="policy.read")
declare_stream("booking", meaning="One booking.", read="booking.read", object_resolver=_booking)
declare_stream("voucher", meaning="One voucher.", read="voucher.read")
declare_stream("invoice", meaning="One invoice.", read="invoice.read", object_resolver=_invoice)
declare_stream("document_access", meaning="Who may open one document.", read="document_access.read")
declare_stream("credit_note", meaning="One credit note.", read="credit_note.read")
declare_stream("refund", meaning="One refund.", read="refund.read")

# Products, seats and policies

for _what in ("created", "updated", "deleted"):
    _fact(
        f"product.{_what}",
        f"A product was {_what}.",
        schema=record(id=ID),
        stream="product",
        external=True,
    )
_fact(
    "availability.slot.changed",
    "The number of seats left on a departure changed.",
    schema=record(
        slotId=ID,
        productId=ID,
        startsAt=TIME,
        remainingPax=nullable(COUNT),
        unlimited=FLAG,
        source=one_of("booking", "cancel", "expire", "modify", "manual", "refresh"),
    ),
    stream="slot",
)
_fact(
    "cancellation_policy.published",
    "A version of a cancellation policy applies to bookings from now on.",
    schema=record(policyId=ID, versionId=ID, number=REVISION, currency=CURRENCY),
    stream="policy",
)

# Bookings

_STATUS = one_of(*Status)
_TERMS = record(
    versionId=ID,
    currency=CURRENCY,
    rules=list_of(
        record(
            daysBefore=COUNT,
            refundBp=COUNT,
            flatAmountCents=nullable(CENTS),
            refundType=TEXT,
            label=TEXT,
        )
    ),
)
_ITEM = record(
    itemId=ID,
    productId=ID,
    slotId=ID,
    title=TEXT,
    quantity=REVISION,
    unitAmountCents=CENTS,
    serviceDate=DATE,
    terms=nullable(_TERMS),
)
_ENTITLEMENT = record(
    outcome=one_of("evaluated", "unknown"),
    amountCents=CENTS,
    currency=CURRENCY,
    refundBp=COUNT,
    refundType=TEXT,
    reason=TEXT,
)
_BOOKING = {"bookingId": ID, "revision": REVISION, "occurredAt": TIME}
_NUMBERED = {**_BOOKING, "bookingNumber": TEXT}
_ADVANCED = record(
    **_NUMBERED,
    previousStatus=_STATUS,
    actorId=TEXT,
    suppressNotifications=FLAG,
    holdExpiresAt=nullable(TIME),
)

_fact(
    "booking.created",
    "A booking was made, as a draft.",
    schema=record(
        **_NUMBERED,
        productId=ID,
        travelerCount=REVISION,
        currency=CURRENCY,
        sellAmountCents=CENTS,
        items=list_of(_ITEM),
        externalRef=TEXT,
        suppressNotifications=FLAG,
        createdByUserId=TEXT,
    ),
    stream="booking",
)
for _name, _meaning in (
    ("booking.held", "Seats are kept for a booking until its hold ends."),
    ("booking.payment_awaited", "A booking waits for its payment."),
    ("booking.started", "A journey has begun."),
    ("booking.completed", "A journey is over."),
):
    _fact(_name, _meaning, schema=_ADVANCED, stream="booking")
_fact(
    "booking.confirmed",
    "A booking was confirmed.",
    schema=_ADVANCED,
    stream="booking",
    external=True,
    redacted=("actorId",),
)
_fact(
    "booking.cancelled",
    "A booking was cancelled; the entitlement says what its terms give back.",
    schema=record(
        **_NUMBERED,
        previousStatus=_STATUS,
        reason=TEXT,
        actorId=TEXT,
        suppressNotifications=FLAG,
        cancellationPolicyEntitlement=_ENTITLEMENT,
    ),
    stream="booking",
    external=True,
    redacted=("actorId", "reason"),
)
_fact(
    "booking.expired",
    "The hold on the seats of a booking ran out, or was given up.",
    schema=record(
        **_NUMBERED, previousStatus=_STATUS, cause=one_of("sweep", "request"), actorId=TEXT
    ),
    stream="booking",
)
_fact(
    "booking.status_overridden",
    "Somebody corrected the status of a booking by hand.",
    schema=record(
        **_NUMBERED,
        fromStatus=_STATUS,
        toStatus=_STATUS,
        reason=TEXT,
        actorId=TEXT,
        holdExpiresAt=nullable(TIME),
    ),
    stream="booking",
)
_fact(
    "booking.amended",
    "What is noted on a booking changed.",
    schema=record(**_NUMBERED, externalRef=TEXT, suppressNotifications=FLAG, actorId=TEXT),
    stream="booking",
)
for _what in ("added", "amended", "removed", "erased"):
    _fact(
        f"booking.traveller.{_what}",
        f"A traveller of a booking was {_what}; names fields, never values.",
        schema=record(**_BOOKING, travelerId=ID, fields=TEXTS, actorId=TEXT),
        stream="booking",
    )
_fact(
    "booking.documents.sent",
    "The provider took the documents of a booking; the recipient is masked but for a letter.",
    schema=record(**_NUMBERED, recipient=TEXT, deliveryId=ID, provider=TEXT, documentKeys=TEXTS),
    stream="booking",
)
_fact(
    "booking.refunded",
    "Money of a booking went back.",
    schema=record(
        **_NUMBERED, previousStatus=_STATUS, refundId=ID, refundAmountCents=CENTS, reason=TEXT
    ),
    stream="booking",
)

# Invoices

_INVOICE = {"invoiceId": ID, "invoiceNumber": TEXT, "invoiceType": TEXT, "bookingId": ID}
_RENDITION = {
    "invoiceId": ID,
    "invoiceStatus": TEXT,
    "invoiceType": TEXT,
    "renditionId": ID,
    "format": one_of("html", "json", "pdf"),
}

_fact(
    "invoice.issued",
    "An invoice has its number and is owed.",
    schema=record(**_INVOICE, totalCents=CENTS, currency=CURRENCY, skipExternalSync=FLAG),
    stream="invoice",
    external=True,
    redacted=("invoiceNumber", "bookingId", "totalCents", "currency"),
)
_fact(
    "invoice.overdue",
    "The day on which an invoice was due has passed.",
    schema=record(**_INVOICE, dueDate=DATE, balanceDueCents=CENTS),
    stream="invoice",
)
_fact(
    "invoice.voided",
    "An invoice was taken back before anything was paid on it.",
    version=2,
    schema=record(
        **_INVOICE,
        totalCents=CENTS,
        currency=CURRENCY,
        reason=TEXT,
        voidedAt=TIME,
        occurredAt=TIME,
    ),
    stream="invoice",
    external=True,
    redacted=("invoiceNumber", "bookingId", "totalCents", "currency", "reason", "voidedAt"),
)
_fact(
    "invoice.payment.recorded",
    "Money was booked on an invoice.",
    version=2,
    schema=record(
        **_INVOICE,
        paymentId=ID,
        amountCents=CENTS,
        currency=CURRENCY,
        paymentMethod=TEXT,
        status=TEXT,
        referenceNumber=TEXT,
        paymentDate=TIME,
        occurredAt=TIME,
    ),
    stream="invoice",
    external=True,
    redacted=("bookingId", "invoiceNumber", "referenceNumber"),
)
_fact(
    "invoice.settled",
    "A provider reported money that the invoice did not know yet; some may still be due.",
    schema=record(
        invoiceId=ID,
        paymentId=ID,
        provider=TEXT,
        newlyAppliedAmountCents=CENTS,
        paidCents=CENTS,
        balanceDueCents=CENTS,
    ),
    stream="invoice",
)
_note(
    "invoice.rendered",
    "A document of an invoice is stored.",
    schema=record(
        **_RENDITION, storageKey=TEXT, contentType=TEXT, byteSize=COUNT, contentHash=TEXT
    ),
    stream="invoice",
)
_note(
    "invoice.document.generated",
    "A document of an invoice is ready to be sent.",
    schema=record(**_RENDITION, renderedBodyFormat=one_of("html", "json", "pdf"), regenerated=FLAG),
    stream="invoice",
)

# Documents

_ACCESS = {"accessId": ID, "documentId": ID, "invoiceId": ID, "bookingId": ID, "grantee": TEXT}
_fact(
    "document.access.granted",
    "Somebody may open a document for a while.",
    schema=record(**_ACCESS, expiresAt=TIME),
    stream="document_access",
)
_fact(
    "document.access.revoked",
    "Somebody may not open a document any more.",
    schema=record(**_ACCESS, revokedAt=TIME),
    stream="document_access",
)

# Money back

_fact(
    "credit_note.issued",
    "An invoice was adjusted by a credit note.",
    schema=record(
        creditNoteId=ID,
        creditNoteNumber=TEXT,
        invoiceId=ID,
        bookingId=ID,
        amountCents=CENTS,
        currency=CURRENCY,
        reason=TEXT,
    ),
    stream="credit_note",
)
_REFUND = {
    "refundId": ID,
    "paymentId": ID,
    "creditNoteId": nullable(ID),
    "invoiceId": ID,
    "bookingId": ID,
    "method": TEXT,
    "amountCents": CENTS,
    "currency": CURRENCY,
}
_fact(
    "refund.requested",
    "Money is to go back; the amount is held against the payment.",
    schema=record(**_REFUND, reason=TEXT),
    stream="refund",
)
_fact(
    "refund.settled",
    "The money has gone back.",
    schema=record(**_REFUND, providerRef=TEXT),
    stream="refund",
)
_fact(
    "refund.failed",
    "The money has not gone back; the amount is free again.",
    schema=record(**_REFUND, failureReason=TEXT),
    stream="refund",
)

# Vouchers

for _what in ("issued", "voided"):
    _fact(
        f"voucher.{_what}",
        f"A voucher of a booked item was {_what}.",
        schema=record(voucherId=ID, bookingId=ID, itemId=ID, code=TEXT),
        stream="voucher",
    )
