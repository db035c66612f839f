from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.utils import timezone

from commerce import jobs, timetable
from commerce.models import Booking, ExternalRef, Invoice, Rendition, Slot
from commerce.services import bookings, invoices, renditions, settlement
from events import selectors
from events.ids import new_id
from ledger.services import erasures
from tests.integration.commerce.acting import names_in, work_off, work_off_all
from tests.integration.commerce.conftest import MakeBooking, bill
from tests.integration.commerce.peers import Peers
from workflows.work import registry, services
from workflows.work import selectors as work_selectors
from workflows.work.models import Schedule, Work


def run(kind: str) -> object:
    """Do one piece of work of a kind, and return its result."""
    ref = services.enqueue(kind, {})
    work_off_all(tries=1)
    return work_selectors.result_of(Work.objects.get(pk=ref.id))


def broken_copy_of(booking: Booking) -> Booking:
    """Return a booking of which no event tells, as only a database edited by hand has it."""
    broken = Booking.objects.get(pk=booking.pk)
    broken.pk = new_id()
    broken.number = f"BK-{broken.pk.hex[-12:]}"
    broken.hold_expires_at = timezone.now() + timedelta(minutes=1)
    broken.save(force_insert=True)
    return broken


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

    def test_comes_to_the_others_behind_one_that_it_cannot_handle(
        self, make_booking: MakeBooking
    ) -> None:
        over = make_booking()
        bookings.hold_booking(booking_id=over.pk, until=timezone.now() + timedelta(minutes=2))
        broken = broken_copy_of(over)

        with time_machine.travel(timezone.now() + timedelta(hours=1)):
            assert run(timetable.EXPIRE_HOLDS) is None

        assert Booking.objects.get(pk=over.pk).status == "expired"
        failed = Work.objects.get(kind=timetable.EXPIRE_HOLDS)
        assert (failed.status, str(broken.pk) in failed.last_error) == ("dead", True)

    def test_gives_up_when_one_after_the_other_fails(
        self,
        make_booking: MakeBooking,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(jobs, "FAILURES_MAX", 2)
        over = make_booking()
        bookings.hold_booking(booking_id=over.pk, until=timezone.now() + timedelta(minutes=2))
        for _ in range(3):
            broken_copy_of(over)

        with time_machine.travel(timezone.now() + timedelta(hours=1)):
            assert run(timetable.EXPIRE_HOLDS) is None

        passed_over = [each for each in caplog.messages if each == "A row was passed over."]
        assert len(passed_over) == 2
        assert Booking.objects.get(pk=over.pk).status == "on_hold"


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

    def test_comes_to_every_invoice_although_a_pass_takes_some_only(
        self,
        invoice: Invoice,
        make_booking: MakeBooking,
        peers: Peers,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(jobs, "SWEEP_MAX", 1)
        owed = [invoice, bill(make_booking())]
        for each in owed:
            settlement.ask_for_payment(invoice_id=each.pk, provider="demo")
        work_off_all()
        asked: set[UUID] = set()

        # Which one is drawn: to draw the same one forty times would take longer than we live.
        for _ in range(40):
            before = dict(ExternalRef.objects.values_list("invoice", "synced_at"))
            assert run(timetable.POLL_OPEN) == {"polled": 1}
            after = dict(ExternalRef.objects.values_list("invoice", "synced_at"))
            asked |= {pk for pk in after if after[pk] != before[pk]}
            if len(asked) == len(owed):
                break

        assert asked == {each.pk for each in owed}

    def test_leaves_a_provider_that_hangs_alone_after_a_while(
        self,
        invoice: Invoice,
        make_booking: MakeBooking,
        peers: Peers,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        owed = [invoice, *(bill(make_booking()) for _ in range(3))]
        for each in owed:
            settlement.ask_for_payment(invoice_id=each.pk, provider="demo")
        work_off_all()
        monkeypatch.setattr("commerce.conf.PROVIDER_TIMEOUT_S", 0.1)
        monkeypatch.setattr(settlement, "LOST_S_MAX", 0.15)
        peers.tell(peers.payment, hang_s=2)

        assert run(timetable.POLL_OPEN) == {"polled": 2}
        assert ExternalRef.objects.exclude(sync_error="").count() == 2

        peers.tell(peers.payment, hang_s=0)
        monkeypatch.setattr("commerce.conf.PROVIDER_TIMEOUT_S", 10)

        assert run(timetable.POLL_OPEN) == {"polled": 4}
        assert not ExternalRef.objects.exclude(sync_error="").exists()

    def test_learns_nothing_of_a_provider_from_its_own_time_being_up(
        self, invoice: Invoice, peers: Peers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
        work_off()
        short = replace(registry.get(timetable.POLL_OPEN), timeout_s=0.2)
        monkeypatch.setitem(registry._kinds, timetable.POLL_OPEN, short)
        peers.tell(peers.payment, hang_s=2)

        assert run(timetable.POLL_OPEN) is None

        timed_out = Work.objects.get(kind=timetable.POLL_OPEN)
        assert timed_out.last_error_class == "AttemptTimedOut"
        assert ExternalRef.objects.get().sync_error == ""


class TestForgetDocuments:
    def test_passes_over_what_is_kept_for_a_court(
        self, invoice: Invoice, make_booking: MakeBooking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "SWEEP_MAX", 1)
        owed = [invoice, bill(make_booking())]
        for years, each in zip((12, 11), owed, strict=True):
            renditions.generate_invoice_document(invoice_id=each.pk)
            issued_at = timezone.now() - timedelta(days=366 * years)
            Invoice.objects.filter(pk=each.pk).update(issued_at=issued_at)
        erasures.place_hold(subject=f"invoice/{invoice.pk}", reason="Case 4711")

        assert run(timetable.FORGET_DOCUMENTS) == {"forgotten": 1}

        kept = Rendition.objects.exclude(content_sealed=b"").values_list("invoice", flat=True)
        assert set(kept) == {invoice.pk}


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
