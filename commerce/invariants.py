"""The invariants of commerce, for the doctor. That booking rows equal their replay is I4."""

from typing import Any

from django.db import connection

from events.doctor import VIOLATIONS_SHOWN_MAX, check
from events.tables import triggers


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {VIOLATIONS_SHOWN_MAX}")
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


@check("commerce-invoices", "what is paid and what is due make the total of every invoice")
def invoices_add_up() -> list[str]:
    found = _rows(
        "SELECT id, total_cents, paid_cents, balance_due_cents FROM commerce_invoice "
        "WHERE status <> 'void' AND total_cents <> paid_cents + balance_due_cents"
    )
    return [f"invoice {row[0]}: {row[2]} paid and {row[3]} due of {row[1]}" for row in found]


@check("commerce-lines", "the lines of every invoice make its total")
def lines_add_up() -> list[str]:
    found = _rows(
        "SELECT i.id, i.total_cents, coalesce(sum(l.amount_cents + l.tax_cents), 0) AS lines "
        "FROM commerce_invoice i LEFT JOIN commerce_invoiceline l ON l.invoice_id = i.id "
        "GROUP BY i.id HAVING i.total_cents <> coalesce(sum(l.amount_cents + l.tax_cents), 0)"
    )
    return [f"invoice {row[0]}: lines of {row[2]}, a total of {row[1]}" for row in found]


@check("commerce-payments", "the completed payments of every invoice make what is paid on it")
def payments_add_up() -> list[str]:
    found = _rows(
        "SELECT i.id, i.paid_cents, coalesce(sum(p.amount_cents - p.charged_back_cents), 0) "
        "FROM commerce_invoice i LEFT JOIN commerce_payment p "
        "ON p.invoice_id = i.id AND p.status IN ('completed', 'charged_back') "
        "GROUP BY i.id "
        "HAVING i.paid_cents <> coalesce(sum(p.amount_cents - p.charged_back_cents), 0)"
    )
    return [f"invoice {row[0]}: {row[1]} paid, payments of {row[2]}" for row in found]


@check("commerce-seats", "the free seats of every departure are those that no booking holds")
def seats_add_up() -> list[str]:
    found = _rows(
        "SELECT s.id, s.capacity, s.remaining, coalesce(sum(a.quantity), 0) AS taken "
        "FROM commerce_slot s LEFT JOIN commerce_allocation a ON a.slot_id = s.id "
        "AND a.status IN ('held', 'confirmed', 'fulfilled') WHERE s.capacity IS NOT NULL "
        "GROUP BY s.id HAVING s.remaining <> s.capacity - coalesce(sum(a.quantity), 0)"
    )
    return [f"departure {row[0]}: {row[2]} of {row[1]} left, {row[3]} taken" for row in found]


@check("commerce-allocations", "exactly the bookings that take seats have allocations")
def seats_follow_bookings() -> list[str]:
    found = _rows(
        "SELECT b.number, b.status, i.id FROM commerce_booking b "
        "JOIN commerce_bookingitem i ON i.booking_id = b.id "
        "LEFT JOIN commerce_allocation a ON a.item_id = i.id "
        "AND a.status IN ('held', 'confirmed', 'fulfilled') "
        "WHERE (a.id IS NOT NULL) <> (b.status IN "
        "('on_hold', 'awaiting_payment', 'confirmed', 'in_progress', 'completed'))"
    )
    miscounted = _rows(
        "SELECT b.number, i.id, i.quantity, a.quantity FROM commerce_booking b "
        "JOIN commerce_bookingitem i ON i.booking_id = b.id "
        "JOIN commerce_allocation a ON a.item_id = i.id AND a.quantity <> i.quantity"
    )
    return [
        *(f"booking {row[0]} is {row[1]}, and item {row[2]} disagrees" for row in found),
        *(f"booking {row[0]}: item {row[1]} of {row[2]} has {row[3]} seats" for row in miscounted),
    ]


@check("commerce-captures", "every capture is of the amount of its payment")
def captures_are_of_their_payment() -> list[str]:
    found = _rows(
        "SELECT p.id, p.amount_cents, c.amount_cents FROM commerce_capture c "
        "JOIN commerce_payment p ON p.id = c.payment_id WHERE p.amount_cents <> c.amount_cents"
    )
    return [f"payment {row[0]} of {row[1]}: a capture of {row[2]}" for row in found]


@check("commerce-currencies", "all amounts of an invoice are in its currency")
def currencies_are_not_mixed() -> list[str]:
    found = _rows(
        "SELECT i.id, i.currency, other.what, other.id, other.currency FROM commerce_invoice i "
        "JOIN (SELECT 'payment' AS what, id, invoice_id, currency FROM commerce_payment "
        "UNION ALL SELECT 'credit note', id, invoice_id, currency FROM commerce_creditnote "
        "UNION ALL SELECT 'refund', r.id, p.invoice_id, r.currency FROM commerce_refund r "
        "JOIN commerce_payment p ON p.id = r.payment_id "
        "UNION ALL SELECT 'chargeback', c.id, p.invoice_id, c.currency FROM commerce_chargeback c "
        "JOIN commerce_payment p ON p.id = c.payment_id) other "
        "ON other.invoice_id = i.id AND other.currency <> i.currency"
    )
    return [f"invoice {row[0]} is in {row[1]}, {row[2]} {row[3]} in {row[4]}" for row in found]


@check("commerce-refunds", "refunds, failed ones aside, and chargebacks never exceed their payment")
def money_back_is_covered() -> list[str]:
    found = _rows(
        "SELECT p.id, p.amount_cents, sum(r.amount_cents), p.charged_back_cents "
        "FROM commerce_payment p "
        "JOIN commerce_refund r ON r.payment_id = p.id AND r.status <> 'failed' "
        "AND r.surplus_of_id IS NULL "
        "GROUP BY p.id HAVING sum(r.amount_cents) + p.charged_back_cents > p.amount_cents"
    )
    return [
        f"payment {row[0]} of {row[1]}: refunds of {row[2]}, {row[3]} charged back" for row in found
    ]


@check("commerce-chargebacks", "the chargebacks of every payment add up to what it has lost")
def chargebacks_add_up() -> list[str]:
    found = _rows(
        "SELECT p.id, p.charged_back_cents, coalesce(sum(c.charged_back_cents), 0) "
        "FROM commerce_payment p LEFT JOIN commerce_chargeback c ON c.payment_id = p.id "
        "GROUP BY p.id HAVING p.charged_back_cents <> coalesce(sum(c.charged_back_cents), 0)"
    )
    return [f"payment {row[0]}: {row[1]} missing, chargebacks of {row[2]}" for row in found]


@check("commerce-resolutions", "what was charged back and not lost is returned by a payment")
def resolutions_return_what_was_taken() -> list[str]:
    found = _rows(
        "SELECT r.chargeback_id, r.status, r.returned_cents, r.surplus_cents, c.charged_back_cents "
        "FROM commerce_chargebackresolution r "
        "JOIN commerce_chargeback c ON c.id = r.chargeback_id "
        "LEFT JOIN commerce_payment p ON p.id = r.payment_id "
        "WHERE r.returned_cents <> coalesce(p.amount_cents, 0) OR r.returned_cents "
        "+ r.surplus_cents <> CASE r.status WHEN 'lost' THEN 0 ELSE c.charged_back_cents END"
    )
    return [
        f"chargeback {row[0]} of {row[4]} is {row[1]}: {row[2]} returned, {row[3]} beyond"
        for row in found
    ]


@check("commerce-surpluses", "the refunds of a surplus, failed ones aside, never exceed it")
def surpluses_are_covered() -> list[str]:
    found = _rows(
        "SELECT s.chargeback_id, s.surplus_cents, sum(r.amount_cents) "
        "FROM commerce_chargebackresolution s "
        "JOIN commerce_refund r ON r.surplus_of_id = s.chargeback_id AND r.status <> 'failed' "
        "GROUP BY s.chargeback_id HAVING sum(r.amount_cents) > s.surplus_cents"
    )
    return [f"chargeback {row[0]}: a surplus of {row[1]}, refunds of {row[2]}" for row in found]


@check("commerce-triggers", "the triggers that protect amounts exist and are enabled")
def triggers_are_enabled() -> list[str]:
    lost = triggers.missing_or_disabled("commerce_")
    return [f"{table}: the trigger {name} sleeps, or is gone" for table, name in lost]


@check("commerce-credit-notes", "credit notes never exceed their invoice, nor refunds their note")
def credit_notes_are_covered() -> list[str]:
    over_invoice = _rows(
        "SELECT i.id, i.total_cents, sum(n.amount_cents) FROM commerce_invoice i "
        "JOIN commerce_creditnote n ON n.invoice_id = i.id "
        "GROUP BY i.id HAVING sum(n.amount_cents) > i.total_cents"
    )
    over_note = _rows(
        "SELECT n.id, n.amount_cents, sum(r.amount_cents) FROM commerce_creditnote n "
        "JOIN commerce_refund r ON r.credit_note_id = n.id AND r.status <> 'failed' "
        "GROUP BY n.id HAVING sum(r.amount_cents) > n.amount_cents"
    )
    return [
        *(f"invoice {row[0]} of {row[1]}: credit notes of {row[2]}" for row in over_invoice),
        *(f"credit note {row[0]} of {row[1]}: refunds of {row[2]}" for row in over_note),
    ]


@check("I11-deliveries", "every pending delivery has work that will send it")
def waiting_deliveries_have_work() -> list[str]:
    found = _rows(
        "SELECT d.id, d.work_id FROM commerce_delivery d WHERE d.status = 'pending' "
        "AND NOT EXISTS (SELECT FROM work w WHERE w.id = d.work_id "
        "AND w.status IN ('scheduled', 'ready', 'retry', 'leased'))"
    )
    return [f"delivery {row[0]} waits for work {row[1]}, which is not to come" for row in found]


@check("I11-reversals", "every pending reversal has work or a dead letter")
def waiting_reversals_have_work() -> list[str]:
    found = _rows(
        "SELECT r.id FROM commerce_refund r "
        "WHERE r.status = 'pending' AND r.method = 'processor_reversal' "
        "AND NOT EXISTS (SELECT FROM work w WHERE w.subject = 'refund/' || r.id "
        "AND w.status NOT IN ('done', 'cancelled', 'discarded'))"
    )
    return [f"refund {row[0]} waits for a reversal that is not to come" for row in found]


@check("I11-holds", "every hold has an end, and the sweep keeps up with them", is_of_work=True)
def holds_end() -> list[str]:
    found = _rows(
        "SELECT number, hold_expires_at FROM commerce_booking "
        "WHERE status IN ('on_hold', 'awaiting_payment') "
        "AND hold_expires_at < clock_timestamp() - interval '10 minutes'"
    )
    return [f"booking {row[0]} should have expired at {row[1]:%Y-%m-%d %H:%M}" for row in found]
