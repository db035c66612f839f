"""Every check of the trade finds the damage that it is there for, and nothing else."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from commerce import invariants
from events import doctor

Damage = dict[str, tuple[Callable[[], list[str]], str]]

# What people could do at the database, past the constraints where there are some.
DAMAGE: Damage = {
    "an invoice": (
        invariants.invoices_add_up,
        (
            "ALTER TABLE commerce_invoice "
            "DROP CONSTRAINT commerce_invoice_paid_and_due_make_the_total;"
            "UPDATE commerce_invoice SET paid_cents = paid_cents + 1 WHERE status = 'issued'"
        ),
    ),
    "lines": (
        invariants.lines_add_up,
        (
            "DELETE FROM commerce_invoiceline WHERE invoice_id IN "
            "(SELECT id FROM commerce_invoice WHERE status = 'issued')"
        ),
    ),
    "a payment": (
        invariants.payments_add_up,
        "UPDATE commerce_payment SET amount_cents = amount_cents - 1 WHERE status = 'completed'",
    ),
    "a chargeback": (
        invariants.chargebacks_add_up,
        (
            "UPDATE commerce_payment SET status = 'completed', charged_back_cents = 1 "
            "WHERE status = 'charged_back'"
        ),
    ),
    "the end of a chargeback": (
        invariants.resolutions_return_what_was_taken,
        (
            "ALTER TABLE commerce_chargebackresolution DISABLE TRIGGER USER;"
            "UPDATE commerce_chargebackresolution SET surplus_cents = surplus_cents + 1"
        ),
    ),
    "a surplus": (
        invariants.surpluses_are_covered,
        (
            "UPDATE commerce_refund SET credit_note_id = NULL, method = 'cash', surplus_of_id = "
            "(SELECT chargeback_id FROM commerce_chargebackresolution LIMIT 1), "
            "amount_cents = 9999999"
        ),
    ),
    "a trigger": (
        invariants.triggers_are_enabled,
        "DROP TRIGGER commerce_refund_is_covered ON commerce_refund",
    ),
    "seats left": (
        invariants.seats_add_up,
        "UPDATE commerce_slot SET remaining = remaining - 1",
    ),
    "an allocation": (
        invariants.seats_follow_bookings,
        "UPDATE commerce_allocation SET status = 'released' WHERE status = 'confirmed'",
    ),
    "an allocation of other seats": (
        invariants.seats_follow_bookings,
        "UPDATE commerce_allocation SET quantity = quantity + 1",
    ),
    "a capture": (
        invariants.captures_are_of_their_payment,
        "UPDATE commerce_capture SET amount_cents = amount_cents + 1",
    ),
    "the currency of a payment": (
        invariants.currencies_are_not_mixed,
        "UPDATE commerce_payment SET currency = 'USD'",
    ),
    "the currency of a credit note": (
        invariants.currencies_are_not_mixed,
        "UPDATE commerce_creditnote SET currency = 'USD'",
    ),
    "the currency of a refund": (
        invariants.currencies_are_not_mixed,
        "UPDATE commerce_refund SET currency = 'USD'",
    ),
    "a refund": (
        invariants.money_back_is_covered,
        "UPDATE commerce_refund SET amount_cents = 9999999",
    ),
    "a credit note": (
        invariants.credit_notes_are_covered,
        "UPDATE commerce_creditnote SET amount_cents = 1",
    ),
    "a hold": (
        invariants.holds_end,
        (
            "UPDATE commerce_booking SET hold_expires_at = '2020-01-01' "
            "WHERE hold_expires_at IS NOT NULL"
        ),
    ),
    "a delivery": (
        invariants.waiting_deliveries_have_work,
        (
            "INSERT INTO commerce_delivery (id, booking_id, channel, provider, recipient_sealed, "
            "recipient_masked, subject, document_keys, status, work_id, provider_message_id, "
            "error, created_at) "
            "SELECT gen_random_uuid(), id, 'email', 'x', '', '', '', '[]', 'pending', "
            "gen_random_uuid(), '', '', now() FROM commerce_booking LIMIT 1"
        ),
    ),
    "a reversal": (
        invariants.waiting_reversals_have_work,
        "UPDATE commerce_refund SET method = 'processor_reversal'",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found(planted: None, what: str) -> None:
    inspect, damage = DAMAGE[what]
    assert inspect() == []

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(damage)
        found = inspect()
        transaction.set_rollback(True)

    assert found


def test_every_check_has_its_damage() -> None:
    ours = {
        each.inspect for each in doctor.checks() if each.inspect.__module__ == "commerce.invariants"
    }

    assert {inspect for inspect, _ in DAMAGE.values()} == ours
