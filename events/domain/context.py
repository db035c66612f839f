"""Under whose name, and in the course of what, something happens."""

from dataclasses import dataclass

from events.domain.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class EventContext:
    """What every record carries besides its own facts.

    `correlation_id` names the whole story (one request and all that follows from it),
    `causation_id` the event or action that led directly to this one.
    """

    principal: Principal
    correlation_id: str
    causation_id: str | None = None
