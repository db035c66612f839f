"""What an invoice bills, as one keyed fingerprint of its lines.

The event that issues an invoice carries it, so that the doctor sees a line that was changed
afterwards. It is keyed because descriptions may name people, and prices are easy to guess.
"""

from collections.abc import Iterable

from commerce.models import InvoiceLine
from ledger.domain.keyed import Keyed
from ledger.privacy import subjects


def fingerprint_of(lines: Iterable[InvoiceLine]) -> Keyed:
    """Return the fingerprint of the lines of one invoice, given in the order of their position.

    What is on record may be any of its `under`: each key of the installation makes another.
    """
    content = [
        {
            "position": line.position,
            "description": line.description,
            "quantity": line.quantity,
            "unitAmountCents": line.unit_amount_cents,
            "taxBp": line.tax_bp,
            "amountCents": line.amount_cents,
            "taxCents": line.tax_cents,
            "bookingItemId": str(line.booking_item_id or ""),
        }
        for line in lines
    ]
    return subjects.fingerprint_of(content, of="invoice.lines")
