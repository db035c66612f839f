"""Reversal plans that refund a payment, or void or credit an invoice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from commerce.domain.invoices import CREDITABLE, VOIDABLE
from commerce.domain.refunds import RefundMethod
from ledger.domain.action import Target
from ledger.domain.plans import Effect, EffectKind, OriginalAction, Plan, PolicyFacts, blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFound:
    """An invoice, as the rules of its undoing see it.

    `unused_note_cents` is the most that one of its credit notes still stands for because the
    money did not go back: it is used again, so that nothing is credited twice.
    """

    id: str
    number: str
    status: str
    revision: int
    total_cents: int
    credited_cents: int
    unused_note_cents: int
    currency: str
    payments: int
    credit_notes: int
    documents_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedBack:
    """Money that the provider took back by itself, and where that is on record."""

    amount_cents: int
    entry_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFound:
    """A payment and what hangs on it.

    `entitled_cents` is what the agreed terms give back of a cancelled booking and has not
    gone back yet; None where nothing was cancelled. `held_cents` is what refunds hold.
    """

    id: str
    invoice: InvoiceFound
    status: str
    method: str
    amount_cents: int
    held_cents: int
    provider: str
    entitled_cents: int | None
    charged_back: Sequence[ChargedBack] = ()

    @property
    def left_cents(self) -> int:
        """How much of it can still go back."""
        taken = sum(each.amount_cents for each in self.charged_back)
        return self.amount_cents - self.held_cents - taken


def void(original: OriginalAction, found: InvoiceFound) -> Plan:
    """Void an invoice on which nothing was paid or credited: its number stays used."""
    effect = Effect(
        kind=EffectKind.COMPENSATED,
        summary=f"Invoice {found.number} is voided: nothing is owed on it any more.",
        target=_invoice(found),
        amount_cents=found.total_cents,
        currency=found.currency,
        parts=(
            Effect(
                kind=EffectKind.IRREVERSIBLE,
                summary=f"The number {found.number} stays used.",
                target=_invoice(found),
            ),
            *_sent(found),
        ),
    )
    return Plan(
        effects=(effect, *_in_the_way_of_voiding(original, found)),
        versions={f"invoice/{found.id}": found.revision},
        input={"invoice_id": found.id, "expected_version": found.revision},
        amount_cents=original.standing.amount_cents,
        currency=found.currency,
    )


def credit(original: OriginalAction, found: InvoiceFound) -> Plan:
    """Credit what is left of an invoice, or as much of it as was asked."""
    available = min(original.amount_cents, found.total_cents - found.credited_cents)
    amount = original.amount_cents if original.asked_cents is not None else available
    stops = []
    if found.status not in CREDITABLE:
        stops.append(blocked(f"The invoice is {found.status}: there is nothing to credit."))
    elif amount <= 0 or amount > available:
        stops.append(blocked(f"Only {max(available, 0)} minor units can still be credited."))
    return Plan(
        effects=(_note(found, amount), *stops),
        versions={f"invoice/{found.id}": found.revision},
        input={
            "invoice_id": found.id,
            "amount_cents": amount,
            "currency": found.currency,
            "credited_cents": found.credited_cents,
        },
        amount_cents=amount,
        currency=found.currency,
    )


def reverse(original: OriginalAction, found: PaymentFound) -> Plan:
    """Have the provider take a capture back; a part of it with a credit note."""
    return _give_back(original, found, RefundMethod.PROCESSOR_REVERSAL)


def refund(original: OriginalAction, found: PaymentFound) -> Plan:
    """Give money back by a new act: the way it came, or by bank transfer."""
    ways = {way.value: way for way in RefundMethod}
    way = ways.get(found.method, RefundMethod.BANK_TRANSFER)
    return _give_back(original, found, way)


def policy_facts_of_voiding(found: InvoiceFound, _plan: Plan) -> PolicyFacts:
    """Return what voiding weighs: all of the invoice."""
    return PolicyFacts(
        action="invoice.void",
        target_type="invoice",
        state={"status": found.status, "revision": found.revision},
        facts={"amount_cents": found.total_cents, "currency": found.currency},
    )


def policy_facts_of_crediting(found: InvoiceFound, plan: Plan) -> PolicyFacts:
    """Return what crediting weighs: what the note is over."""
    return PolicyFacts(
        action="credit_note.issue",
        target_type="credit_note",
        state={
            "status": found.status,
            "revision": found.revision,
            "credited_cents": found.credited_cents,
        },
        facts={"amount_cents": plan.amount_cents, "currency": found.currency},
    )


def policy_facts_of_giving_back(found: PaymentFound, plan: Plan) -> PolicyFacts:
    """Return what giving money back weighs: how much goes."""
    return PolicyFacts(
        action="refund.request",
        target_type="refund",
        state={
            "status": found.status,
            "amount_cents": found.amount_cents,
            "held_cents": found.amount_cents - found.left_cents,
        },
        facts={"amount_cents": plan.amount_cents, "currency": found.invoice.currency},
    )


def _give_back(original: OriginalAction, found: PaymentFound, method: RefundMethod) -> Plan:
    amount = _amount(original, found)
    # Only the whole, taken back by who took it, undoes the act itself.
    is_whole = method is RefundMethod.PROCESSOR_REVERSAL and amount == found.amount_cents
    kind = EffectKind.REVERTED if is_whole else EffectKind.COMPENSATED
    parts = () if is_whole else (_note_behind(found.invoice, amount),)
    effect = Effect(
        kind=kind,
        summary=f"The money goes back: {method.value.replace('_', ' ')}.",
        target=Target(type="payment", id=found.id),
        amount_cents=amount,
        currency=found.invoice.currency,
        parts=(*parts, *_asked_outside(found, method), *_sent(found.invoice)),
    )
    stops = _in_the_way_of_giving_back(found, amount, is_whole=is_whole)
    return Plan(
        effects=(effect, *_taken_already(found), *stops),
        versions={f"invoice/{found.invoice.id}": found.invoice.revision},
        input={
            "payment_id": found.id,
            "amount_cents": amount,
            "method": method.value,
            "with_credit_note": not is_whole,
            "held_cents": found.held_cents,
        },
        amount_cents=amount,
        currency=found.invoice.currency,
    )


def _amount(original: OriginalAction, found: PaymentFound) -> int:
    left = min(original.amount_cents, found.left_cents)
    if original.asked_cents is not None:
        return original.asked_cents
    return left if found.entitled_cents is None else min(left, found.entitled_cents)


def _in_the_way_of_giving_back(found: PaymentFound, amount: int, *, is_whole: bool) -> list[Effect]:
    left = found.left_cents
    later = found.charged_back[-1].entry_id if found.charged_back else None
    creditable = max(
        found.invoice.total_cents - found.invoice.credited_cents, found.invoice.unused_note_cents
    )
    stops = []
    if found.status != "completed":
        stops.append(
            blocked(f"The payment is {found.status}: there is nothing to give back.", by=later)
        )
    elif found.entitled_cents == 0 and amount <= 0:
        stops.append(blocked("The agreed terms give nothing back; say an amount to do so still."))
    elif amount <= 0 or amount > left:
        stops.append(
            blocked(f"Only {left} minor units of the payment can still go back.", by=later)
        )
    if not is_whole and amount > creditable:
        stops.append(blocked(f"Only {creditable} minor units of the invoice can be credited."))
    return stops


def _taken_already(found: PaymentFound) -> list[Effect]:
    return [
        Effect(
            kind=EffectKind.IRREVERSIBLE,
            summary="The provider has charged this back by itself.",
            target=Target(type="payment", id=found.id),
            amount_cents=each.amount_cents,
            currency=found.invoice.currency,
            entry_id=each.entry_id,
        )
        for each in found.charged_back
    ]


def _in_the_way_of_voiding(original: OriginalAction, found: InvoiceFound) -> list[Effect]:
    stops = []
    if original.asked_cents is not None:
        stops.append(blocked("An invoice is voided as a whole: credit a part of it instead."))
    if found.payments:
        stops.append(blocked("has_payments: issue a credit note instead."))
    if found.credit_notes:
        stops.append(blocked("has_credit_notes: issue another credit note instead."))
    if not stops and found.status not in VOIDABLE:
        stops.append(blocked(f"The invoice is {found.status}: it cannot be voided."))
    return stops


def _note(invoice: InvoiceFound, amount_cents: int) -> Effect:
    return Effect(
        kind=EffectKind.COMPENSATED,
        summary=f"A credit note on invoice {invoice.number} is issued.",
        target=_invoice(invoice),
        amount_cents=amount_cents,
        currency=invoice.currency,
    )


def _note_behind(invoice: InvoiceFound, amount_cents: int) -> Effect:
    """Return what stands in the books for money that goes back."""
    note = _note(invoice, amount_cents)
    if amount_cents > invoice.unused_note_cents:
        return note
    return replace(
        note, summary=f"It was credited on invoice {invoice.number} before, and did not go back."
    )


def _asked_outside(found: PaymentFound, method: RefundMethod) -> tuple[Effect, ...]:
    if method is not RefundMethod.PROCESSOR_REVERSAL:
        return ()
    return (
        Effect(
            kind=EffectKind.OUTSIDE_CALL,
            summary=f"The provider {found.provider} is asked to take the capture back.",
        ),
    )


def _sent(invoice: InvoiceFound) -> tuple[Effect, ...]:
    if not invoice.documents_sent:
        return ()
    return (
        Effect(
            kind=EffectKind.IRREVERSIBLE,
            summary="The customer has been sent documents: they stay where they are.",
            target=_invoice(invoice),
        ),
    )


def _invoice(found: InvoiceFound) -> Target:
    return Target(type="invoice", id=found.id)
