"""Who may open what. Pages about many kinds of things ask for each thing they show."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from events.domain.envelope import Envelope, Stream
from ledger import authority
from ledger.capabilities import get as capability

signed_in = authority.requires(authority.AUTHENTICATED)
"""Guards a view that checks for itself what its visitor may see."""


def demand(request: HttpRequest, capability_id: str) -> None:
    """Go on only if the visitor holds the capability over everything, or over something.

    :raises PermissionDenied: if not; the page says what the capability is for.
    """
    if not authority.holder_of(request).holds_somewhere(capability_id):
        raise PermissionDenied(
            f"It asks for the permission “{capability_id}”: {capability(capability_id).meaning}"
        )


def streams_to_show(request: HttpRequest, wanted: Stream | None) -> list[Stream]:
    """Return the streams, as prefixes, of which the visitor sees every event.

    :raises PermissionDenied: if that is none.
    """
    if wanted is not None:
        if not authority.may_read_stream(request, wanted):
            raise PermissionDenied("Your account may not read that stream.")
        return [wanted]
    kinds = authority.readable_kinds(request)
    if not kinds:
        raise PermissionDenied("Your account may not read any kind of stream.")
    return [(kind,) for kind in sorted(kinds)]


def may_see(request: HttpRequest, event: Envelope) -> bool:
    """Say whether the visitor may see an event."""
    return event.stream is not None and authority.may_read_stream(request, event.stream)
