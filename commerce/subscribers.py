"""Bus listeners of commerce: fire and forget, so none lets its own failures out."""

from uuid import UUID

from commerce.ports.cms import SYSTEMS
from commerce.services import content
from events import bus
from events.bus import Handler
from events.domain.envelope import Envelope


def _mirror_into(system: str) -> Handler:
    def mirror(envelope: Envelope) -> None:
        product_id = envelope.data.get("id")
        if isinstance(product_id, str):
            content.mirror_product(system=system, product_id=UUID(product_id))

    return mirror


for _system in SYSTEMS:
    bus.subscribe("product.*", _mirror_into(_system), label=_system)
