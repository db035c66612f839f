"""That money and vouchers are what was told of them when they were made.

Sums alone do not tell: of a credit note more could be given back after its amount was raised.
Checkpoints of the ledger sign the events, so each row is compared with its own first event.
"""

from typing import Final

from django.db import connection

from events.doctor import VIOLATIONS_SHOWN_MAX, check

# The table, the stream of its rows, the event that began it, and by column what that says.
_TOLD: Final = (
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
def rows_are_as_told() -> list[str]:
    """Return what is broken, as sentences."""
    found: list[str] = []
    with connection.cursor() as cursor:
        for table, stream, event, told in _TOLD:
            cursor.execute(_differing(table, stream, event, told))
            found += [
                f"{stream} {id_}: its {name} is not what was told"
                for id_, name in cursor.fetchall()
            ]
    return found


def _differing(table: str, stream: str, event: str, told: dict[str, str]) -> str:
    # A field that an event of an older version does not have says nothing.
    columns = ", ".join(
        f"('{column}', NOT said ? '{field}' OR row.{column}::text IS NOT DISTINCT FROM "
        f"said->>'{field}')"
        for column, field in told.items()
    )
    return (
        f"SELECT row.id, told.name FROM {table} row JOIN events_event e "  # noqa: S608 - ours.
        f"ON e.stream = '{stream}/' || row.id || '/' AND e.name = '{event}' "
        "CROSS JOIN LATERAL (SELECT e.data::jsonb AS said) event "
        f"CROSS JOIN LATERAL (VALUES {columns}) told (name, is_so) "
        "WHERE e.data IS NOT NULL AND NOT told.is_so "
        f"ORDER BY row.id, told.name LIMIT {VIOLATIONS_SHOWN_MAX}"
    )
