from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from commerce.domain import invoices
from commerce.domain.invoices import (
    InvoiceEmpty,
    InvoiceNotCreditable,
    InvoiceNotDraft,
    InvoiceNotPayable,
    InvoiceNotVoidable,
    InvoiceOverpaid,
    InvoiceStatus,
)
from events.domain.errors import DomainError


def accepts(check: Callable[..., None], **facts: Any) -> bool:
    try:
        check(invoice_id="i", **facts)
    except DomainError:
        return False
    return True


class TestCheckCanIssue:
    def test_takes_a_draft_with_lines(self) -> None:
        assert accepts(invoices.check_can_issue, status="draft", line_count=1)

    def test_refuses_a_draft_without_lines(self) -> None:
        with pytest.raises(InvoiceEmpty):
            invoices.check_can_issue(invoice_id="i", status="draft", line_count=0)

    @pytest.mark.parametrize("status", sorted(set(InvoiceStatus) - {InvoiceStatus.DRAFT}))
    def test_refuses_what_was_issued(self, status: str) -> None:
        with pytest.raises(InvoiceNotDraft):
            invoices.check_can_issue(invoice_id="i", status=status, line_count=1)


class TestCheckCanPay:
    @pytest.mark.parametrize("status", ["issued", "partially_paid", "overdue"])
    def test_takes_what_is_due(self, status: str) -> None:
        assert accepts(invoices.check_can_pay, status=status, due_cents=5, amount_cents=5)

    @pytest.mark.parametrize("status", ["issued", "partially_paid", "overdue", "paid"])
    def test_refuses_more(self, status: str) -> None:
        with pytest.raises(InvoiceOverpaid):
            invoices.check_can_pay(invoice_id="i", status=status, due_cents=5, amount_cents=6)

    @pytest.mark.parametrize("status", ["draft", "void"])
    def test_refuses_what_is_not_owed(self, status: str) -> None:
        with pytest.raises(InvoiceNotPayable):
            invoices.check_can_pay(invoice_id="i", status=status, due_cents=5, amount_cents=5)


class TestCheckCanVoid:
    @pytest.mark.parametrize("status", ["issued", "partially_paid", "overdue"])
    def test_takes_what_had_no_consequences(self, status: str) -> None:
        assert accepts(invoices.check_can_void, status=status, payments=0, credit_notes=0)

    @pytest.mark.parametrize(
        ("status", "payments", "credit_notes", "reason"),
        [
            ("void", 0, 0, "already_void"),
            ("draft", 0, 0, "draft"),
            ("issued", 1, 0, "has_payments"),
            ("paid", 1, 0, "has_payments"),
            ("issued", 0, 1, "has_credit_notes"),
            ("paid", 0, 0, "paid"),
        ],
    )
    def test_says_why_not(self, status: str, payments: int, credit_notes: int, reason: str) -> None:
        with pytest.raises(InvoiceNotVoidable) as refusal:
            invoices.check_can_void(
                invoice_id="i", status=status, payments=payments, credit_notes=credit_notes
            )

        assert refusal.value.facts["reason"] == reason


class TestCheckCanCredit:
    @pytest.mark.parametrize("status", ["issued", "partially_paid", "paid", "overdue"])
    def test_takes_what_was_owed(self, status: str) -> None:
        assert accepts(invoices.check_can_credit, status=status)

    @pytest.mark.parametrize("status", ["draft", "void"])
    def test_refuses_what_never_was(self, status: str) -> None:
        with pytest.raises(InvoiceNotCreditable):
            invoices.check_can_credit(invoice_id="i", status=status)


class TestStatusWhenPaid:
    @pytest.mark.parametrize(
        ("status", "total", "paid", "wanted"),
        [
            ("issued", 100, 0, "issued"),
            ("issued", 100, 1, "partially_paid"),
            ("issued", 100, 100, "paid"),
            ("overdue", 100, 1, "overdue"),
            ("overdue", 100, 100, "paid"),
            ("issued", 0, 0, "paid"),
        ],
    )
    def test_follows_from_what_came_in(
        self, status: str, total: int, paid: int, wanted: str
    ) -> None:
        given = invoices.status_when_paid(
            status=InvoiceStatus(status), total_cents=total, paid_cents=paid
        )

        assert given == wanted


class TestIsOverdue:
    TODAY = date(2026, 3, 1)

    @pytest.mark.parametrize(
        ("status", "due", "wanted"),
        [
            ("issued", date(2026, 2, 28), True),
            ("partially_paid", date(2026, 2, 28), True),
            ("issued", date(2026, 3, 1), False),
            ("issued", None, False),
            ("paid", date(2026, 2, 28), False),
            ("draft", date(2026, 2, 28), False),
            ("overdue", date(2026, 2, 28), False),
        ],
    )
    def test_begins_the_day_after(self, status: str, due: date | None, *, wanted: bool) -> None:
        assert invoices.is_overdue(status=status, due_date=due, today=self.TODAY) is wanted


class TestLineTaxCents:
    @pytest.mark.parametrize(
        ("amount", "bp", "tax"), [(1_000, 1_900, 190), (5, 1_000, 1), (4, 1_000, 0), (0, 1_900, 0)]
    )
    def test_rounds_half_up(self, amount: int, bp: int, tax: int) -> None:
        assert invoices.line_tax_cents(amount, bp) == tax
