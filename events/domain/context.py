"""The context of an event or action: principal, origin, correlation, causation."""

from collections.abc import Callable
from dataclasses import dataclass, field

from events.domain.principal import Principal


def _nowhere() -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The interface through which the principal came in, as far as a record may say it.

    `session_id` is a digest: a reader of the record must not be able to hijack the session.
    `route` is evaluated when something is recorded: a request is routed after it began.
    """

    caller_type: str = ""
    session_id: str = ""
    route: Callable[[], str] = field(default=_nowhere, compare=False)

    @property
    def is_direct(self) -> bool:
        """Whether a caller asks right now, as opposed to a job that runs in their name."""
        return bool(self.caller_type)


NO_ORIGIN = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventContext:
    """What every record carries besides its own facts.

    `correlation_id` names the whole story (one request and all that follows from it),
    `causation_id` the event or action that led directly to this one. The run and the step
    of a workflow are there when one acts.
    """

    principal: Principal
    correlation_id: str
    causation_id: str | None = None
    origin: Origin = NO_ORIGIN
    workflow_run_id: str = ""
    workflow_step_id: str = ""
