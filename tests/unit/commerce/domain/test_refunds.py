import pytest

from commerce.domain import refunds
from commerce.domain.refunds import (
    InvoiceOvercredited,
    RefundAlreadyEnded,
    RefundExceedsCreditNote,
    RefundExceedsPayment,
    RefundExceedsSurplus,
    RefundMethod,
    RefundStatus,
)


class TestCheckCredit:
    def test_takes_the_last_cent_and_not_one_more(self) -> None:
        given = {"invoice_id": "i", "total_cents": 100, "credited_cents": 60}

        refunds.check_credit(**given, amount_cents=40)  # type: ignore[arg-type]
        with pytest.raises(InvoiceOvercredited) as refusal:
            refunds.check_credit(**given, amount_cents=41)  # type: ignore[arg-type]
        assert refusal.value.facts["available_cents"] == 40


class TestCheckRefund:
    def test_holds_what_is_pending_against_the_payment(self) -> None:
        refunds.check_refund_of_payment(
            payment_id="p", paid_cents=100, held_cents=60, amount_cents=40
        )
        with pytest.raises(RefundExceedsPayment):
            refunds.check_refund_of_payment(
                payment_id="p", paid_cents=100, held_cents=60, amount_cents=41
            )

    def test_holds_it_against_the_credit_note_too(self) -> None:
        refunds.check_refund_of_credit_note(
            credit_note_id="c", credited_cents=50, held_cents=0, amount_cents=50
        )
        with pytest.raises(RefundExceedsCreditNote):
            refunds.check_refund_of_credit_note(
                credit_note_id="c", credited_cents=50, held_cents=1, amount_cents=50
            )

    def test_holds_it_against_a_surplus(self) -> None:
        refunds.check_refund_of_surplus(
            chargeback_id="c", surplus_cents=50, held_cents=10, amount_cents=40
        )
        with pytest.raises(RefundExceedsSurplus) as refusal:
            refunds.check_refund_of_surplus(
                chargeback_id="c", surplus_cents=50, held_cents=10, amount_cents=41
            )
        assert refusal.value.facts["available_cents"] == 40

    def test_is_of_what_may_still_be_settled(self) -> None:
        assert set(RefundStatus) - refunds.HOLDING == {RefundStatus.FAILED}
        assert set(RefundMethod) - {*refunds.BY_HAND} == {RefundMethod.PROCESSOR_REVERSAL}


class TestCheckCanEnd:
    def test_lets_only_what_is_pending_end(self) -> None:
        refunds.check_can_end("r", RefundStatus.PENDING)
        for ended in (RefundStatus.SETTLED, RefundStatus.FAILED):
            with pytest.raises(RefundAlreadyEnded):
                refunds.check_can_end("r", ended)
