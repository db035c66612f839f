"""The doctor sees when a row of the trade says another thing than its event told."""

import base64
import json

import pytest
from django.db import connection, transaction
from django.test import override_settings
from pytest_django import Settings

from commerce import event_invariants, invoice_lines
from commerce.domain.booking.state import Status
from commerce.event_invariants import _CREATED_BY, rows_match_their_events
from commerce.models import BookingItem, Invoice, InvoiceLine
from commerce.services import vouchers
from events.models import StoredEvent
from ledger.privacy import subjects

# However it is typed: another value than any that the example has.
OTHER = {
    "bigint": "{column} + 1",
    "uuid": "gen_random_uuid()",
    "character varying": "left({column}, 2) || 'X'",
}


@pytest.mark.django_db
def test_every_column_that_was_told_is_compared(planted: None) -> None:
    item = BookingItem.objects.filter(booking__status=Status.CONFIRMED.value).latest("pk")
    vouchers.issue_voucher(booking_id=item.booking_id, item_id=item.pk)
    assert rows_match_their_events() == []

    unseen = []
    for table, stream, _event, columns in _CREATED_BY:
        for column in columns:
            with transaction.atomic():
                _damage(table, column)
                found = rows_match_their_events()
                transaction.set_rollback(True)
            if not any(
                each.startswith(f"{stream} ") and f": its {column} is not" in each for each in found
            ):
                unseen.append((table, column, found))

    assert unseen == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE commerce_invoiceline SET description = description || ' for Ada' WHERE id = %s",
        "UPDATE commerce_invoiceline SET unit_amount_cents = 1 WHERE id = %s",
        "UPDATE commerce_invoiceline SET tax_bp = tax_bp + 1 WHERE id = %s",
        "UPDATE commerce_invoiceline SET tax_cents = tax_cents + 1 WHERE id = %s",
        "UPDATE commerce_invoiceline SET amount_cents = amount_cents + 1 WHERE id = %s",
        "UPDATE commerce_invoiceline SET position = position + 1 WHERE id = %s",
        "UPDATE commerce_invoiceline SET booking_item_id = NULL WHERE id = %s",
        "DELETE FROM commerce_invoiceline WHERE id = %s",
    ],
    ids=["text", "price", "tax rate", "tax", "amount", "position", "item", "gone"],
)
def test_lines_are_compared_by_their_fingerprint(planted: None, damage: str) -> None:
    line = _a_line()
    assert rows_match_their_events() == []

    _damage_line(damage, line)

    assert rows_match_their_events() == [
        f"invoice {line.invoice_id}: its lines are not those of its event"
    ]


@pytest.mark.django_db
def test_lines_are_compared_in_every_batch(planted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_invariants, "_BATCH", 1)
    line = InvoiceLine.objects.exclude(invoice__number=None).latest("invoice_id")
    assert Invoice.objects.exclude(number=None).count() > 1

    _damage_line("DELETE FROM commerce_invoiceline WHERE id = %s", line)

    assert len(rows_match_their_events()) == 1


@pytest.mark.django_db
def test_lines_are_found_under_an_older_key_and_without_a_fingerprint(
    planted: None, settings: Settings
) -> None:
    keys = [b"n" * 32, *subjects._master().keys]
    settings.LEDGER_DATA_KEYS = [base64.b64encode(key).decode() for key in keys]
    assert rows_match_their_events() == []

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE events_event SET data = (data::jsonb - 'linesFingerprint')::text "
            "WHERE name = 'invoice.issued'"
        )
    _damage_line("UPDATE commerce_invoiceline SET tax_bp = tax_bp + 1 WHERE id = %s", _a_line())

    assert rows_match_their_events() == []


@pytest.mark.django_db
def test_what_an_invoice_bills_is_not_to_be_guessed_from_its_event(planted: None) -> None:
    line = _a_line()
    stream = f"invoice/{line.invoice_id}/"
    data = StoredEvent.objects.get(name="invoice.issued", stream=stream).data or ""
    lines = list(line.invoice.lines.order_by("position"))

    fingerprint = json.loads(data)["linesFingerprint"]

    assert fingerprint == invoice_lines.fingerprint_of(lines)
    assert line.description not in data
    with override_settings(LEDGER_DATA_KEYS=[base64.b64encode(b"n" * 32).decode()]):
        assert fingerprint != invoice_lines.fingerprint_of(lines)


def _a_line() -> InvoiceLine:
    lines = InvoiceLine.objects.exclude(invoice__number=None).exclude(booking_item=None)
    return lines.latest("pk")


def _damage_line(sql: str, line: InvoiceLine) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE commerce_invoiceline "
            "DROP CONSTRAINT commerce_line_amount_is_quantity_times_price"
        )
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, [line.pk])
        assert cursor.rowcount == 1
        cursor.execute("SET LOCAL session_replication_role = origin")


def _damage(table: str, column: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'",
            [table],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        cursor.execute(
            "SELECT data_type FROM information_schema.columns "
            "WHERE table_name = %s AND column_name = %s",
            [table, column],
        )
        [(type_,)] = cursor.fetchall()
        other = OTHER[type_].format(column=column)
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            f"UPDATE {table} SET {column} = {other} "
            f"WHERE id = (SELECT max(id::text)::uuid FROM {table})"
        )
        assert cursor.rowcount == 1, f"the example has no row of {table}"
