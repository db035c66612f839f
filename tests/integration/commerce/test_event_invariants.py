"""The doctor sees when a row of the trade says another thing than its event told."""

import pytest
from django.db import connection, transaction

from commerce.domain.booking.state import Status
from commerce.event_invariants import _CREATED_BY, rows_match_their_events
from commerce.models import BookingItem
from commerce.services import vouchers

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
    for table, stream, _event, told in _CREATED_BY:
        for column in told:
            with transaction.atomic():
                _damage(table, column)
                found = rows_match_their_events()
                transaction.set_rollback(True)
            if not any(
                each.startswith(f"{stream} ") and f": its {column} is not" in each for each in found
            ):
                unseen.append((table, column, found))

    assert unseen == []


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
