"""System checks of this room: what `manage.py check` refuses to start with."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from events import catalogue
from ledger import capabilities


@register()
def check_streams_name_capabilities(**_: Any) -> list[CheckMessage]:
    """Check that every kind of stream is read with a capability that exists."""
    declared = {capability.id for capability in capabilities.every()}
    return [
        Error(
            f"Streams of kind {kind.kind} are read with {kind.read}, which nobody declares.",
            hint="Declare it in the capabilities.py of the app.",
            id="ledger.E001",
        )
        for kind in catalogue.all_streams()
        if kind.read not in declared
    ]
