"""Documents of invoices: the rendition row first, then its internal events."""

import logging
from uuid import UUID

from commerce import documents, vault
from commerce.documents import Artifact, Generator, LettersMissing
from commerce.domain.invoices import InvoiceStatus
from commerce.models import Invoice, Rendition, RenditionFormat, RenditionStatus
from commerce.services import invoices
from commerce.services.actions import action_on
from events import recorder
from events.domain.errors import NotFound, Rejected
from events.ids import new_id
from ledger import recording
from ledger.domain.action import Kind

logger = logging.getLogger(__name__)

_WITHOUT_DOCUMENT = frozenset({InvoiceStatus.DRAFT, InvoiceStatus.VOID})


class DocumentForgotten(NotFound):
    code = "document_forgotten"
    hint = "Generate another document of the invoice."

    def __init__(self, rendition_id: UUID) -> None:
        super().__init__(
            f"Document {rendition_id} is kept no longer.", document_id=str(rendition_id)
        )


class InvoiceHasNoDocument(Rejected):
    code = "invoice_has_no_document"
    hint = "Issue the invoice first."

    def __init__(self, invoice_id: UUID, status: str) -> None:
        super().__init__(
            f"Invoice {invoice_id} is {status}; no document is made of a draft or a void invoice.",
            invoice_id=str(invoice_id),
            status=status,
        )


class GeneratorFailed(Rejected):
    code = "generator_failed"
    hint = "Correct the cause, and generate it again."

    def __init__(self, invoice_id: UUID, why: str) -> None:
        super().__init__(
            f"The document of invoice {invoice_id} could not be made: {why}",
            invoice_id=str(invoice_id),
            why=why,
        )


def generate_invoice_document(
    *,
    invoice_id: UUID,
    format_: RenditionFormat = RenditionFormat.HTML,
    generator: Generator = documents.generate,
) -> Rendition:
    """Make a document of an invoice; the one before in that format becomes stale.

    :raises InvoiceNotFound: if there is no such invoice.
    :raises InvoiceHasNoDocument: if it is a draft or void.
    :raises GeneratorFailed: if it cannot be made; then nothing is stored or emitted.
    :raises LettersMissing: if it is a PDF whose font lacks a letter; likewise.
    """
    invoice = Invoice.objects.select_related("booking").filter(pk=invoice_id).first()
    if invoice is None:
        raise invoices.InvoiceNotFound(invoice_id)
    _check(invoice)
    artifact = _generated(generator, invoice, format_)
    asked = {"format": format_.value}
    action = action_on("invoice.generate_document", invoice_id, kind=Kind.EXECUTE, asked=asked)
    with recording.recorded(action) as proof:
        invoice = invoices.locked(invoice_id)
        _check(invoice)
        rendition, is_again = _bind(invoice, format_, artifact)
        proof.answers_with(rendition.pk)
        proof.says(f"Rendition {rendition.pk}, {format_.value}.")
        _emit(invoice, rendition, is_again=is_again)
    return rendition


def content_of(rendition: Rendition) -> bytes:
    """Return a document in clear. The caller has checked the capability.

    :raises DocumentForgotten: if it is kept no longer.
    """
    if not rendition.content_sealed:
        raise DocumentForgotten(rendition.pk)
    return vault.unseal_bytes(rendition.content_sealed, of=str(rendition.pk))


def _check(invoice: Invoice) -> None:
    if invoice.status in _WITHOUT_DOCUMENT:
        raise InvoiceHasNoDocument(invoice.pk, invoice.status)


def _generated(generator: Generator, invoice: Invoice, format_: RenditionFormat) -> Artifact:
    # Outside any transaction: a generator may be slow, and may be somebody else's.
    try:
        return generator(invoice, format_)
    except LettersMissing:
        raise
    except Exception as error:
        logger.exception("A document could not be made.", extra={"invoice_id": str(invoice.pk)})
        raise GeneratorFailed(invoice.pk, type(error).__name__) from error


def _bind(invoice: Invoice, format_: RenditionFormat, artifact: Artifact) -> tuple[Rendition, bool]:
    current = Rendition.objects.filter(
        invoice=invoice, format=format_, status=RenditionStatus.READY
    )
    is_again = current.update(status=RenditionStatus.STALE) > 0
    id_ = new_id()
    rendition = Rendition.objects.create(
        pk=id_,
        invoice=invoice,
        format=format_,
        status=RenditionStatus.READY,
        storage_key=f"invoices/{invoice.pk}/{id_}.{format_.value}",
        content_type=artifact.content_type,
        content_hash=artifact.content_hash,
        byte_size=len(artifact.content),
        content_sealed=vault.seal_bytes(
            artifact.content, subject=f"invoice/{invoice.pk}", of=str(id_)
        ),
    )
    return rendition, is_again


def _emit(invoice: Invoice, rendition: Rendition, *, is_again: bool) -> None:
    about = {
        "invoiceId": str(invoice.pk),
        "invoiceStatus": invoice.status,
        "invoiceType": invoices.INVOICE_TYPE,
        "renditionId": str(rendition.pk),
        "format": rendition.format,
    }
    recorder.emit(
        "invoice.rendered",
        {
            **about,
            "storageKey": rendition.storage_key,
            "contentType": rendition.content_type,
            "byteSize": rendition.byte_size,
            "contentHash": rendition.content_hash,
        },
        stream=invoices.stream_of(invoice),
        event_id=f"evt_rendition_ready_{rendition.pk}",
    )
    recorder.emit(
        "invoice.document.generated",
        {**about, "renderedBodyFormat": rendition.format, "regenerated": is_again},
        stream=invoices.stream_of(invoice),
        event_id=f"evt_document_generated_{rendition.pk}",
    )
