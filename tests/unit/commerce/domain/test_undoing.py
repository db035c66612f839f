from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from commerce.domain import undoing
from commerce.domain.booking.state import Status
from ledger.domain.reversals import ReversalKind

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


class TestATransition:
    def test_that_confirms_is_undone_by_cancelling(self) -> None:
        declared = undoing.of_transition("booking.confirm", Status.ON_HOLD, Status.CONFIRMED)

        assert declared == undoing.of_booking()
        assert declared.command == undoing.CANCEL_BOOKING

    @pytest.mark.parametrize("name", ["booking.start", "booking.complete", "booking.override"])
    def test_of_a_status_is_undone_by_hand(self, name: str) -> None:
        declared = undoing.of_transition(name, Status.CONFIRMED, Status.IN_PROGRESS)

        assert declared == undoing.of_status(Status.CONFIRMED, Status.IN_PROGRESS)
        assert (declared.command, declared.args) == (
            undoing.OVERRIDE_BOOKING,
            {"status": "confirmed"},
        )

    @pytest.mark.parametrize("name", ["booking.cancel", "booking.expire"])
    def test_that_gives_seats_up_is_followed_by_a_new_booking(self, name: str) -> None:
        declared = undoing.of_transition(name, Status.CONFIRMED, Status.CANCELLED)

        assert declared is not None
        assert (declared.kind, declared.follow_ups) == (ReversalKind.NONE, (undoing.REBOOK,))

    def test_of_any_other_act_declares_nothing(self) -> None:
        assert undoing.of_transition("booking.read", Status.ON_HOLD, Status.ON_HOLD) is None


class TestAStatus:
    def test_that_kept_seats_for_a_while_is_not_come_back_to(self) -> None:
        declared = undoing.of_status(Status.ON_HOLD, Status.CONFIRMED)

        assert (declared.kind, declared.follow_ups) == (ReversalKind.NONE, (undoing.REBOOK,))

    def test_to_which_the_ordinary_way_leads_needs_no_undoing(self) -> None:
        declared = undoing.of_status(Status.CONFIRMED, Status.ON_HOLD)

        assert declared.kind is ReversalKind.NONE
        assert declared.why == "The ordinary way leads to confirmed again."


class TestMoney:
    @pytest.mark.parametrize(("total", "amount", "currency"), [(5, 5, "EUR"), (0, None, "")])
    def test_of_an_invoice_is_what_it_is_over(
        self, total: int, amount: int | None, currency: str
    ) -> None:
        declared = undoing.of_issue(total_cents=total, currency="EUR")

        assert (declared.amount_cents, declared.currency) == (amount, currency)
        assert declared.follow_ups == (undoing.CREDIT_INVOICE,)

    def test_that_was_captured_goes_back_until_the_window_closes(self) -> None:
        captured = undoing.of_capture(amount_cents=5, currency="EUR", until=NOON)
        brought = undoing.of_payment(amount_cents=5, currency="EUR")

        assert (captured.command, captured.until) == (undoing.REVERSE_PAYMENT, NOON)
        assert captured.follow_ups == (undoing.REFUND_PAYMENT,)
        assert (brought.command, brought.until) == (undoing.REFUND_PAYMENT, None)
        assert captured.amount_cents == brought.amount_cents == 5


def test_a_change_keeps_what_was_before_and_after() -> None:
    before: Mapping[str, Any] = {"name": "Walk"}

    declared = undoing.of_change(before=before, after={"name": "Run"})

    assert declared.args == {"before": {"name": "Walk"}, "after": {"name": "Run"}}


def test_every_follow_up_says_what_to_do() -> None:
    named = {
        *undoing.of_new_product().follow_ups,
        *undoing.of_status(Status.ON_HOLD, Status.CONFIRMED).follow_ups,
    }

    assert named <= set(undoing.FOLLOW_UPS)
