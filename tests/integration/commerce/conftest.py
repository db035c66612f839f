"""A small business to test with: one product, one departure, one policy, everybody's acts."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from commerce import example_data
from commerce.domain.cancellation import RefundType, Rule
from commerce.models import (
    Booking,
    CancellationPolicyVersion,
    ExternalRef,
    Invoice,
    Payment,
    PaymentMethod,
    Product,
    Slot,
)
from commerce.ports import http
from commerce.services import (
    bookings,
    invoices,
    payments,
    policies,
    products,
    settlement,
    slots,
)
from commerce.services.bookings import SeatRequest
from config.testing.flush import put_all_right
from config.testing.retelling import Step, record
from events import context
from tests.integration.commerce.acting import CLERK, work_off
from tests.integration.commerce.peers import Peers, served

CONTACT = {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+44 20 7946 0141"}
TIERS = (
    Rule(days_before=30, refund_bp=10_000, refund_type=RefundType.CASH),
    Rule(days_before=15, refund_bp=5_000, refund_type=RefundType.CASH),
    Rule(days_before=7, refund_bp=2_500, refund_type=RefundType.CREDIT),
    Rule(days_before=0),
)

MakeBooking = Callable[..., Booking]


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK, correlation_id="cor_test"):
        yield


@pytest.fixture(scope="module")
def _kept_for_a_module(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let fixtures of a module write for all of its tests, which take back what they do."""
    with django_db_blocker.unblock():
        with context.acting(CLERK, correlation_id="cor_test"):
            yield
        put_all_right()


@pytest.fixture(scope="session")
def _example(django_db_setup: None, django_db_blocker: Any) -> Step[list[str]]:
    with django_db_blocker.unblock(), context.acting(CLERK, correlation_id="cor_test"):
        put_all_right()
        step = record("example", example_data.create_example)
        put_all_right()
    return step


@pytest.fixture(scope="module")
def planted(_example: Step[list[str]], _kept_for_a_module: None) -> None:
    """The example data, for the tests of a module that take back what they do."""
    _example.tell()


@pytest.fixture
def example(_example: Step[list[str]], transactional_db: None) -> None:
    """The example data."""
    _example.tell()


@pytest.fixture(scope="session")
def _served_peers() -> Iterator[Peers]:
    with served() as peers:
        yield peers
    http._client(os.getpid()).close()


@pytest.fixture
def peers(_served_peers: Peers, settings: Settings) -> Peers:
    """Other people's systems, as good as new."""
    # Through this fixture alone: settings that are taken back in another order stay for ever.
    for name, value in _served_peers.settings.items():
        setattr(settings, name, value)
    _served_peers.reset()
    return _served_peers


def open_slot() -> Slot:
    """A departure of ten seats, of a product with a policy."""
    return _slot_of(_product_under(_published_policy()))


def book(slot: Slot, **facts: Any) -> Booking:
    """Book seats of a departure: two, if nothing else is said."""
    quantity = facts.pop("quantity", 2)
    facts.setdefault("requested", [SeatRequest(slot_id=slot.pk, quantity=quantity)])
    facts.setdefault("pax", quantity)
    facts.setdefault("contact", CONTACT)
    return bookings.create_booking(**facts)


def bill(booking: Booking) -> Invoice:
    """Issue the invoice of a booking."""
    draft = invoices.create_invoice(booking_id=booking.pk)
    return invoices.issue_invoice(invoice_id=draft.pk)


def pay(invoice: Invoice) -> Payment:
    """Take what is due for two seats, in cash."""
    return payments.record_payment(
        invoice_id=invoice.pk, amount_cents=24_000, currency="EUR", method=PaymentMethod.CASH
    )


def _published_policy() -> CancellationPolicyVersion:
    version = policies.create_policy(name="Tiers", currency="EUR", rules=TIERS)
    return policies.publish_version(policy_id=version.policy_id, version_id=version.pk)


def _product_under(policy: CancellationPolicyVersion) -> Product:
    return products.create_product(
        name="Harbour cruise",
        currency="EUR",
        sell_amount_cents=12_000,
        cost_amount_cents=7_000,
        status="active",
        cancellation_policy_id=policy.policy_id,
    )


def _slot_of(product: Product) -> Slot:
    return slots.create_slot(
        product_id=product.pk, starts_at=timezone.now() + timedelta(days=20), capacity=10
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginnings:
    """What tests begin with, step by step: each is told after those before it."""

    policy: Step[CancellationPolicyVersion]
    product: Step[Product]
    slot: Step[Slot]
    booking: Step[Booking]
    confirmed: Step[Booking]
    draft: Step[Invoice]
    invoice: Step[Invoice]
    paid: Step[Payment]


@pytest.fixture(scope="session")
def _beginnings(django_db_setup: None, django_db_blocker: Any) -> Beginnings:
    """What was written once, before any test could change how."""
    with django_db_blocker.unblock(), context.acting(CLERK, correlation_id="cor_test"):
        put_all_right()
        policy = record("policy", _published_policy)
        product = record("product", lambda: _product_under(policy.returned))
        slot = record("slot", lambda: _slot_of(product.returned))
        booking = record("booking", lambda: book(slot.returned))
        one = booking.returned.pk
        draft = record("draft", lambda: invoices.create_invoice(booking_id=one))
        of_it = draft.returned.pk
        invoice = record("invoice", lambda: invoices.issue_invoice(invoice_id=of_it))
        paid = record("paid", lambda: pay(invoice.returned))
        put_all_right()
        for step in (policy, product, slot, booking):
            step.tell()
        confirmed = record("confirmed", lambda: bookings.confirm_booking(booking_id=one))
        put_all_right()
    return Beginnings(
        policy=policy,
        product=product,
        slot=slot,
        booking=booking,
        confirmed=confirmed,
        draft=draft,
        invoice=invoice,
        paid=paid,
    )


@pytest.fixture
def policy(_beginnings: Beginnings, transactional_db: None) -> CancellationPolicyVersion:
    return _beginnings.policy.tell()


@pytest.fixture
def product(_beginnings: Beginnings, policy: CancellationPolicyVersion) -> Product:
    return _beginnings.product.tell()


@pytest.fixture
def slot(_beginnings: Beginnings, product: Product) -> Slot:
    return _beginnings.slot.tell()


@pytest.fixture
def make_booking(slot: Slot) -> MakeBooking:
    return partial(book, slot)


@pytest.fixture
def booking(_beginnings: Beginnings, slot: Slot) -> Booking:
    """Two seats."""
    return _beginnings.booking.tell()


@pytest.fixture
def confirmed(_beginnings: Beginnings, booking: Booking) -> Booking:
    return _beginnings.confirmed.tell()


@pytest.fixture
def draft(_beginnings: Beginnings, booking: Booking) -> Invoice:
    return _beginnings.draft.tell()


@pytest.fixture
def invoice(_beginnings: Beginnings, draft: Invoice) -> Invoice:
    return _beginnings.invoice.tell()


@pytest.fixture
def captured(invoice: Invoice, peers: Peers) -> Payment:
    """A payment that the provider captured."""
    settlement.ask_for_payment(invoice_id=invoice.pk, provider="demo")
    work_off()
    ref = ExternalRef.objects.get(invoice=invoice)
    peers.tell(peers.payment, settle=ref.external_id)
    settlement.poll_invoice_settlement(invoice_id=invoice.pk)
    return Payment.objects.get(invoice=invoice)


@pytest.fixture
def paid(_beginnings: Beginnings, invoice: Invoice) -> Payment:
    """A payment that somebody brought."""
    return _beginnings.paid.tell()
