"""A small business to test with: one product, one departure, one policy, everybody's acts."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
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
MakeInvoice = Callable[..., Invoice]


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
        call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=False)


@pytest.fixture(scope="module")
def planted(_kept_for_a_module: None) -> None:
    """The example data, for the tests of a module that take back what they do."""
    example_data.create_example()


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


@pytest.fixture
def policy(transactional_db: None) -> CancellationPolicyVersion:
    return _published_policy()


@pytest.fixture
def product(policy: CancellationPolicyVersion) -> Product:
    return _product_under(policy)


@pytest.fixture
def slot(product: Product) -> Slot:
    return _slot_of(product)


@pytest.fixture
def make_booking(slot: Slot) -> MakeBooking:
    return partial(book, slot)


@pytest.fixture
def booking(make_booking: MakeBooking) -> Booking:
    return make_booking()


@pytest.fixture
def confirmed(booking: Booking) -> Booking:
    return bookings.confirm_booking(booking_id=booking.pk)


@pytest.fixture
def draft(booking: Booking) -> Invoice:
    return invoices.create_invoice(booking_id=booking.pk)


@pytest.fixture
def invoice(draft: Invoice) -> Invoice:
    return invoices.issue_invoice(invoice_id=draft.pk)


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
def paid(invoice: Invoice) -> Payment:
    """A payment that somebody brought."""
    return pay(invoice)
