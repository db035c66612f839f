"""What one transaction does it does as a whole: shown by letting its last parts fail."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from commerce.models import Invoice, Payment
from commerce.services import bookings
from events import bus
from events.domain.envelope import Envelope
from tests.integration.ledger.conftest import client_with, issue
from tests.support.full_ledger import ledger_that_is_full

pytestmark = pytest.mark.django_db(transaction=True)

WHY = {"reason": "Storm warning"}


def everything() -> dict[str, list[str]]:
    """Return all rows of the trade, of the record and of what must still happen."""
    with connection.cursor() as cursor:
        tables = [
            table
            for table in connection.introspection.table_names(cursor)
            if table.startswith(("commerce_", "events_", "ledger_", "work"))
            # When a key was last used is noted, whatever comes of the request.
            and table != "ledger_apikey"
        ]
        found = {}
        for table in sorted(tables):
            cursor.execute(f'SELECT t::text FROM "{table}" t ORDER BY 1')
            found[table] = [row for (row,) in cursor.fetchall()]
        return found


@contextmanager
def log_that_refuses(name: str) -> Iterator[None]:
    """Let what hears of an event in its own transaction fail."""

    def refuse(envelope: Envelope) -> None:
        raise RuntimeError(envelope.name)

    subscription = bus.before_commit(name, refuse)
    yield
    subscription.unsubscribe()


@pytest.fixture
def root(transactional_db: None) -> APIClient:
    return client_with(issue(User.objects.create_superuser("root"), ["*"])[0])


class TestCancellingABooking:
    """Seats, items, the booking, what is told, what follows, and the entry: all, or none of it."""

    @pytest.mark.parametrize("refuses", ["availability.slot.changed", "booking.cancelled"])
    def test_does_nothing_when_it_cannot_be_told(
        self, paid: Payment, root: APIClient, refuses: str
    ) -> None:
        booking_id = paid.invoice.booking_id
        bookings.confirm_booking(booking_id=booking_id)
        before = everything()

        with log_that_refuses(refuses):
            answer = root.post(f"/api/v1/bookings/{booking_id}/cancel", WHY, format="json")

        assert answer.status_code == 500
        assert everything() == before

    def test_does_nothing_when_it_cannot_be_put_on_record(
        self, paid: Payment, root: APIClient
    ) -> None:
        booking_id = paid.invoice.booking_id
        bookings.confirm_booking(booking_id=booking_id)
        before = everything()

        with ledger_that_is_full():
            answer = root.post(f"/api/v1/bookings/{booking_id}/cancel", WHY, format="json")

        assert answer.status_code >= 500
        assert everything() == before
        # Nothing was in its way but the ledger.
        done = root.post(f"/api/v1/bookings/{booking_id}/cancel", WHY, format="json")
        assert (done.status_code, done.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize(
    ("what", "asked"),
    [
        ("void", WHY),
        ("payments", {"amount_cents": 100, "currency": "EUR", "method": "cash"}),
        ("request-payment", {}),
    ],
)
def test_nothing_is_done_to_an_invoice_that_cannot_be_put_on_record(
    invoice: Invoice, root: APIClient, what: str, asked: dict[str, object]
) -> None:
    before = everything()

    with ledger_that_is_full():
        answer = root.post(f"/api/v1/invoices/{invoice.pk}/{what}", asked, format="json")

    assert answer.status_code >= 500
    assert everything() == before
