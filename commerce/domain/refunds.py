"""Credit notes and refunds: limits, and the state machine of a refund."""

from enum import StrEnum

from events.domain.errors import Conflict, Rejected


class RefundMethod(StrEnum):
    PROCESSOR_REVERSAL = "processor_reversal"
    BANK_TRANSFER = "bank_transfer"
    CASH = "cash"
    CHEQUE = "cheque"
    TRAVEL_CREDIT = "travel_credit"
    VOUCHER = "voucher"
    COUNTERPARTY_OFFSET = "counterparty_offset"
    OTHER = "other"


BY_HAND = tuple(method for method in RefundMethod if method != RefundMethod.PROCESSOR_REVERSAL)
"""Every way on which no provider takes a capture back."""


class RefundStatus(StrEnum):
    PENDING = "pending"
    SETTLED = "settled"
    FAILED = "failed"


HOLDING = frozenset({RefundStatus.PENDING, RefundStatus.SETTLED})
"""A refund that is not settled yet holds its amount, so that it cannot be promised twice."""


class InvoiceOvercredited(Conflict):
    code = "invoice_overcredited"
    hint = "Credit at most the total of the invoice, less what has been credited."

    def __init__(self, invoice_id: str, *, requested_cents: int, available_cents: int) -> None:
        super().__init__(
            f"Only {available_cents} minor units of invoice {invoice_id} can still be credited.",
            invoice_id=invoice_id,
            requested_cents=requested_cents,
            available_cents=available_cents,
        )


class RefundExceedsPayment(Conflict):
    code = "refund_exceeds_refundable"
    hint = "Refund at most what was paid, less what has been or is being refunded."

    def __init__(self, payment_id: str, *, requested_cents: int, available_cents: int) -> None:
        super().__init__(
            f"Only {available_cents} minor units of payment {payment_id} can still be refunded.",
            payment_id=payment_id,
            requested_cents=requested_cents,
            available_cents=available_cents,
        )


class RefundExceedsCreditNote(Conflict):
    code = "refund_exceeds_credit_note"
    hint = "Refund at most what the credit note is for, less what has been or is being refunded."

    def __init__(self, credit_note_id: str, *, requested_cents: int, available_cents: int) -> None:
        super().__init__(
            f"Only {available_cents} minor units of credit note {credit_note_id} are left.",
            credit_note_id=credit_note_id,
            requested_cents=requested_cents,
            available_cents=available_cents,
        )


class RefundExceedsSurplus(Conflict):
    code = "refund_exceeds_surplus"
    hint = "Refund at most the surplus of the chargeback, less what has been refunded."

    def __init__(self, chargeback_id: str, *, requested_cents: int, available_cents: int) -> None:
        super().__init__(
            f"Only {available_cents} minor units of the surplus of chargeback {chargeback_id} "
            "are left.",
            chargeback_id=chargeback_id,
            requested_cents=requested_cents,
            available_cents=available_cents,
        )


class RefundAlreadyEnded(Conflict):
    code = "refund_already_ended"
    hint = "Request another refund if an amount is left."

    def __init__(self, refund_id: str, status: RefundStatus) -> None:
        super().__init__(
            f"Refund {refund_id} is {status.value}; that is final.",
            refund_id=refund_id,
            status=status.value,
        )


class SettlementWindowClosed(Rejected):
    code = "settlement_window_closed"
    hint = (
        "Refund by bank transfer or travel credit instead: that is a new payment, not a reversal."
    )

    def __init__(self, payment_id: str, *, closed_at: str) -> None:
        super().__init__(
            f"The provider could reverse payment {payment_id} only until {closed_at}.",
            payment_id=payment_id,
            closed_at=closed_at,
        )


class NothingToReverse(Rejected):
    code = "nothing_to_reverse"
    hint = "Only money that a provider captured can be reversed at that provider."

    def __init__(self, payment_id: str) -> None:
        super().__init__(f"No provider captured payment {payment_id}.", payment_id=payment_id)


def check_credit(
    *, invoice_id: str, total_cents: int, credited_cents: int, amount_cents: int
) -> None:
    """Refuse to credit more than the invoice was for.

    :raises InvoiceOvercredited: if the credit notes together would exceed the invoice.
    """
    available = total_cents - credited_cents
    if amount_cents > available:
        raise InvoiceOvercredited(
            invoice_id, requested_cents=amount_cents, available_cents=available
        )


def check_refund_of_payment(
    *, payment_id: str, paid_cents: int, held_cents: int, amount_cents: int
) -> None:
    """Refuse to give back more than was paid.

    :raises RefundExceedsPayment: if pending and settled refunds would exceed the payment.
    """
    available = paid_cents - held_cents
    if amount_cents > available:
        raise RefundExceedsPayment(
            payment_id, requested_cents=amount_cents, available_cents=available
        )


def check_refund_of_credit_note(
    *, credit_note_id: str, credited_cents: int, held_cents: int, amount_cents: int
) -> None:
    """Refuse to give back more than was credited.

    :raises RefundExceedsCreditNote: if pending and settled refunds would exceed the note.
    """
    available = credited_cents - held_cents
    if amount_cents > available:
        raise RefundExceedsCreditNote(
            credit_note_id, requested_cents=amount_cents, available_cents=available
        )


def check_refund_of_surplus(
    *, chargeback_id: str, surplus_cents: int, held_cents: int, amount_cents: int
) -> None:
    """Refuse to give back more than came back beyond what the invoice asked for.

    :raises RefundExceedsSurplus: if pending and settled refunds would exceed the surplus.
    """
    available = surplus_cents - held_cents
    if amount_cents > available:
        raise RefundExceedsSurplus(
            chargeback_id, requested_cents=amount_cents, available_cents=available
        )


def check_can_end(refund_id: str, status: RefundStatus) -> None:
    """Refuse to end a refund twice.

    :raises RefundAlreadyEnded: if it is settled or failed.
    """
    if status is not RefundStatus.PENDING:
        raise RefundAlreadyEnded(refund_id, status)
