"""From what a chargeback follows, where it is told, and that it changes nothing before it."""

import pytest

from commerce.models import Payment
from commerce.services import refunds
from ledger import timelines
from ledger.domain.action import Target
from ledger.models import Entry
from tests.integration.commerce.charging_back import give_back, note
from tests.integration.commerce.undoing import entry_of

pytestmark = pytest.mark.django_db(transaction=True)


class TestChain:
    """ADR 0034: a chargeback is caused by what gave money back before it, and amends nothing."""

    def test_follows_from_the_refund_and_not_from_its_settlement(self, captured: Payment) -> None:
        refund = give_back(captured, 12_000)
        refunds.settle_refund(refund_id=refund.pk)

        entry = entry_of("chargeback.note", note(captured).pk)

        requested = entry_of("refund.request", refund.pk)
        assert (entry.causation_id, entry.amends_id) == (str(requested.pk), None)
        chain = timelines.chain_of(requested)
        assert entry.pk in [each.pk for each in chain.causes]
        assert chain.amended_by == []

    def test_follows_from_the_capture_where_nothing_was_given_back(self, captured: Payment) -> None:
        failed = give_back(captured, 1_000)
        refunds.fail_refund(refund_id=failed.pk, reason="The account is closed")

        entry = entry_of("chargeback.note", note(captured).pk)

        capture = entry_of("payment.capture", captured.pk)
        assert (entry.causation_id, entry.amends_id) == (str(capture.pk), None)
        assert entry.mutation.reverses_id == capture.pk

    def test_follows_from_the_chargeback_before_it(self, captured: Payment) -> None:
        first = note(captured, 4_000, "cb_1")
        second = note(captured, 4_000, "cb_2")

        before = entry_of("chargeback.note", first.pk)
        assert entry_of("chargeback.note", second.pk).causation_id == str(before.pk)

    def test_leaves_the_entries_before_it_as_they_were(self, captured: Payment) -> None:
        give_back(captured, 12_000)
        before = dict(Entry.objects.values_list("pk", "digest"))

        note(captured)

        assert before.items() <= dict(Entry.objects.values_list("pk", "digest")).items()
        assert not Entry.objects.exclude(amends=None).exists()

    def test_is_in_the_timelines_of_booking_invoice_and_payment(self, captured: Payment) -> None:
        entry = entry_of("chargeback.note", note(captured).pk)

        for type_, id_ in (
            ("booking", captured.invoice.booking_id),
            ("invoice", captured.invoice_id),
            ("payment", captured.pk),
        ):
            entries = timelines.timeline_of([Target(type=type_, id=str(id_))])
            assert entry.pk in entries.values_list("pk", flat=True), type_
