"""What approvals of the trade bind: all that was asked for, and nothing of it that is private."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from commerce.domain.cancellation import RefundType, Rule
from commerce.models import Booking, Invoice, NumberSeries, Product, SeriesScope, Slot, Traveller
from commerce.services import (
    bookings,
    deliveries,
    invoices,
    numbers,
    policies,
    renditions,
    slots,
    travellers,
)
from commerce.services.bookings import SeatRequest
from commerce.services.invoices import Line
from events import context
from events.domain.principal import SYSTEM
from ledger.approving import asking
from ledger.approving.gate import ApprovalRequired
from ledger.domain.payload import PayloadKind
from ledger.models import Entry, Payload
from ledger.services import erasures
from tests.integration.commerce.conftest import CONTACT
from tests.integration.commerce.peers import Peers
from tests.integration.ledger.approvals import (
    acting,
    good_for_just_that,
    put_into_force,
    weigh_more,
)
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

ADA = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com"}
GRACE = {"first_name": "Grace", "last_name": "Hopper", "email": "grace@example.com"}
SMALL, WHOLE = (
    Rule(days_before=0, refund_bp=bp, refund_type=RefundType.CASH) for bp in (1, 10_000)
)


@pytest.fixture(autouse=True)
def _travellers_weigh_more(monkeypatch: pytest.MonkeyPatch) -> None:
    weigh_more(monkeypatch, "traveller.write", "booking.create")


@pytest.fixture
def asker(transactional_db: None) -> User:
    return User.objects.create_user("asker")


@pytest.fixture
def decider(transactional_db: None) -> User:
    return grant(User.objects.create_user("decider"), "approval.decide")


@pytest.fixture
def traveller(booking: Booking) -> Traveller:
    return travellers.add_traveller(booking_id=booking.pk, category="adult", personal=ADA)


def all_of_it_takes_another() -> None:
    with context.acting(SYSTEM):
        put_into_force(capabilities=("*",), condition="true", principals=("user",))


def add(booking: Booking, **facts: Any) -> object:
    facts = {"category": "adult", "personal": ADA, **facts}
    return travellers.add_traveller(booking_id=booking.pk, **facts)


@pytest.mark.parametrize(
    "other", [{"personal": GRACE}, {"category": "child"}, {"is_primary": True}], ids=str
)
def test_a_traveller_who_is_added(
    asker: User, decider: User, booking: Booking, other: dict[str, Any]
) -> None:
    all_of_it_takes_another()

    good_for_just_that(
        asker, decider, agreed=lambda: add(booking), other=lambda: add(booking, **other)
    )

    assert Traveller.objects.get().category == "adult"


@pytest.mark.parametrize("other", [{"personal": {"last_name": "Byron"}}, {"category": "child"}])
def test_what_is_changed_of_a_traveller(
    asker: User, decider: User, booking: Booking, traveller: Traveller, other: dict[str, Any]
) -> None:
    all_of_it_takes_another()

    def amend(**facts: Any) -> object:
        return travellers.amend_traveller(booking_id=booking.pk, traveller_id=traveller.pk, **facts)

    good_for_just_that(
        asker,
        decider,
        agreed=lambda: amend(personal={"last_name": "King"}),
        other=lambda: amend(**other),
    )

    known = travellers.personal_of(traveller.pk)
    assert known is not None
    assert known.open()["last_name"] == "King"


def test_a_booking(asker: User, decider: User, slot: Slot) -> None:
    all_of_it_takes_another()

    def book(quantity: int) -> object:
        seats = [SeatRequest(slot_id=slot.pk, quantity=quantity)]
        return bookings.create_booking(requested=seats, pax=2, contact=CONTACT)

    good_for_just_that(asker, decider, agreed=lambda: book(1), other=lambda: book(9))


def test_the_ladder_of_a_cancellation_policy(asker: User, decider: User) -> None:
    all_of_it_takes_another()

    def create(rule: Rule) -> object:
        return policies.create_policy(name="Fair", currency="EUR", rules=[rule])

    good_for_just_that(asker, decider, agreed=lambda: create(SMALL), other=lambda: create(WHOLE))


def test_when_a_departure_ends(asker: User, decider: User, product: Product) -> None:
    all_of_it_takes_another()
    at = timezone.now() + timedelta(days=40)

    def create(hours: int) -> object:
        ends = at + timedelta(hours=hours)
        return slots.create_slot(product_id=product.pk, starts_at=at, ends_at=ends)

    good_for_just_that(asker, decider, agreed=lambda: create(1), other=lambda: create(2))


def test_which_number_series_begins(asker: User, decider: User) -> None:
    all_of_it_takes_another()

    def begin(prefix: str) -> None:
        scope = SeriesScope.CREDIT_NOTE
        numbers.begin_series(series=NumberSeries(scope=scope, prefix=prefix, reset="never"))

    good_for_just_that(asker, decider, agreed=lambda: begin("CN"), other=lambda: begin("XX"))

    assert NumberSeries.objects.get().prefix == "CN"


def test_whose_address_documents_are_sent_to(
    asker: User, decider: User, invoice: Invoice, peers: Peers
) -> None:
    renditions.generate_invoice_document(invoice_id=invoice.pk)
    all_of_it_takes_another()

    def send(to: str) -> object:
        return deliveries.send_booking_documents(booking_id=invoice.booking_id, recipient=to)

    good_for_just_that(
        asker,
        decider,
        agreed=lambda: send("ada@example.com"),
        other=lambda: send("eve@example.com"),
    )


class TestWhatIsPrivate:
    def test_is_not_in_what_an_approval_keeps(self, asker: User, booking: Booking) -> None:
        all_of_it_takes_another()

        with acting(asker), pytest.raises(ApprovalRequired) as required:
            add(booking)

        asked_in = required.value.approval.requested_entry_id
        kept = asking.content_of(asked_in, PayloadKind.COMMAND_INPUT)
        assert kept["fields"] == ["email", "first_name", "last_name"]
        for payload in Payload.objects.filter(entry=asked_in):
            assert payload.content is not None
            for value in ADA.values():
                assert value.encode() not in bytes(payload.content)
        assert "Ada" not in bytes(Entry.objects.get(pk=asked_in).body).decode()

    def test_is_masked_where_somebody_wrote_it_in_clear(
        self,
        asker: User,
        booking: Booking,
        traveller: Traveller,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        weigh_more(monkeypatch, "invoice.create")
        all_of_it_takes_another()
        line = Line(description="The trip of Ada Lovelace", quantity=1, unit_amount_cents=7)
        with acting(asker), pytest.raises(ApprovalRequired) as required:
            invoices.create_invoice(booking_id=booking.pk, lines=[line])
        asked_in = required.value.approval.requested_entry_id
        assert "Lovelace" in str(asking.content_of(asked_in, PayloadKind.COMMAND_INPUT))

        with context.acting(SYSTEM):
            erasures.erase_subject(subject=f"traveller/{traveller.pk}", reason="Request 12")

        left = asking.content_of(asked_in, PayloadKind.COMMAND_INPUT)
        assert "Lovelace" not in str(left)

    def test_says_something_else_of_another_booking(
        self, asker: User, make_booking: Callable[..., Booking]
    ) -> None:
        first, second = make_booking(), make_booking()
        all_of_it_takes_another()

        inputs = []
        for booking in (first, second):
            with acting(asker), pytest.raises(ApprovalRequired) as required:
                add(booking)
            asked_in = required.value.approval.requested_entry_id
            inputs.append(asking.content_of(asked_in, PayloadKind.COMMAND_INPUT)["personal"])

        assert inputs[0] != inputs[1]
