"""Permissions of the pages. A page about several kinds of objects checks each of them."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from events.domain.envelope import Envelope, Stream
from ledger import recording
from ledger.access import authority
from ledger.capabilities import get as capability
from ledger.domain.capability import CapabilityMissing

signed_in = authority.requires(authority.AUTHENTICATED)
"""Guards a view that checks for itself what its visitor may see."""


def demand(request: HttpRequest, capability_id: str) -> None:
    """Check that the visitor holds the capability over everything.

    :raises PermissionDenied: if not; the page says what the capability is for, and the ledger
        that somebody tried, if it is grave.
    """
    _go_on_if(authority.holds(request, capability_id), capability_id)


def demand_somewhere(request: HttpRequest, capability_id: str) -> None:
    """Check that the visitor holds the capability over everything, or over something.

    For pages that show of each thing only what is visible to them (`authority.visible`).

    :raises PermissionDenied: as `demand` does.
    """
    _go_on_if(authority.caller_of(request).holds_somewhere(capability_id), capability_id)


def _go_on_if(is_held: bool, capability_id: str) -> None:  # noqa: FBT001 (read where it is asked)
    if is_held:
        return
    recording.record_denial(capability_id, target_id="", why=CapabilityMissing(capability_id))
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
    """Return whether the visitor may see an event."""
    return event.stream is not None and authority.may_read_stream(request, event.stream)
