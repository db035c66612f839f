"""The booking aggregate: given what happened, when something is asked, then …"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from commerce.domain.booking.decisions import REQUEST, SWEEP, decide
from commerce.domain.booking.evolution import fold
from commerce.domain.booking.messages import (
    Advance,
    AmendBooking,
    BookingAdvanced,
    BookingCancelled,
    CancelBooking,
    ChangeRoster,
    Command,
    CreateBooking,
    Event,
    ExpireBooking,
    NoteDocumentsSent,
    NoteRefund,
    OverrideStatus,
    RosterChange,
)
from commerce.domain.booking.refusals import (
    BookingEmpty,
    BookingExists,
    BookingNotFound,
    HoldNeedsAnEnd,
    HoldNotOver,
    InvalidTransition,
    OverrideNotNeeded,
    OverrideReasonMissing,
    PaymentOutstanding,
    RosterClosed,
    RosterFull,
    TravellerNotOnBooking,
)
from commerce.domain.booking.state import TRANSITIONS, Booking, Item, Status
from commerce.domain.cancellation import RefundType, Rule, Terms

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
NEW = Booking(id="b1")
TERMS = Terms(
    version_id="v1",
    currency="EUR",
    rules=(
        Rule(days_before=10, refund_bp=5_000, refund_type=RefundType.CASH),
        Rule(days_before=0),
    ),
)
ITEM = Item(
    id="i1",
    product_id="p1",
    slot_id="s1",
    title="Sail",
    quantity=2,
    unit_amount_cents=5_000,
    service_date=date(2026, 3, 21),
    terms=TERMS,
)
CREATE = CreateBooking(
    number="BK-1",
    currency="EUR",
    pax=2,
    items=(ITEM,),
    external_ref="",
    notifications_suppressed=False,
    actor="user:7",
    at=NOON,
)


def advance(to: Status, *, until: datetime | None = None, outstanding: int = 0) -> Advance:
    return Advance(
        to=to, actor="user:7", at=NOON, hold_expires_at=until, outstanding_cents=outstanding
    )


def override(to: Status, *, reason: str = "Mistake", until: datetime | None = None) -> Command:
    return OverrideStatus(to=to, reason=reason, actor="user:7", at=NOON, hold_expires_at=until)


def cancel() -> CancelBooking:
    return CancelBooking(reason="Rain", actor="user:7", at=NOON)


def roster(change: RosterChange, traveller: str = "t1") -> ChangeRoster:
    return ChangeRoster(traveller_id=traveller, change=change, actor="user:7", at=NOON)


def after(*commands: Command) -> Booking:
    """Return the booking that these commands made."""
    booking = NEW
    for command in commands:
        booking = fold(decide(booking, command), start=booking)
    return booking


def in_status(status: Status) -> Booking:
    """Return a booking in a status, by whatever way."""
    booking = after(CREATE)
    return replace(booking, status=status)


class TestCreate:
    def test_makes_a_draft(self) -> None:
        booking = after(CREATE)

        assert (booking.status, booking.revision) == (Status.DRAFT, 1)
        assert booking.amount_cents == 10_000
        assert booking.service_date == date(2026, 3, 21)

    def test_happens_once(self) -> None:
        with pytest.raises(BookingExists):
            decide(after(CREATE), CREATE)

    def test_needs_something_and_somebody(self) -> None:
        with pytest.raises(BookingEmpty):
            decide(NEW, replace(CREATE, items=()))
        with pytest.raises(BookingEmpty):
            decide(NEW, replace(CREATE, pax=0))

    def test_comes_before_everything_else(self) -> None:
        with pytest.raises(BookingNotFound):
            decide(NEW, cancel())


class TestTransitions:
    @pytest.mark.parametrize("status", list(Status))
    @pytest.mark.parametrize("to", [*Status])
    def test_are_exactly_those_of_the_table(self, status: Status, to: Status) -> None:
        command: Command
        match to:
            case Status.CANCELLED:
                command = cancel()
            case Status.EXPIRED:
                command = ExpireBooking(cause=REQUEST, actor="user:7", at=NOON)
            case Status.DRAFT:
                command = override(to)  # Nothing leads back there but a correction.
            case _:
                command = advance(to, until=LATER)

        if to in TRANSITIONS[status] or (to is Status.DRAFT and status is not to):
            [event] = decide(in_status(status), command)
            assert fold([event], start=in_status(status)).status is to
        else:
            with pytest.raises(InvalidTransition):
                decide(in_status(status), command)

    def test_stamp_what_they_reach(self) -> None:
        booking = after(
            CREATE,
            advance(Status.AWAITING_PAYMENT, until=LATER),
            advance(Status.CONFIRMED),
            advance(Status.IN_PROGRESS),
            advance(Status.COMPLETED),
        )

        assert booking.awaiting_payment_at == booking.confirmed_at == NOON
        assert booking.paid_at == booking.started_at == booking.completed_at == NOON
        assert booking.hold_expires_at is None
        assert booking.revision == 5

    def test_say_paid_only_after_a_payment_was_awaited(self) -> None:
        assert after(CREATE, advance(Status.CONFIRMED)).paid_at is None

    @pytest.mark.parametrize("until", [None, NOON, NOON - timedelta(seconds=1)])
    @pytest.mark.parametrize("to", [Status.ON_HOLD, Status.AWAITING_PAYMENT])
    def test_keep_seats_only_with_an_end_that_is_to_come(
        self, to: Status, until: datetime | None
    ) -> None:
        with pytest.raises(HoldNeedsAnEnd):
            decide(after(CREATE), advance(to, until=until))

    def test_wait_for_the_payment_that_is_awaited(self) -> None:
        waiting = after(CREATE, advance(Status.AWAITING_PAYMENT, until=LATER))

        with pytest.raises(PaymentOutstanding):
            decide(waiting, advance(Status.CONFIRMED, outstanding=1))
        [event] = decide(waiting, advance(Status.CONFIRMED, outstanding=0))
        assert isinstance(event, BookingAdvanced)

    def test_do_not_ask_for_a_payment_that_nobody_awaits(self) -> None:
        assert decide(after(CREATE), advance(Status.CONFIRMED, outstanding=10_000))


class TestCancel:
    def test_works_out_what_the_agreed_terms_give_back(self) -> None:
        [event] = decide(after(CREATE, advance(Status.CONFIRMED)), cancel())

        assert isinstance(event, BookingCancelled)
        assert event.previous is Status.CONFIRMED
        assert (event.entitlement.amount_cents, event.entitlement.refund_bp) == (5_000, 5_000)

    def test_leaves_a_booking_without_terms_to_a_person(self) -> None:
        without = replace(CREATE, items=(replace(ITEM, terms=None),))

        booking = after(without, cancel())

        assert booking.entitlement is not None
        assert booking.entitlement.manual_review == "policy_snapshot_missing"


class TestExpire:
    def test_waits_for_the_end_when_the_sweep_asks(self) -> None:
        held = after(CREATE, advance(Status.ON_HOLD, until=LATER))

        with pytest.raises(HoldNotOver):
            decide(held, ExpireBooking(cause=SWEEP, actor="system:daybook", at=NOON))
        assert decide(held, ExpireBooking(cause=SWEEP, actor="system:daybook", at=LATER))
        assert decide(held, ExpireBooking(cause=REQUEST, actor="user:7", at=NOON))


class TestOverride:
    def test_goes_where_the_ordinary_way_does_not(self) -> None:
        booking = after(CREATE, cancel(), override(Status.CONFIRMED))

        assert (booking.status, booking.entitlement) == (Status.CONFIRMED, None)

    def test_confirms_without_the_payment_that_is_awaited(self) -> None:
        waiting = after(CREATE, advance(Status.AWAITING_PAYMENT, until=LATER))

        confirmed = fold(decide(waiting, override(Status.CONFIRMED)), start=waiting)

        assert confirmed.status is Status.CONFIRMED
        assert confirmed.paid_at is None

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_demands_a_reason(self, reason: str) -> None:
        with pytest.raises(OverrideReasonMissing):
            decide(after(CREATE, cancel()), override(Status.DRAFT, reason=reason))

    def test_is_not_for_what_the_ordinary_way_can_do(self) -> None:
        with pytest.raises(OverrideNotNeeded):
            decide(after(CREATE), override(Status.CANCELLED))

    def test_changes_something(self) -> None:
        with pytest.raises(InvalidTransition):
            decide(after(CREATE), override(Status.DRAFT))

    def test_keeps_seats_only_with_an_end(self) -> None:
        with pytest.raises(HoldNeedsAnEnd):
            decide(after(CREATE, cancel()), override(Status.ON_HOLD))


class TestRoster:
    def test_names_as_many_as_travel(self) -> None:
        full = after(CREATE, roster(RosterChange.ADDED, "t1"), roster(RosterChange.ADDED, "t2"))

        assert full.travellers == ("t1", "t2")
        with pytest.raises(RosterFull):
            decide(full, roster(RosterChange.ADDED, "t3"))
        left = fold(decide(full, roster(RosterChange.REMOVED, "t1")), start=full)
        assert left.travellers == ("t2",)

    @pytest.mark.parametrize(
        "change", [RosterChange.AMENDED, RosterChange.REMOVED, RosterChange.ERASED]
    )
    def test_knows_only_who_was_named(self, change: RosterChange) -> None:
        with pytest.raises(TravellerNotOnBooking):
            decide(after(CREATE), roster(change))

    def test_closes_with_the_booking_but_still_forgets(self) -> None:
        over = after(CREATE, roster(RosterChange.ADDED), cancel())

        with pytest.raises(RosterClosed):
            decide(over, roster(RosterChange.AMENDED))
        assert decide(over, roster(RosterChange.ERASED))


class TestNotes:
    def test_add_up_refunds(self) -> None:
        refund = NoteRefund(refund_id="r1", amount_cents=300, reason="Rain", at=NOON)

        assert after(CREATE, refund, replace(refund, refund_id="r2")).refunded_cents == 600

    def test_stamp_that_documents_were_sent(self) -> None:
        sent = NoteDocumentsSent(
            delivery_id="d1",
            recipient="a•••@b",
            provider="mail",
            document_keys=("k",),
            at=LATER,
        )

        assert after(CREATE, sent).documents_sent_at == LATER

    def test_amend_what_is_noted(self) -> None:
        booking = after(
            CREATE,
            AmendBooking(
                external_ref="OTA", notifications_suppressed=True, actor="user:7", at=NOON
            ),
        )

        assert (booking.external_ref, booking.notifications_suppressed) == ("OTA", True)


def test_every_event_makes_the_next_revision() -> None:
    booking = NEW
    events: list[Event] = []
    for command in (CREATE, advance(Status.ON_HOLD, until=LATER), cancel()):
        [event] = decide(booking, command)
        events.append(event)
        booking = fold([event], start=booking)

    assert [event.revision for event in events] == [1, 2, 3]
