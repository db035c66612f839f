"""Who was let in to documents: seen with each look, revoked, and that undone."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from commerce.models import DocumentAccess
from commerce.services import bookings, document_access, invoices, products, renditions, slots
from commerce.services.bookings import SeatRequest
from events import context
from tests.integration.commerce.acting import CLERK
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/document-accesses"
MANAGES = ("document_access.read", "document_access.manage", "invoice.read_document")


@pytest.fixture(autouse=True)
def _a_clerk_acts(transactional_db: None) -> Iterator[None]:
    with context.acting(CLERK):
        yield


@pytest.fixture
def auditor() -> User:
    return User.objects.create_user("auditor")


@pytest.fixture
def access(auditor: User) -> DocumentAccess:
    product = products.create_product(
        name="A walk", currency="EUR", sell_amount_cents=100, status="active"
    )
    later = timezone.now() + timedelta(days=20)
    slot = slots.create_slot(product_id=product.pk, starts_at=later, capacity=10)
    booking = bookings.create_booking(
        requested=[SeatRequest(slot_id=slot.pk, quantity=1)],
        pax=1,
        contact={"name": "Ada Lovelace", "email": "ada@example.com"},
    )
    bookings.hold_booking(booking_id=booking.pk)
    invoice = invoices.create_invoice(booking_id=booking.pk)
    invoices.issue_invoice(invoice_id=invoice.pk)
    document = renditions.generate_invoice_document(invoice_id=invoice.pk)
    return document_access.grant_document_access(
        document_id=document.pk, grantee=f"user:{auditor.pk}", purpose="The yearly audit"
    )


@pytest.fixture
def manager() -> Client:
    client = Client()
    chief = User.objects.create_user("manager")
    client.force_login(grant(chief, *MANAGES, "ledger.reverse"))
    return client


def look(auditor: User, access: DocumentAccess) -> int:
    client = Client()
    client.force_login(auditor)
    return client.get(f"/api/v1/documents/{access.document_id}/content").status_code


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


class TestList:
    def test_says_who_looked_how_often(
        self, manager: Client, access: DocumentAccess, auditor: User
    ) -> None:
        assert look(auditor, access) == 200
        assert look(auditor, access) == 200

        shown = page(manager, LIST)

        assert f'href="{LIST}/{access.pk}">auditor<' in shown
        assert ">2<span" in shown
        assert "The yearly audit" in shown
        assert "Lovelace" not in shown

    def test_is_filtered_by_its_address(self, manager: Client, access: DocumentAccess) -> None:
        link = f"{LIST}/{access.pk}"
        number = access.document.invoice.number

        for fits in ("status=live", f"grantee={access.grantee}", f"number={number}"):
            assert link in page(manager, f"{LIST}?{fits}")
        for misses in ("status=revoked", "status=expired", "grantee=user:0", "number=none"):
            assert link not in page(manager, f"{LIST}?{misses}")
        assert manager.get(f"{LIST}?status=odd").status_code == 400

    def test_is_for_who_may_read_accesses(self, access: DocumentAccess) -> None:
        client = Client()
        assert client.get(LIST).status_code == 302
        client.force_login(User.objects.create_user("nobody"))

        assert client.get(LIST).status_code == 403
        assert client.get(f"{LIST}/{access.pk}").status_code == 403
        assert client.post(f"{LIST}/{access.pk}/revoke", {"reason": "x"}).status_code == 403
        assert client.post(f"{LIST}/{access.pk}/undo", {"reason": "x"}).status_code == 403


class TestOne:
    def test_shows_each_look(self, manager: Client, access: DocumentAccess, auditor: User) -> None:
        assert "This access has not been used." in page(manager, f"{LIST}/{access.pk}")
        look(auditor, access)

        shown = page(manager, f"{LIST}/{access.pk}")

        assert shown.count('data-label="Who"><span>auditor<') == 1

    def test_is_revoked_with_a_reason_and_that_is_undone(
        self, manager: Client, access: DocumentAccess, auditor: User
    ) -> None:
        here = f"{LIST}/{access.pk}"
        refused = manager.post(f"{here}/revoke", {"reason": ""})
        assert refused.status_code == 400
        assert 'aria-describedby="reason-revoke-error"' in refused.content.decode()
        assert '<div id="reason-revoke-error"><ul class="errorlist"' in refused.content.decode()
        assert look(auditor, access) == 200

        revoked = manager.post(f"{here}/revoke", {"reason": "Done"}, follow=True)
        assert "by manager: Done" in revoked.content.decode()
        assert look(auditor, access) == 403

        token = revoked.context["preview"].token
        stale = manager.post(f"{here}/undo", {"reason": "Not yet", "token": "0" * 64}, follow=True)
        assert "changed since the preview" in stale.content.decode()
        undone = manager.post(f"{here}/undo", {"reason": "Not yet", "token": token})

        anew = DocumentAccess.objects.exclude(pk=access.pk).get()
        assert undone["Location"] == f"{LIST}/{anew.pk}"
        assert look(auditor, access) == 200

    def test_offers_nothing_to_who_only_reads(self, access: DocumentAccess) -> None:
        client = Client()
        client.force_login(grant(User.objects.create_user("reader"), "document_access.read"))

        assert "Revoke…" not in page(client, f"{LIST}/{access.pk}")

    def test_that_names_nobody_is_not_found(self, manager: Client) -> None:
        assert manager.get(f"{LIST}/01890000-0000-7000-8000-000000000000").status_code == 404
