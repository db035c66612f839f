from datetime import UTC, datetime, timedelta

import pytest

from commerce.domain import settlement
from commerce.domain.settlement import SettlementReport

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestNewlyAppliedCents:
    @pytest.mark.parametrize(
        ("total", "paid", "reported", "newly"),
        [
            (100, 0, 0, 0),
            (100, 0, 40, 40),
            (100, 40, 40, 0),
            (100, 40, 70, 30),
            (100, 40, 30, 0),
            (100, 0, 250, 100),
            (100, 100, 250, 0),
            (100, 0, -5, 0),
        ],
    )
    def test_is_what_the_invoice_does_not_know_yet(
        self, total: int, paid: int, reported: int, newly: int
    ) -> None:
        assert (
            settlement.newly_applied_cents(
                total_cents=total, paid_cents=paid, reported_cents=reported
            )
            == newly
        )


class TestReferenceOf:
    @pytest.mark.parametrize(
        ("report", "stored", "wanted"),
        [
            (SettlementReport(reference_number="R", external_number="N"), ("n", "i"), "R"),
            (SettlementReport(external_number="N", external_id="I"), ("n", "i"), "N"),
            (SettlementReport(external_id="I"), ("n", "i"), "I"),
            (SettlementReport(), ("n", "i"), "n"),
            (SettlementReport(), ("", "i"), "i"),
            (SettlementReport(), ("", ""), "INV-1"),
        ],
    )
    def test_is_the_first_that_anybody_gave(
        self, report: SettlementReport, stored: tuple[str, str], wanted: str
    ) -> None:
        given = settlement.reference_of(report, stored=stored, number="INV-1")

        assert given == wanted


class TestSettlementWindow:
    def test_closes_after_its_length_and_not_at_it(self) -> None:
        closes = settlement.window_closes_at(NOON, window=timedelta(days=3))

        assert closes == NOON + timedelta(days=3)
        just_before = closes - timedelta(microseconds=1)
        assert settlement.is_inside_window(just_before, closes_at=closes)
        assert not settlement.is_inside_window(closes, closes_at=closes)
