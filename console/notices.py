"""Tells a visitor above the page why what they asked for was not done."""

from django.contrib import messages
from django.http import HttpRequest

from events.domain.errors import DomainError
from ledger.admin_access import awaits
from ledger.approving.gate import ApprovalRequired


def tell_refusal(request: HttpRequest, refusal: DomainError) -> None:
    """Say what a rule refused; of what somebody else has to approve, where the request is."""
    if isinstance(refusal, ApprovalRequired):
        messages.warning(request, awaits(refusal.approval))
    else:
        messages.error(request, refusal.sentences)
