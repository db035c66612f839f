"""The current context (principal, correlation, causation): set at each edge, read by every record.

Edges are the HTTP middleware, the Celery task prologue and the WebSocket scope; it is never
passed as an argument. Without one (a timer, a shell) the system acts, under a new correlation.
"""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import replace

from events.domain.context import NO_ORIGIN, EventContext, Origin
from events.domain.envelope import Envelope
from events.domain.principal import SYSTEM, Principal
from events.ids import new_correlation_id

_current: ContextVar[EventContext | None] = ContextVar("daybook_event_context", default=None)


class _Delivering(threading.local):
    """The event whose handlers this thread is calling right now.

    A context variable would cost the bus twice what its handlers cost; handlers are plain
    functions that run to their end in one thread, so a thread-local is as good.
    """

    def __init__(self) -> None:
        # Called once per thread, so that the bus finds it in the dictionary of each.
        self.envelope: Envelope | None = None


delivering = _Delivering()


def current() -> EventContext:
    """Return the context in force, or a fresh one of the system."""
    return in_force() or EventContext(principal=SYSTEM, correlation_id=new_correlation_id())


def in_force() -> EventContext | None:
    """Return the context that an edge, or the event being delivered, has set; None if neither."""
    if (envelope := delivering.envelope) is not None:
        return EventContext(
            principal=envelope.principal,
            correlation_id=envelope.correlation_id,
            causation_id=envelope.event_id,
        )
    return _current.get()


class _Acting:
    """A block in which a context is in force. No generator: it is entered all the time."""

    __slots__ = ("_context", "_heard", "_token")

    def __init__(self, context: EventContext) -> None:
        self._context = context

    def __enter__(self) -> EventContext:
        self._token, self._heard = _current.set(self._context), delivering.envelope
        delivering.envelope = None
        return self._context

    def __exit__(self, *_how: object) -> None:
        delivering.envelope = self._heard
        _current.reset(self._token)


def acting(
    principal: Principal,
    *,
    correlation_id: str | None = None,
    causation_id: str | None = None,
    origin: Origin = NO_ORIGIN,
) -> AbstractContextManager[EventContext]:
    """Act as `principal` within the block."""
    context = EventContext(
        principal=principal,
        correlation_id=correlation_id or new_correlation_id(),
        causation_id=causation_id,
        origin=origin,
    )
    return _Acting(context)


def become(principal: Principal) -> None:
    """Change the principal of the surrounding `acting` block, until it ends.

    For the one edge at which the credential is read later than the context is made.
    """
    _current.set(replace(current(), principal=principal))


def on_behalf_of(principal: Principal) -> AbstractContextManager[EventContext]:
    """Act as `principal` within the block, with the same correlation."""
    return _Acting(replace(current(), principal=principal))


def caused_by(causation_id: str) -> AbstractContextManager[EventContext]:
    """Keep principal and correlation, but set the causation to `causation_id` within the block."""
    return _Acting(replace(current(), causation_id=causation_id))


def within_run(
    principal: Principal, *, run_id: str, step_id: str = ""
) -> AbstractContextManager[EventContext]:
    """Act as a workflow, at this run and step, within the block, with the same correlation."""
    before = current()
    # As `replace` would have it, which takes four times as long; a step does this twice.
    return _Acting(
        EventContext(
            principal=principal,
            correlation_id=before.correlation_id,
            causation_id=before.causation_id,
            origin=before.origin,
            workflow_run_id=run_id,
            workflow_step_id=step_id,
        )
    )


def as_headers() -> dict[str, str]:
    """Return the current context as message headers (strings only)."""
    context = current()
    headers = {
        "daybook_principal": str(context.principal),
        "daybook_correlation": context.correlation_id,
    }
    if context.causation_id:
        headers["daybook_causation"] = context.causation_id
    return headers


def from_headers(headers: Mapping[str, str]) -> AbstractContextManager[EventContext]:
    """Restore within the block what `as_headers` wrote; without it the system acts."""
    principal = headers.get("daybook_principal")
    return acting(
        Principal.parse(principal) if principal else SYSTEM,
        correlation_id=headers.get("daybook_correlation"),
        causation_id=headers.get("daybook_causation"),
    )
