"""Events about products, seats, bookings and vouchers."""

from commerce.catalogue.declaring import fact
from commerce.domain.booking.state import Status
from commerce.models import Booking
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
from events.catalogue import declare_stream
from events.domain.envelope import Stream


def _booking(stream: Stream) -> Booking | None:
    return Booking.objects.filter(pk=stream[1]).first()


declare_stream("product", meaning="One product.", read="product.read")
declare_stream("slot", meaning="The seats of one departure.", read="product.read")
declare_stream("policy", meaning="One cancellation policy.", read="policy.read")
declare_stream("booking", meaning="One booking.", read="booking.read", object_resolver=_booking)
declare_stream("voucher", meaning="One voucher.", read="voucher.read")

# Products, seats and policies

for _what in ("created", "updated", "deleted"):
    fact(
        f"product.{_what}",
        f"A product was {_what}.",
        schema=record(id=ID),
        stream="product",
        external=True,
    )
fact(
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
fact(
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

fact(
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
    fact(_name, _meaning, schema=_ADVANCED, stream="booking")
fact(
    "booking.confirmed",
    "A booking was confirmed.",
    schema=_ADVANCED,
    stream="booking",
    external=True,
    redacted=("actorId",),
)
fact(
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
fact(
    "booking.expired",
    "The hold on the seats of a booking ran out, or was given up.",
    schema=record(
        **_NUMBERED, previousStatus=_STATUS, cause=one_of("sweep", "request"), actorId=TEXT
    ),
    stream="booking",
)
fact(
    "booking.status_overridden",
    "The status of a booking was corrected by hand.",
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
fact(
    "booking.amended",
    "What is noted on a booking changed.",
    schema=record(**_NUMBERED, externalRef=TEXT, suppressNotifications=FLAG, actorId=TEXT),
    stream="booking",
)
for _what in ("added", "amended", "removed", "erased"):
    fact(
        f"booking.traveller.{_what}",
        f"A traveller of a booking was {_what}; names fields, never values.",
        schema=record(**_BOOKING, travelerId=ID, fields=TEXTS, actorId=TEXT),
        stream="booking",
    )
fact(
    "booking.documents.sent",
    "The provider took the documents of a booking; the recipient is masked but for a letter.",
    schema=record(**_NUMBERED, recipient=TEXT, deliveryId=ID, provider=TEXT, documentKeys=TEXTS),
    stream="booking",
)
fact(
    "booking.refunded",
    "Money of a booking went back.",
    schema=record(
        **_NUMBERED, previousStatus=_STATUS, refundId=ID, refundAmountCents=CENTS, reason=TEXT
    ),
    stream="booking",
)

# Vouchers

for _what in ("issued", "voided"):
    fact(
        f"voucher.{_what}",
        f"A voucher of a booked item was {_what}.",
        schema=record(voucherId=ID, bookingId=ID, itemId=ID, code=TEXT),
        stream="voucher",
    )
