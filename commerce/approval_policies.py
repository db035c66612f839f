"""Approval policies of commerce. `migrate` installs them; from then on they are the operator's.

People act without approval up to a threshold; agents and workflows always need one. What a
provider reports has already happened, so recording it needs none.
"""

from datetime import timedelta

from django.conf import settings

from events.tables import migration_status
from ledger.services import approval_policies
from ledger.services.approval_policies import Terms

THRESHOLD_CENTS = 1_000_000
SECOND_THRESHOLD_CENTS = 5_000_000

_BY_ITSELF = "(ai_initiated || principal_type == 'workflow')"

POLICIES = (
    Terms(
        name="bookings-status-approval",
        meaning="Cancel or correct a booking, when an agent wants to or much was paid.",
        capabilities=("booking.cancel", "booking.override"),
        condition=f"{_BY_ITSELF} || amount_cents > {THRESHOLD_CENTS}",
        ttl=timedelta(hours=24),
    ),
    Terms(
        name="finance-credit-note-refund-approval",
        meaning="Give money back, when an agent wants to or it is much; very much takes two.",
        capabilities=("credit_note.issue", "refund.request"),
        condition=f"{_BY_ITSELF} || amount_cents > {THRESHOLD_CENTS}",
        escalate_when=f"amount_cents > {SECOND_THRESHOLD_CENTS}",
        escalated_quorum=2,
        ttl=timedelta(hours=48),
        on_expiry="denied",
    ),
    Terms(
        name="finance-surplus-approval",
        meaning="Refund the surplus of a chargeback, once its provider reports that it is won.",
        capabilities=("refund.request",),
        principals=("system",),
        condition="action == 'refund.return_surplus'",
        ttl=timedelta(days=14),
        execute="on_approval",
    ),
    Terms(
        name="finance-refund-settlement-approval",
        meaning="Note by hand that money has gone back, when an agent does or it is much.",
        capabilities=("refund.settle",),
        condition=f"!reported_by_provider && ({_BY_ITSELF} || amount_cents > {THRESHOLD_CENTS})",
        ttl=timedelta(hours=48),
        on_expiry="denied",
    ),
    Terms(
        name="finance-chargeback-resolution-approval",
        meaning="Note by hand how a chargeback goes on or ended, when an agent does or it is much.",
        capabilities=("chargeback.resolve",),
        condition=f"!reported_by_provider && ({_BY_ITSELF} || amount_cents > {THRESHOLD_CENTS})",
        ttl=timedelta(hours=48),
        on_expiry="denied",
    ),
    Terms(
        name="invoice-issue-approval",
        meaning="Issue or void an invoice, when an agent wants to.",
        capabilities=("invoice.issue", "invoice.void"),
        condition=_BY_ITSELF,
        ttl=timedelta(hours=24),
    ),
)


def install_defaults(*, plan: object = None, **_signal: object) -> None:
    """Put into force the policies that are missing. Listens to post_migrate, as the timetable."""
    if plan is not None and settings.APPROVAL_POLICIES and migration_status.is_complete():
        approval_policies.install_policies(every=POLICIES)
