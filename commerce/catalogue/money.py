"""Events about invoices, their documents, payments and refunds."""

from commerce.catalogue.declaring import fact, note
from commerce.models import Invoice
from commerce.schemas import (
    CENTS,
    COUNT,
    CURRENCY,
    DATE,
    FLAG,
    ID,
    TEXT,
    TIME,
    nullable,
    one_of,
    record,
)
from events.catalogue import declare_stream
from events.domain.envelope import Stream


def _invoice(stream: Stream) -> Invoice | None:
    return Invoice.objects.filter(pk=stream[1]).first()


declare_stream("invoice", meaning="One invoice.", read="invoice.read", object_resolver=_invoice)
declare_stream("document_access", meaning="Who may open one document.", read="document_access.read")
declare_stream("credit_note", meaning="One credit note.", read="credit_note.read")
declare_stream("chargeback", meaning="One chargeback.", read="chargeback.read")
declare_stream("refund", meaning="One refund.", read="refund.read")

# Invoices

_INVOICE = {"invoiceId": ID, "invoiceNumber": TEXT, "invoiceType": TEXT, "bookingId": ID}
_RENDITION = {
    "invoiceId": ID,
    "invoiceStatus": TEXT,
    "invoiceType": TEXT,
    "renditionId": ID,
    "format": one_of("html", "json", "pdf"),
}

fact(
    "invoice.issued",
    "An invoice has its number and is owed.",
    schema=record(
        # Events from before there was one have none.
        ("linesFingerprint",),
        **_INVOICE,
        totalCents=CENTS,
        currency=CURRENCY,
        skipExternalSync=FLAG,
        linesFingerprint=TEXT,
    ),
    stream="invoice",
    external=True,
    redacted=("invoiceNumber", "bookingId", "totalCents", "currency", "linesFingerprint"),
)
fact(
    "invoice.overdue",
    "The day on which an invoice was due has passed.",
    schema=record(**_INVOICE, dueDate=DATE, balanceDueCents=CENTS),
    stream="invoice",
)
fact(
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
fact(
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
fact(
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
note(
    "invoice.rendered",
    "A document of an invoice is stored.",
    schema=record(
        **_RENDITION, storageKey=TEXT, contentType=TEXT, byteSize=COUNT, contentHash=TEXT
    ),
    stream="invoice",
)
note(
    "invoice.document.generated",
    "A document of an invoice is ready to be sent.",
    schema=record(**_RENDITION, renderedBodyFormat=one_of("html", "json", "pdf"), regenerated=FLAG),
    stream="invoice",
)

# Documents

_ACCESS = {"accessId": ID, "documentId": ID, "invoiceId": ID, "bookingId": ID, "grantee": TEXT}
fact(
    "document.access.granted",
    "Temporary access to a document was granted.",
    schema=record(**_ACCESS, expiresAt=TIME),
    stream="document_access",
)
fact(
    "document.access.revoked",
    "An access to a document was revoked.",
    schema=record(**_ACCESS, revokedAt=TIME),
    stream="document_access",
)

# Money back

fact(
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
    "surplusOf": nullable(ID),
    "invoiceId": ID,
    "bookingId": ID,
    "method": TEXT,
    "amountCents": CENTS,
    "currency": CURRENCY,
}
fact(
    "refund.requested",
    "Money is to go back; the amount is held against the payment.",
    schema=record(**_REFUND, reason=TEXT),
    stream="refund",
)
fact(
    "refund.settled",
    "The refund succeeded.",
    schema=record(**_REFUND, providerRef=TEXT),
    stream="refund",
)
fact(
    "refund.failed",
    "The refund failed; its amount can be refunded again.",
    schema=record(**_REFUND, failureReason=TEXT),
    stream="refund",
)

fact(
    "chargeback.noted",
    "A provider charged a payment back; the part of the claim beyond what was left is disputed.",
    schema=record(
        chargebackId=ID,
        paymentId=ID,
        invoiceId=ID,
        bookingId=ID,
        provider=TEXT,
        providerRef=TEXT,
        claimedCents=CENTS,
        chargedBackCents=CENTS,
        disputedCents=CENTS,
        currency=CURRENCY,
        reason=TEXT,
        occurredAt=TIME,
    ),
    stream="chargeback",
)
fact(
    "invoice.payment.charged_back",
    "Money that was booked on an invoice was taken back; it is owed again.",
    schema=record(
        **_INVOICE,
        paymentId=ID,
        chargebackId=ID,
        amountCents=CENTS,
        currency=CURRENCY,
        status=TEXT,
        paidCents=CENTS,
        balanceDueCents=CENTS,
    ),
    stream="invoice",
)
fact(
    "chargeback.under_review",
    "A chargeback was disputed, and is under review.",
    schema=record(
        chargebackId=ID,
        paymentId=ID,
        invoiceId=ID,
        bookingId=ID,
        provider=TEXT,
        providerRef=TEXT,
        reason=TEXT,
        occurredAt=TIME,
    ),
    stream="chargeback",
)
fact(
    "chargeback.resolved",
    "It is decided who keeps what was charged back; what comes back is booked as a payment.",
    schema=record(
        chargebackId=ID,
        paymentId=ID,
        invoiceId=ID,
        bookingId=ID,
        provider=TEXT,
        providerRef=TEXT,
        status=one_of("won", "lost", "withdrawn"),
        chargedBackCents=CENTS,
        disputedCents=CENTS,
        returnedCents=CENTS,
        surplusCents=CENTS,
        returnedPaymentId=nullable(ID),
        currency=CURRENCY,
        reason=TEXT,
        occurredAt=TIME,
    ),
    stream="chargeback",
)
