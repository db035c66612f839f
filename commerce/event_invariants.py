"""Compares the rows of money and vouchers with the events that created them.

Sums alone do not suffice: after its amount was raised, more could be refunded of a credit note.
Checkpoints of the ledger sign the events, so each row is compared with its own first event.
"""

from typing import Final

from django.db import connection

from events.doctor import VIOLATIONS_SHOWN_MAX, check

# The table, the stream of its rows, the event that created a row, and its field of each column.
_CREATED_BY: Final = (
    (
        "commerce_invoice",
        "invoice",
        "invoice.issued",
        {"number": "invoiceNumber", "total_cents": "totalCents", "currency": "currency"},
    ),
    (
        "commerce_creditnote",
        "credit_note",
        "credit_note.issued",
        {
            "number": "creditNoteNumber",
            "invoice_id": "invoiceId",
            "amount_cents": "amountCents",
            "currency": "currency",
        },
    ),
    (
        "commerce_refund",
        "refund",
        "refund.requested",
        {
            "payment_id": "paymentId",
            "credit_note_id": "creditNoteId",
            "surplus_of_id": "surplusOf",
            "method": "method",
            "amount_cents": "amountCents",
            "currency": "currency",
        },
    ),
    (
        "commerce_chargeback",
        "chargeback",
        "chargeback.noted",
        {
            "payment_id": "paymentId",
            "provider": "provider",
            "provider_ref": "providerRef",
            "claimed_cents": "claimedCents",
            "charged_back_cents": "chargedBackCents",
            "currency": "currency",
        },
    ),
    ("commerce_voucher", "voucher", "voucher.issued", {"item_id": "itemId", "code": "code"}),
)


@check("commerce-told", "invoices, refunds, chargebacks and vouchers match their events")
def rows_match_their_events() -> list[str]:
    """Return what is broken, as sentences."""
    found: list[str] = []
    with connection.cursor() as cursor:
        for table, stream, event, fields in _CREATED_BY:
            cursor.execute(_differing(table, stream, event, fields))
            found += [
                f"{stream} {id_}: its {name} is not that of its event"
                for id_, name in cursor.fetchall()
            ]
    return found


def _differing(table: str, stream: str, event: str, fields: dict[str, str]) -> str:
    # Events of an older version may lack a field.
    columns = ", ".join(
        f"('{column}', NOT created ? '{field}' OR row.{column}::text IS NOT DISTINCT FROM "
        f"created->>'{field}')"
        for column, field in fields.items()
    )
    return (
        f"SELECT row.id, field.name FROM {table} row JOIN events_event e "  # noqa: S608 - ours.
        f"ON e.stream = '{stream}/' || row.id || '/' AND e.name = '{event}' "
        "CROSS JOIN LATERAL (SELECT e.data::jsonb AS created) event "
        f"CROSS JOIN LATERAL (VALUES {columns}) field (name, is_same) "
        "WHERE e.data IS NOT NULL AND NOT field.is_same "
        f"ORDER BY row.id, field.name LIMIT {VIOLATIONS_SHOWN_MAX}"
    )
