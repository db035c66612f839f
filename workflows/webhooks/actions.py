"""The ledger actions of webhooks: on subscriptions, and on deliveries."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ledger.domain.action import Action, Kind, Target


def action_on(
    name: str,
    kind: Kind,
    target_id: UUID | str = "",
    asked: Mapping[str, Any] | None = None,
    *,
    of: str = "webhook",
    may: str = "manage",
) -> Action:
    """Return the action `name` on a subscription, or on what `of` says.

    `may` is the verb of the capability that it takes.
    """
    target, capability = Target(type=of, id=str(target_id)), f"webhook.{may}"
    return Action(name=name, kind=kind, target=target, capability=capability, input=asked or {})
