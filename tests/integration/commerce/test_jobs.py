from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from commerce import timetable
from commerce.models import Booking, ExternalRef, Invoice, Slot
from commerce.services import bookings, invoices, settlement
from events import selectors
from tests.integration.commerce.acting import names_in, work_off, work_off_all
from tests.integration.commerce.conftest import MakeBooking
from tests.integration.commerce.peers import Peers
from workflows.work import registry, services
from workflows.work import selectors as work_selectors
from workflows.work.models import Schedule, Work


def run(kind: str) -> object:
    """Do one piece of work of a kind, and return its result."""
    ref = services.enqueue(kind, {})
    work_off_all(tries=1)
    return work_selectors.result_of(Work.objects.get(pk=ref.id))


class TestExpireHolds:
    def test_gives_up_what_is_over_and_nothing_else(
        self, make_booking: MakeBooking, slot: Slot
    ) -> None:
        over, kept, waiting = make_booking(), make_booking(), make_booking()
        soon, later = timezone.now() + timedelta(minutes=1), timezone.now() + timedelta(hours=9)
        bookings.hold_booking(booking_id=over.pk, until=soon)
        bookings.await_payment(booking_id=waiting.pk, until=soon)
        bookings.hold_booking(booking_id=kept.pk, until=later)
        assert run(timetable.EXPIRE_HOLDS) == {"expired": 0}

        with time_machine.travel(timezone.now() + timedelta(hours=1)):
            assert run(timetable.EXPIRE_HOLDS) == {"expired": 2}
            assert run(timetable.EXPIRE_HOLDS) == {"expired": 0}

        statuses = dict(Booking.objects.values_list("pk", "status"))
        assert statuses == {over.pk: "expired", waiting.pk: "expired", kept.pk: "on_hold"}
        assert Slot.objects.get(pk=slot.pk).remaining == 8
        fact = selectors.stream_events(("booking", str(over.pk)))[-1]
        assert (fact.name, fact.data["cause"]) == ("booking.expired", "sweep")


class TestMarkOverdue:
    def test_marks_what_should_have_been_paid(self, invoice: Invoice, draft: Invoice) -> None:
        assert run(timetable.MARK_OVERDUE) == {"marked": 0}

        with time_machine.travel(timezone.now() + timedelta(days=15)):
            assert run(timetable.MARK_OVERDUE) == {"marked": 1}
            assert run(timetable.MARK_OVERDUE) == {"marked": 0}

        assert Invoice.objects.get(pk=invoice.pk).status == "overdue"
        assert names_in("invoice", invoice.pk) == ["invoice.issued", "invoice.overdue"]

    def test_refuses_one_that_has_time_left(self, invoice: Invoice) -> None:
        with pytest.raises(invoices.InvoiceNotDue):
            invoices.mark_overdue(invoice_id=invoice.pk)


class TestPollOpenSettlements:
    def test_asks_about_what_is_owed_and_known(self, invoice: Invoice, peers: Peers) -> None:
        settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        work_off()
        peers.tell(peers.payment, settle=ExternalRef.objects.get().external_id)

        assert run(timetable.POLL_OPEN) == {"polled": 1}
        assert run(timetable.POLL_OPEN) == {"polled": 0}

        assert Invoice.objects.get(pk=invoice.pk).status == "paid"


class TestTimetable:
    def test_is_laid_down_by_a_migration_and_then_the_operators(
        self, transactional_db: None, settings: object
    ) -> None:
        settings.COMMERCE_TIMETABLE = True  # type: ignore[attr-defined]
        timetable.install_defaults(plan=[])
        services.set_schedule_enabled(timetable.EXPIRE_HOLDS, enabled=False)

        timetable.install_defaults(plan=[])

        assert set(Schedule.objects.values_list("name", flat=True)) == set(timetable.EVERY)
        assert not Schedule.objects.get(name=timetable.EXPIRE_HOLDS).enabled

    def test_is_not_laid_down_by_a_flush(self, transactional_db: None, settings: object) -> None:
        settings.COMMERCE_TIMETABLE = True  # type: ignore[attr-defined]

        timetable.install_defaults()

        assert not Schedule.objects.exists()

    def test_names_kinds_that_there_are(self) -> None:
        assert set(timetable.EVERY) <= set(registry.names())
