"""Sends the documents of a booking: a delivery with its job, the provider, then the event.

The row and the job are written in one transaction. The provider is called outside any, with the
token of the job, so that it sends once however often it is called. The acceptance, the event
`booking.documents.sent` and the completion of the job are one transaction again.
"""

from base64 import b64encode
from typing import Any
from uuid import UUID

from django.utils import timezone

from commerce import projections, selectors, vault
from commerce.domain import undoing
from commerce.domain.booking.messages import NoteDocumentsSent
from commerce.domain.booking.refusals import BookingNotFound
from commerce.domain.masking import mask_address, mask_email
from commerce.models import Booking, Delivery, DeliveryStatus, Rendition, RenditionFormat
from commerce.ports import mail
from commerce.ports.mail import Message
from commerce.services import bookings
from commerce.services.actions import action_on
from commerce.services.renditions import content_of
from events.domain.errors import Rejected
from events.ids import new_id
from events.sourcing import executor
from ledger import recording
from ledger.domain.action import Kind
from ledger.privacy import subjects
from workflows.work import queue
from workflows.work.domain.claim import Claim

SEND_DOCUMENTS = "commerce.send_documents"

_OVER = frozenset({DeliveryStatus.SENT, DeliveryStatus.CANCELLED})
"""A failed one is not over: somebody may take its work up again."""

_WORST_FIRST = (RenditionFormat.JSON, RenditionFormat.HTML, RenditionFormat.PDF)


class NoDocuments(Rejected):
    code = "no_documents"
    hint = "Issue an invoice for the booking first."

    def __init__(self, booking_id: UUID) -> None:
        super().__init__(f"Booking {booking_id} has nothing to send.", booking_id=str(booking_id))


class NoAttachments(Rejected):
    code = "no_attachments"
    hint = "Generate the documents of its invoices first."

    def __init__(self, booking_id: UUID) -> None:
        super().__init__(
            f"No document of booking {booking_id} is ready.", booking_id=str(booking_id)
        )


class NoRecipient(Rejected):
    code = "no_recipient"
    hint = "Give a recipient, or an e-mail address with the booking."

    def __init__(self, booking_id: UUID) -> None:
        super().__init__(
            f"Booking {booking_id} has no recipient.",
            pointer="/recipient",
            booking_id=str(booking_id),
        )


class NotificationsSuppressed(Rejected):
    code = "notifications_suppressed"
    hint = "Set `notifications_suppressed` of the booking to false first."

    def __init__(self, booking_id: UUID) -> None:
        super().__init__(
            f"Nothing is to be sent for booking {booking_id}.", booking_id=str(booking_id)
        )


def send_booking_documents(*, booking_id: UUID, recipient: str = "") -> Delivery:
    """Have the documents of a booking sent to `recipient`, or to the contact of the booking.

    :raises BookingNotFound: if there is no such booking.
    :raises NotificationsSuppressed: if the customer is to be left alone.
    :raises NoDocuments, NoAttachments: if there is nothing to send, or not yet.
    :raises NoRecipient: if there is no address.
    """
    delivery_id = new_id()
    name = "booking.send_documents"
    # Empty stands for the contact of the booking; another address is personal data.
    asked = {"recipient": subjects.fingerprint_of(recipient, of=name) if recipient else ""}
    action = action_on(name, booking_id, kind=Kind.EXECUTE, asked=asked)
    with recording.recorded(action) as proof:
        booking = Booking.objects.select_for_update(no_key=True).filter(pk=booking_id).first()
        if booking is None:
            raise BookingNotFound(str(booking_id))
        renditions = _bundle(booking)
        to = recipient or _address_of(booking_id)
        if not to:
            raise NoRecipient(booking_id)
        work = queue.enqueue(
            SEND_DOCUMENTS,
            subject=f"booking/{booking_id}",
            input={"deliveryId": str(delivery_id)},
        )
        delivery = Delivery.objects.create(
            pk=delivery_id,
            booking=booking,
            provider=mail.PROVIDER,
            recipient_sealed=vault.seal(
                {"to": to}, subject=f"contact/{booking_id}", of=str(delivery_id)
            ),
            recipient_masked=mask_email(to),
            recipient_index=subjects.index_of(to),
            subject=f"Documents of your booking {booking.number}",
            document_keys=[rendition.storage_key for rendition in renditions],
            status=DeliveryStatus.PENDING,
            work_id=work.id,
        )
        proof.answers_with(delivery_id)
        # The address is personal: how many documents go out is not.
        proof.says(f"Delivery {delivery_id} of {len(renditions)} documents.")
        proof.cannot_be_undone(
            "What was sent cannot be called back.", follow_ups=(undoing.SEND_CORRECTION,)
        )
    return delivery


def deliver(*, claim: Claim) -> dict[str, Any]:
    """Hand a delivery to the mail service and note that it took it. The job of SEND_DOCUMENTS.

    :raises PeerUnavailable: if the mail service is in trouble: worth another try.
    :raises PeerRefused, PeerMissing: if it will never take it.
    """
    delivery = Delivery.objects.select_related("booking").get(pk=claim.input["deliveryId"])
    if delivery.status in _OVER:
        return _result(delivery)
    message_id = mail.send(_message(delivery), key=claim.token)
    return _note_sent(delivery, message_id, claim)


def note_failed(*, work_id: UUID, error: str) -> None:
    """Give a delivery up, in the transaction that puts its work with the dead letters."""
    pending = Delivery.objects.filter(work_id=work_id, status=DeliveryStatus.PENDING)
    pending.update(status=DeliveryStatus.FAILED, failed_at=timezone.now(), error=error)


def note_cancelled(*, work_id: UUID) -> None:
    """Cancel a delivery, in the transaction that cancels its work."""
    pending = Delivery.objects.filter(work_id=work_id, status=DeliveryStatus.PENDING)
    pending.update(status=DeliveryStatus.CANCELLED)


def _address_of(booking_id: UUID) -> str:
    contact = selectors.contact_of(booking_id)
    # Opened for sending: the message goes to the person themselves.
    return "" if contact is None else str(contact.open().get("email", ""))


def _bundle(booking: Booking) -> list[Rendition]:
    if booking.notifications_suppressed:
        raise NotificationsSuppressed(booking.pk)
    if not selectors.has_sendable_invoices(booking.pk):
        raise NoDocuments(booking.pk)
    # One document per invoice, of the best format there is: the last one stays.
    chosen = {
        rendition.invoice_id: rendition
        for rendition in sorted(selectors.sendable_documents(booking.pk), key=_attachment_rank)
    }
    if not chosen:
        raise NoAttachments(booking.pk)
    return [chosen[invoice_id] for invoice_id in sorted(chosen)]


def _attachment_rank(rendition: Rendition) -> int:
    return _WORST_FIRST.index(RenditionFormat(rendition.format))


def _message(delivery: Delivery) -> Message:
    renditions = Rendition.objects.filter(storage_key__in=delivery.document_keys)
    to = vault.unseal(delivery.recipient_sealed, of=str(delivery.pk))["to"]
    return Message(
        to=to,
        subject=delivery.subject,
        text=f"Enclosed are the documents of your booking {delivery.booking.number}.",
        attachments=tuple(
            {
                "name": rendition.storage_key.rpartition("/")[2],
                "content_type": rendition.content_type,
                "content_base64": b64encode(content_of(rendition)).decode(),
            }
            for rendition in renditions.order_by("storage_key")
        ),
    )


def _note_sent(delivery: Delivery, message_id: str, claim: Claim) -> dict[str, Any]:
    now = timezone.now()
    action = action_on(
        "delivery.note_sent", delivery.pk, kind=Kind.EXECUTE, capability="delivery.note"
    )
    with recording.recorded(action):
        bookings.lock_booking(delivery.booking_id)
        delivery = Delivery.objects.select_for_update().get(pk=delivery.pk)
        delivery.status = DeliveryStatus.SENT
        delivery.sent_at = now
        delivery.failed_at, delivery.error = None, ""
        delivery.provider_message_id = message_id
        delivery.save()
        executor.execute_in_transaction(
            projections.BOOKING,
            projections.stream_of(delivery.booking_id),
            NoteDocumentsSent(
                delivery_id=str(delivery.pk),
                # The log keeps it for ever, and a domain may be a person's own.
                recipient=mask_address(delivery.recipient_masked),
                provider=delivery.provider,
                document_keys=tuple(delivery.document_keys),
                at=now,
            ),
        )
        result = _result(delivery)
        # Last, and under the fence: a worker that lost its lease undoes all of the above.
        queue.complete(claim, result)
    return result


def _result(delivery: Delivery) -> dict[str, Any]:
    return {
        "deliveryId": str(delivery.pk),
        "status": delivery.status,
        "providerMessageId": delivery.provider_message_id,
    }
