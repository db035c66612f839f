from typing import Any

import pytest

from commerce.documents import Artifact, LettersMissing
from commerce.models import Invoice, InvoiceLine, PaymentMethod, Rendition, RenditionFormat
from commerce.services import invoices, payments, renditions
from commerce.services.invoices import InvoiceNotFound
from commerce.services.renditions import GeneratorFailed, InvoiceHasNoDocument
from events import bus, recorder, selectors
from events.ids import new_id
from tests.integration.commerce.acting import names_in
from tests.integration.commerce.conftest import MakeBooking, bill


def failing(_invoice: Invoice, _format: RenditionFormat) -> Artifact:
    raise RuntimeError("no paper")


def of_customer(name: str, make_booking: MakeBooking) -> Invoice:
    """An invoice for a customer of that name."""
    return bill(make_booking(contact={"name": name, "email": "", "phone": ""}))


class TestLetters:
    @pytest.mark.parametrize(
        "name",
        ["Jürgen Groß", "Żaneta Kőszegi", "Ame\u0301lie O\u2019Neil", "Иван Петров", "Ελένη"],
    )
    def test_of_a_name_that_the_font_has_are_in_the_pdf(
        self, name: str, make_booking: MakeBooking
    ) -> None:
        invoice = of_customer(name, make_booking)

        made = renditions.generate_invoice_document(
            invoice_id=invoice.pk, format_=RenditionFormat.PDF
        )

        assert renditions.content_of(made).startswith(b"%PDF-")

    @pytest.mark.parametrize("name", ["李雷", "दीपक", "محمد", "דוד"])
    def test_that_cannot_be_shown_are_no_empty_boxes(
        self, name: str, make_booking: MakeBooking
    ) -> None:
        invoice = of_customer(name, make_booking)

        with pytest.raises(LettersMissing) as refused:
            renditions.generate_invoice_document(invoice_id=invoice.pk, format_=RenditionFormat.PDF)

        assert name[0] not in str(refused.value)
        assert not Rendition.objects.exists()
        html = renditions.generate_invoice_document(invoice_id=invoice.pk)
        assert name in renditions.content_of(html).decode()


class TestGenerateInvoiceDocument:
    def test_keeps_the_document_first_and_then_says_so(self, invoice: Invoice) -> None:
        kept: list[tuple[str, bool]] = []

        def note(envelope: Any) -> None:
            ready = Rendition.objects.filter(pk=envelope.data["renditionId"], status="ready")
            kept.append((envelope.name, ready.exists()))

        bus.before_commit("invoice.*", note)
        renditions.generate_invoice_document(invoice_id=invoice.pk)

        assert kept == [("invoice.rendered", True), ("invoice.document.generated", True)]

    def test_says_so_as_an_internal_fact_of_the_invoice(self, invoice: Invoice) -> None:
        rendition = renditions.generate_invoice_document(invoice_id=invoice.pk)

        fact = selectors.stream_events(("invoice", str(invoice.pk)))[-1]
        assert fact.category == "internal"
        assert fact.source == "service"
        assert fact.event_id == f"evt_document_generated_{rendition.pk}"
        assert fact.data == {
            "invoiceId": str(invoice.pk),
            "invoiceStatus": "issued",
            "invoiceType": "invoice",
            "renditionId": str(rendition.pk),
            "format": "html",
            "renderedBodyFormat": "html",
            "regenerated": False,
        }

    def test_makes_the_one_before_stale(self, invoice: Invoice) -> None:
        first = renditions.generate_invoice_document(invoice_id=invoice.pk)
        second = renditions.generate_invoice_document(invoice_id=invoice.pk)
        other = renditions.generate_invoice_document(
            invoice_id=invoice.pk, format_=RenditionFormat.JSON
        )

        statuses = dict(Rendition.objects.values_list("pk", "status"))
        assert statuses == {first.pk: "stale", second.pk: "ready", other.pk: "ready"}
        facts = selectors.stream_events(("invoice", str(invoice.pk)))
        again = [f.data["regenerated"] for f in facts if f.name == "invoice.document.generated"]
        assert again == [False, True, False]

    def test_writes_what_is_owed_and_escapes_what_was_typed(
        self, make_booking: MakeBooking
    ) -> None:
        draft = invoices.create_invoice(
            booking_id=make_booking().pk,
            lines=[
                invoices.Line(
                    description="<script>alert(1)</script>", quantity=1, unit_amount_cents=100_050
                )
            ],
        )
        invoices.issue_invoice(invoice_id=draft.pk)

        rendition = renditions.generate_invoice_document(invoice_id=draft.pk)
        content = renditions.content_of(rendition).decode()

        assert "1,000.50 EUR" in content
        assert "<script>" not in content
        assert "&lt;script&gt;" in content

    def test_keeps_and_says_nothing_when_it_cannot_be_made(self, invoice: Invoice) -> None:
        before = names_in("invoice", invoice.pk)

        with pytest.raises(GeneratorFailed) as refusal:
            renditions.generate_invoice_document(invoice_id=invoice.pk, generator=failing)

        assert refusal.value.facts["why"] == "RuntimeError"
        assert not Rendition.objects.exists()
        assert names_in("invoice", invoice.pk) == before

    def test_keeps_nothing_when_the_fact_cannot_be_recorded(
        self, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_args: Any, **_kwargs: Any) -> None:
            raise RuntimeError("the log is away")

        monkeypatch.setattr(recorder, "emit", away)
        with pytest.raises(RuntimeError):
            renditions.generate_invoice_document(invoice_id=invoice.pk)

        assert not Rendition.objects.exists()

    def test_prints_the_same_paper_twice(self, invoice: Invoice) -> None:
        InvoiceLine.objects.filter(invoice=invoice).update(description="Tour <b>& más”")
        first, second = (
            renditions.generate_invoice_document(invoice_id=invoice.pk, format_=RenditionFormat.PDF)
            for _ in range(2)
        )

        assert renditions.content_of(first).startswith(b"%PDF-")
        assert first.content_type == "application/pdf"
        assert first.content_hash == second.content_hash

    def test_refuses_drafts_and_what_is_void(self, draft: Invoice) -> None:
        with pytest.raises(InvoiceHasNoDocument):
            renditions.generate_invoice_document(invoice_id=draft.pk)
        invoices.issue_invoice(invoice_id=draft.pk)
        invoices.void_invoice(invoice_id=draft.pk, reason="Wrong")
        with pytest.raises(InvoiceHasNoDocument):
            renditions.generate_invoice_document(invoice_id=draft.pk)

    def test_refuses_an_invoice_that_is_not_there(self, db: None) -> None:
        with pytest.raises(InvoiceNotFound):
            renditions.generate_invoice_document(invoice_id=new_id())

    def test_shows_what_was_paid_meanwhile(self, invoice: Invoice) -> None:
        payments.record_payment(
            invoice_id=invoice.pk, amount_cents=4_000, currency="EUR", method=PaymentMethod.CASH
        )

        rendition = renditions.generate_invoice_document(
            invoice_id=invoice.pk, format_=RenditionFormat.JSON
        )

        assert b'"balance_due_cents": 20000' in renditions.content_of(rendition)
