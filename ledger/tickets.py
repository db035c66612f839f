"""Tickets for WebSockets: browsers cannot send a header with the handshake.

A ticket opens one socket within a minute, under the credential that asked for it. So it may
stand in the address; our own logs show none all the same (`events.domain.redaction`).
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from events.domain.errors import Forbidden
from ledger.authority import Holder
from ledger.credentials import CredentialRefused
from ledger.models import SocketTicket

LIFETIME: Final = timedelta(seconds=60)
_SECRET_BYTES: Final = 32


class TicketNotForAgents(Forbidden):
    code = "ticket_not_for_agents"
    hint = "Send the key of the agent in the Authorization header of the handshake."

    def __init__(self) -> None:
        super().__init__("Tickets are for browsers; an agent has no session to stand behind one.")


def issue_ticket(*, holder: Holder) -> tuple[str, datetime]:
    """Make a ticket for `holder`, and return it with the time of its end.

    :raises TicketNotForAgents: if an agent asks; a program can send a header.
    """
    assert holder.user is not None, "nobody gets no ticket"
    if holder.is_agent:
        raise TicketNotForAgents
    text = secrets.token_urlsafe(_SECRET_BYTES)
    with transaction.atomic(durable=True):
        # Nobody else sweeps here: who makes one clears away what was never used.
        SocketTicket.objects.filter(expires_at__lte=Now()).delete()
        ticket = SocketTicket.objects.create(
            digest=_digest(text),
            user=holder.user,
            key=holder.key,
            session_key=holder.session_key or "",
            expires_at=timezone.now() + LIFETIME,
        )
    return text, ticket.expires_at


def redeem_ticket(*, text: str) -> Holder:
    """Use up a ticket, and return the holder of the credential behind it.

    :raises CredentialRefused: if there is none, it was used, or its credential has ended.
    """
    with transaction.atomic(durable=True):
        # The lock lets one of two who come at once find it, and the other nothing.
        ticket = (
            SocketTicket.objects.select_for_update(of=("self",))
            .select_related("user", "key")
            .filter(digest=_digest(text), expires_at__gt=Now())
            .first()
        )
        if ticket is None:
            raise CredentialRefused
        ticket.delete()
    holder = Holder(ticket.user, key=ticket.key, session_key=ticket.session_key or None)
    return holder.revalidated()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
