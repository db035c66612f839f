"""Compares the rows of money and vouchers with the events that created them.

Sums alone do not suffice: after its amount was raised, more could be refunded of a credit note.
Checkpoints of the ledger sign the events, so each row is compared with its own first event.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.db import connection

from commerce import invoice_lines
from commerce.models import InvoiceLine
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

_BATCH: Final = 1000

# Events from before there was a fingerprint have none, and are not compared.
_LINES_IN_EVENTS: Final = """
SELECT i.id, e.data::jsonb->>'linesFingerprint'
  FROM commerce_invoice i
  JOIN events_event e ON e.stream = 'invoice/' || i.id || '/' AND e.name = 'invoice.issued'
 WHERE i.id > %s AND e.data IS NOT NULL AND e.data::jsonb ? 'linesFingerprint'
 ORDER BY i.id LIMIT %s
"""


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
    return found + _other_lines()


def _other_lines() -> list[str]:
    found: list[str] = []
    for fingerprints in _lines_in_events():
        lines: dict[UUID, list[InvoiceLine]] = defaultdict(list)
        for line in InvoiceLine.objects.filter(invoice__in=fingerprints).order_by("position"):
            lines[line.invoice_id].append(line)
        found += [
            f"invoice {id_}: its lines are not those of its event"
            for id_, fingerprint in fingerprints.items()
            if fingerprint not in invoice_lines.fingerprint_of(lines[id_]).under
        ]
        if len(found) >= VIOLATIONS_SHOWN_MAX:
            break
    return found[:VIOLATIONS_SHOWN_MAX]


def _lines_in_events() -> Iterator[dict[UUID, str]]:
    """Yield the fingerprints of the lines by invoice, as their events have them, in batches."""
    last = UUID(int=0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_LINES_IN_EVENTS, [last, _BATCH])
            fingerprints: dict[UUID, str] = dict(cursor.fetchall())
        if not fingerprints:
            return
        yield fingerprints
        last = max(fingerprints)


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
