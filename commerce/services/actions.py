"""The ledger action of a service call, named after its command."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ledger.domain.action import Action, Kind, Target

CommandInput = Mapping[str, Any]
"""With what a command was asked beside its target: see `ledger.domain.action.Action`."""


def action_on(
    name: str,
    target_id: UUID | str = "",
    *,
    kind: Kind = Kind.UPDATE,
    capability: str = "",
    reason: str = "",
    asked: CommandInput | None = None,
    reference: str = "",
) -> Action:
    """Return the action `noun.verb` on the noun with `target_id`, empty if it is yet to be made."""
    return Action(
        name=name,
        kind=kind,
        target=Target(type=name.split(".", maxsplit=1)[0], id=str(target_id)),
        capability=capability or name,
        reason=reason,
        input=asked or {},
        reference=reference,
    )
