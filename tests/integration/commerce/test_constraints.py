"""The database says again what the code says. Names are sentences, because people read them."""

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from commerce.migrations.schema import products

_CHARGEBACK = (
    "INSERT INTO commerce_chargeback (id, payment_id, provider, currency, occurred_at, noted_at, "
    "provider_ref, claimed_cents, charged_back_cents, disputed_cents, reason) "
    "SELECT gen_random_uuid(), payment_id, provider, currency, now(), now(), {} "
    "FROM commerce_chargeback"
)
_RESOLUTION = (
    "INSERT INTO commerce_chargebackresolution (chargeback_id, occurred_at, noted_at, "
    "status, returned_cents, surplus_cents, reason) "
    "SELECT id, now(), now(), {} FROM commerce_chargeback"
)
BROKEN = {
    "commerce_slot_never_sells_more_than_it_has": "UPDATE commerce_slot SET remaining = -1",
    "commerce_slot_never_has_more_than_its_capacity": "UPDATE commerce_slot SET remaining = 999",
    "commerce_slot_has_a_capacity_unless_unlimited": "UPDATE commerce_slot SET unlimited = true",
    "commerce_slot_starts_once_per_product": (
        "UPDATE commerce_slot SET starts_at = '2030-01-01 09:00Z'"
    ),
    "commerce_product_currency_is_iso": "UPDATE commerce_product SET currency = 'eur'",
    "commerce_product_price_is_not_negative": "UPDATE commerce_product SET sell_amount_cents = -1",
    "commerce_product_has_a_name": "UPDATE commerce_product SET name = ''",
    "commerce_product_status_is_known": "UPDATE commerce_product SET status = 'lost'",
    "commerce_product_cost_is_not_negative": "UPDATE commerce_product SET cost_amount_cents = -1",
    "commerce_product_duration_is_not_negative": (
        "UPDATE commerce_product SET duration_minutes = -1"
    ),
    "commerce_product_revision_counts_from_one": "UPDATE commerce_product SET revision = 0",
    "commerce_rule_gives_at_most_all": "UPDATE commerce_cancellationrule SET refund_bp = 10001",
    "commerce_rule_days_do_not_repeat": "UPDATE commerce_cancellationrule SET days_before = 1",
    "commerce_booking_status_is_known": (
        "UPDATE commerce_booking SET status = 'lost' WHERE status = 'confirmed'"
    ),
    "commerce_booking_hold_has_an_end": (
        "UPDATE commerce_booking SET hold_expires_at = NULL WHERE status = 'on_hold'"
    ),
    "commerce_booking_cancelled_is_stamped": (
        "UPDATE commerce_booking SET cancelled_at = NULL WHERE status = 'cancelled'"
    ),
    "commerce_booking_has_one_primary_traveller": (
        "INSERT INTO commerce_traveller SELECT gen_random_uuid(), category, is_primary, revision, "
        "created_at, booking_id FROM commerce_traveller"
    ),
    "commerce_invoice_paid_and_due_make_the_total": (
        "UPDATE commerce_invoice SET balance_due_cents = balance_due_cents + 1"
    ),
    "commerce_invoice_is_never_overpaid": (
        "UPDATE commerce_invoice SET paid_cents = total_cents + 1, balance_due_cents = -1"
    ),
    "commerce_invoice_has_a_number_once_issued": (
        "UPDATE commerce_invoice SET number = NULL WHERE status = 'issued'"
    ),
    "commerce_invoice_void_is_stamped": (
        "UPDATE commerce_invoice SET voided_at = now() WHERE status = 'issued'"
    ),
    "commerce_invoice_is_paid_when_nothing_is_due": (
        "UPDATE commerce_invoice SET status = 'paid' WHERE status = 'issued'"
    ),
    "commerce_line_amount_is_quantity_times_price": (
        "UPDATE commerce_invoiceline SET amount_cents = amount_cents + 1"
    ),
    "commerce_invoice_has_one_current_rendition_per_format": (
        "INSERT INTO commerce_rendition (id, format, status, storage_key, content_type, "
        "content_hash, byte_size, content_sealed, created_at, invoice_id) "
        "SELECT gen_random_uuid(), format, status, storage_key || 'x', content_type, "
        "content_hash, byte_size, content_sealed, created_at, invoice_id FROM commerce_rendition"
    ),
    "commerce_document_has_one_live_access_per_grantee": (
        "UPDATE commerce_documentaccess SET revoked_at = NULL, revoked_by = '', revoke_reason = ''"
    ),
    "commerce_access_is_of_a_user_or_a_key": (
        "UPDATE commerce_documentaccess SET grantee = 'agent:x'"
    ),
    "commerce_access_has_a_purpose": "UPDATE commerce_documentaccess SET purpose = ''",
    "commerce_access_ends_after_it_began": (
        "UPDATE commerce_documentaccess SET expires_at = granted_at"
    ),
    "commerce_access_lapses_when_it_is_over": (
        "UPDATE commerce_documentaccess SET lapsed_at = now() WHERE revoked_at IS NULL"
    ),
    "commerce_access_ends_once": (
        "UPDATE commerce_documentaccess SET lapsed_at = expires_at WHERE revoked_at IS NOT NULL"
    ),
    "commerce_access_revocation_says_who_and_why": (
        "UPDATE commerce_documentaccess SET revoke_reason = ''"
    ),
    "commerce_payment_amount_is_positive": "UPDATE commerce_payment SET amount_cents = 0",
    "commerce_payment_completed_is_stamped": "UPDATE commerce_payment SET paid_at = NULL",
    "commerce_payment_is_charged_back_at_most_once": (
        "UPDATE commerce_payment SET charged_back_cents = -1"
    ),
    "commerce_payment_charged_back_is_so_as_a_whole": (
        "UPDATE commerce_payment SET charged_back_cents = amount_cents WHERE status = 'completed'"
    ),
    "commerce_payment_came_in_before_it_was_charged_back": (
        "UPDATE commerce_payment SET status = 'failed', paid_at = NULL, failure_reason = 'x', "
        "charged_back_cents = amount_cents - 1"
    ),
    "commerce_chargeback_is_noted_once": _CHARGEBACK.format("provider_ref, 1, 1, 0, 'x'"),
    "commerce_resolution_is_final": _RESOLUTION.format("'open', 0, 0, 'x'"),
    "commerce_resolution_amounts_are_not_negative": _RESOLUTION.format("'won', -1, 1, 'x'"),
    "commerce_resolution_that_is_lost_returns_nothing": _RESOLUTION.format("'lost', 0, 1, 'x'"),
    "commerce_resolution_books_what_it_returns": _RESOLUTION.format("'won', 1, 0, 'x'"),
    "commerce_resolution_has_a_reason": _RESOLUTION.format("'won', 0, 0, ''"),
    "commerce_review_has_a_reason": (
        "INSERT INTO commerce_chargebackreview (chargeback_id, occurred_at, noted_at, reason) "
        "SELECT id, now(), now(), '' FROM commerce_chargeback"
    ),
    "commerce_refund_of_a_surplus_is_of_nothing_else": (
        "UPDATE commerce_refund SET method = 'processor_reversal', surplus_of_id = "
        "(SELECT chargeback_id FROM commerce_chargebackresolution LIMIT 1)"
    ),
    "commerce_chargeback_claims_something": _CHARGEBACK.format("'y', 0, 0, 0, 'x'"),
    "commerce_chargeback_amounts_are_not_negative": _CHARGEBACK.format("'y', 1, 2, -1, 'x'"),
    "commerce_chargeback_is_taken_or_disputed": _CHARGEBACK.format("'y', 3, 1, 1, 'x'"),
    "commerce_chargeback_has_a_reason": _CHARGEBACK.format("'y', 1, 1, 0, ''"),
    "commerce_credit_note_has_a_reason": "UPDATE commerce_creditnote SET reason = ''",
    "commerce_refund_ends_once": "UPDATE commerce_refund SET ended_at = now()",
    "commerce_refund_failure_says_why": (
        "UPDATE commerce_refund SET status = 'failed', ended_at = now()"
    ),
    "commerce_scope_has_one_active_series": (
        "INSERT INTO commerce_numberseries "
        "SELECT gen_random_uuid(), scope, 'X', reset, '', 0, true FROM commerce_numberseries"
    ),
}

RULES_OF_PRODUCTS = list(products.PRODUCT.rules)


@pytest.mark.django_db
@pytest.mark.parametrize("name", BROKEN)
def test_is_broken_by_nobody(planted: None, name: str) -> None:
    with (
        pytest.raises(IntegrityError, match=name),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(BROKEN[name])


def test_is_named_by_a_sentence_of_this_room() -> None:
    names = [constraint.name for model in _models() for constraint in model._meta.constraints]
    names += RULES_OF_PRODUCTS

    assert len(names) > 70
    assert [name for name in names if not name.startswith("commerce_")] == []
    assert [name for name in names if len(name) > 63] == []
    assert set(RULES_OF_PRODUCTS) <= set(BROKEN) <= set(names)


def _models() -> list[type[models.Model]]:
    return list(apps.get_app_config("commerce").get_models())
