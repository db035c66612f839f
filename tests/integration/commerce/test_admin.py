import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from commerce.models import (
    Booking,
    BookingContact,
    Delivery,
    DocumentAccess,
    Invoice,
    NumberSeries,
    Product,
    Rendition,
    TravellerPersonal,
)
from commerce.services import numbers
from events import context, selectors
from events.domain.principal import SYSTEM
from ledger.models import Entry
from tests.integration.ledger.conftest import grant

MODELS = list(apps.get_app_config("commerce").get_models())
READ = [
    f"{noun}.read"
    for noun in [
        "product",
        "policy",
        "booking",
        "traveller",
        "invoice",
        "payment",
        "credit_note",
        "refund",
        "delivery",
        "content",
        "voucher",
        "document_access",
        "chargeback",
        "number_series",
    ]
]


def page(model: type[Model], what: str = "changelist", *args: object) -> str:
    return reverse(f"admin:commerce_{model._meta.model_name}_{what}", args=args)


@pytest.fixture
def viewer(transactional_db: None) -> Client:
    user = grant(User.objects.create_user("viewer", is_staff=True), *READ)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def chief(transactional_db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("chief"))
    return client


class TestEveryTable:
    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_has_a_page(self, model: type[Model]) -> None:
        assert admin.site.is_registered(model)

    def test_opens_for_who_may_read(self, viewer: Client, example: None) -> None:
        for model in MODELS:
            listed = viewer.get(page(model))
            assert listed.status_code == 200, model
            row = model._default_manager.first()
            if row is not None:
                assert viewer.get(page(model, "change", row.pk)).status_code == 200, model

    def test_stays_shut_for_who_may_not(self, transactional_db: None) -> None:
        client = Client()
        client.force_login(User.objects.create_user("nobody", is_staff=True))

        assert {client.get(page(model)).status_code for model in MODELS} == {403}

    def test_cannot_be_written_by_hand(self, chief: Client, example: None) -> None:
        booking = Booking.objects.filter(status="confirmed")[0]

        for model in set(MODELS) - {NumberSeries}:
            assert chief.get(page(model, "add")).status_code == 403, model
        refused = chief.post(page(Booking, "change", booking.pk), {"status": "draft"})
        assert refused.status_code == 403
        assert chief.post(page(Product, "delete", Product.objects.first().pk)).status_code == 403  # type: ignore[union-attr]

    def test_shows_what_would_turn_a_line_around(self, viewer: Client, example: None) -> None:
        product = Product.objects.all()[0]
        Product.objects.filter(pk=product.pk).update(name="pay 10 \u202e000 1 Zürich")

        for address in (page(Product), page(Product, "change", product.pk)):
            shown = viewer.get(address).content.decode()
            assert "\u202e" not in shown
            assert "pay 10 \\u202e000 1 Zürich" in shown

    @pytest.mark.parametrize(
        ("model", "column"),
        [
            (TravellerPersonal, "sealed"),
            (BookingContact, "sealed"),
            (Delivery, "recipient_sealed"),
            (Rendition, "content_sealed"),
        ],
    )
    def test_hides_what_is_sealed(self, model: type[Model], column: str) -> None:
        assert column in (admin.site._registry[model].exclude or ())


class TestActions:
    def test_confirm_a_booking_in_the_name_of_who_clicked(
        self, chief: Client, booking: Booking
    ) -> None:
        chief.post(page(Booking), {"action": "confirm", "_selected_action": [str(booking.pk)]})

        assert Booking.objects.get(pk=booking.pk).status == "confirmed"
        fact = selectors.stream_events(("booking", str(booking.pk)))[-1]
        assert str(fact.principal) == f"user:{User.objects.get(username='chief').pk}"

    @pytest.mark.parametrize("chosen", ["9" * 26, "-1", "a\0b", "💥" * 300, "9999-12-31", ""])
    def test_change_nothing_if_what_is_chosen_is_no_id(
        self, chief: Client, booking: Booking, chosen: str
    ) -> None:
        answer = chief.post(
            page(Booking),
            {"action": "confirm", "_selected_action": [str(booking.pk), chosen]},
            follow=True,
        )

        assert answer.status_code == 200
        assert "is no row of this list" in answer.content.decode()
        assert Booking.objects.get(pk=booking.pk).status == "draft"

    def test_say_what_was_refused(self, chief: Client, booking: Booking) -> None:
        answer = chief.post(
            page(Booking),
            {"action": "complete", "_selected_action": [str(booking.pk)]},
            follow=True,
        )

        assert "cannot become completed" in answer.content.decode()
        assert Booking.objects.get(pk=booking.pk).status == "draft"

    def test_are_not_offered_to_who_may_only_look(self, viewer: Client, draft: Invoice) -> None:
        answer = viewer.post(
            page(Invoice), {"action": "issue", "_selected_action": [str(draft.pk)]}, follow=True
        )

        assert "Issue" not in answer.content.decode().partition('name="action"')[2][:500]
        assert Invoice.objects.get(pk=draft.pk).status == "draft"

    def test_issue_and_void_invoices(self, chief: Client, draft: Invoice) -> None:
        for action in ("issue", "generate_document", "void"):
            chief.post(page(Invoice), {"action": action, "_selected_action": [str(draft.pk)]})

        assert Invoice.objects.get(pk=draft.pk).status == "void"
        assert Rendition.objects.count() == 1

    def test_end_an_access_to_a_document(self, chief: Client, example: None) -> None:
        live = DocumentAccess.objects.get(revoked_at=None)

        chief.post(page(DocumentAccess), {"action": "revoke", "_selected_action": [str(live.pk)]})

        live.refresh_from_db()
        assert live.revoke_reason == "From the admin."
        listed = chief.get(page(DocumentAccess)).content.decode()
        assert listed.count("revoked") >= 2


class TestNumberSeries:
    def test_can_be_replaced_by_a_new_one(self, chief: Client, invoice: Invoice) -> None:
        old = NumberSeries.objects.get(scope="invoice")
        chief.post(page(NumberSeries, "change", old.pk), {})
        chief.post(
            page(NumberSeries, "add"),
            {"scope": "invoice", "prefix": "RE", "reset": "never", "is_active": "on"},
        )

        assert not NumberSeries.objects.get(pk=old.pk).is_active
        assert NumberSeries.objects.get(scope="invoice", is_active=True).prefix == "RE"

    def test_leave_their_replacement_on_record(self, chief: Client, invoice: Invoice) -> None:
        old = NumberSeries.objects.get(scope="invoice")

        chief.post(page(NumberSeries, "change", old.pk), {})

        entry = Entry.objects.get(target_type="number_series")
        assert (entry.action_name, entry.target_id) == ("number_series.update", str(old.pk))

    def test_are_for_who_may_manage_them(self, viewer: Client, invoice: Invoice) -> None:
        kept = NumberSeries.objects.get(scope="invoice")
        # Django's own permissions to change the table do not open it.
        User.objects.get(username="viewer").user_permissions.add(
            *Permission.objects.filter(content_type__model="numberseries")
        )

        assert viewer.post(page(NumberSeries, "change", kept.pk), {}).status_code == 403
        assert viewer.get(page(NumberSeries, "add")).status_code == 403
        kept.refresh_from_db()
        assert kept.is_active

    def test_count_on_while_somebody_looks_at_the_form(self, invoice: Invoice) -> None:
        looked_at = NumberSeries.objects.get(scope="invoice")
        NumberSeries.objects.filter(pk=looked_at.pk).update(last_sequence=41)

        with context.acting(SYSTEM):
            numbers.switch_series(series=looked_at, is_active=False)

        found = NumberSeries.objects.get(pk=looked_at.pk)
        assert (found.is_active, found.last_sequence) == (False, 41)
