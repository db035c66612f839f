"""Tickets for WebSockets: browsers cannot send a header with the handshake.

A ticket opens one socket within a minute, with the credential that it was issued to. So it may
be in the URL; logs leave it out nevertheless (`events.domain.redaction`).
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from events.domain.errors import Forbidden
from ledger.access.authority import Caller
from ledger.access.credentials import CredentialRefused
from ledger.models import SocketTicket

LIFETIME: Final = timedelta(seconds=60)
_SECRET_BYTES: Final = 32


class TicketNotForAgents(Forbidden):
    code = "ticket_not_for_agents"
    hint = "Send the key of the agent in the Authorization header of the handshake."

    def __init__(self) -> None:
        super().__init__("Tickets are for browsers, not for agents.")


def issue_ticket(*, caller: Caller) -> tuple[str, datetime]:
    """Make a ticket for `caller`, and return it with the time at which it expires.

    :raises TicketNotForAgents: if the caller is an agent, which can send a header.
    """
    assert caller.user is not None, "the view requires a log-in"
    if caller.is_agent:
        raise TicketNotForAgents
    text = secrets.token_urlsafe(_SECRET_BYTES)
    with transaction.atomic(durable=True):
        # Deletes the tickets that were never used: nothing else does.
        SocketTicket.objects.filter(expires_at__lte=Now()).delete()
        ticket = SocketTicket.objects.create(
            digest=_digest(text),
            user=caller.user,
            key=caller.key,
            session_key=caller.session_key or "",
            expires_at=timezone.now() + LIFETIME,
        )
    return text, ticket.expires_at


def redeem_ticket(*, text: str) -> Caller:
    """Use up a ticket, and return the caller it was issued to.

    :raises CredentialRefused: if there is none, it was used, or its credential has ended.
    """
    with transaction.atomic(durable=True):
        # The lock lets only one of two simultaneous handshakes find it.
        ticket = (
            SocketTicket.objects.select_for_update(of=("self",))
            .select_related("user", "key")
            .filter(digest=_digest(text), expires_at__gt=Now())
            .first()
        )
        if ticket is None:
            raise CredentialRefused
        ticket.delete()
    caller = Caller(ticket.user, key=ticket.key, session_key=ticket.session_key or None)
    return caller.revalidated()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
