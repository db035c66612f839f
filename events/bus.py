"""The in-process event bus: calls handlers in this process after an event has committed.

It is no queue, no stream, no retry mechanism and no guarantee. Handlers run one after the
other in the emitting process, after the commit and never after a rollback. The error of one
is logged with the id of the event and affects no other. If the process dies, its handlers are
not called. A consumer that must not miss an event follows the feed, or gets a row of work per
event through `before_commit`.
"""

import logging
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from time import perf_counter as _clock
from typing import TypeVar, overload

from events import conf, wire
from events.context import delivering
from events.domain.envelope import Envelope
from events.domain.patterns import matches

logger = logging.getLogger(__name__)

NEVER_SLOW_SECONDS = 0.001
"""Below this the setting is not looked up."""

Handler = Callable[[Envelope], object]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """One handler of one pattern."""

    pattern: str
    handler: Callable[..., object]
    label: str
    only: Callable[[str], bool] | None = None
    asks: Callable[[str], wire.Statement] | None = None

    def is_for(self, name: str) -> bool:
        """Whether the pattern matches events called `name`."""
        return matches(self.pattern, name) and (self.only is None or self.only(name))

    def unsubscribe(self) -> None:
        """Remove this handler. Idempotent."""
        for registry in (_subscriptions, _hooks):
            if self in registry:
                registry.remove(self)
        _forget_routes()


_subscriptions: list[Subscription] = []
_hooks: list[Subscription] = []
# By event name, in order of subscription. Names are code, so there are few. The handlers stand
# beside their subscriptions: a look at an attribute takes as long as a call of a handler.
_routes: dict[str, tuple[tuple[Handler, Subscription], ...]] = {}
_hook_routes: dict[str, tuple[Subscription, ...]] = {}
_unheard: set[str] = set()
"""Names that nobody subscribes to, as most of those of journals: one look says so of a commit."""


@overload
def subscribe(pattern: str, handler: Handler, *, label: str | None = None) -> Subscription: ...
@overload
def subscribe(
    pattern: str, handler: None = None, *, label: str | None = None
) -> Callable[[H], H]: ...
def subscribe(
    pattern: str, handler: Handler | None = None, *, label: str | None = None
) -> Subscription | Callable[[H], H]:
    """Call `handler` after the commit of every event that `pattern` matches.

    `pattern` is a name, a prefix (`invoice.*`) or `*`. The same handler on the same pattern
    is one subscription. Without `handler` this is a decorator.
    """
    if handler is not None:
        return _add(_subscriptions, pattern, handler, label)

    def register(decorated: H) -> H:
        _add(_subscriptions, pattern, decorated, label)
        return decorated

    return register


def before_commit(
    pattern: str, hook: Handler, *, only: Callable[[str], bool] | None = None
) -> Subscription:
    """Call `hook` inside the emitting transaction, which is rolled back if it raises.

    Only for inserting rows that must exist if and only if the event does. `only` says for an event
    name whether the hook wants such events; its answer is kept. An event that no hook wants can be
    appended in one round trip.
    """
    return _add(_hooks, pattern, hook, None, only)


def before_commit_asking(
    pattern: str,
    hook: Callable[[Envelope, list[wire.Row]], object],
    *,
    asks: Callable[[str], wire.Statement],
    only: Callable[[str], bool] | None = None,
) -> Subscription:
    """Call `hook` as `before_commit` does, and pass it the rows of a SELECT as well.

    `asks` returns that SELECT for the name of an event. It runs before the append, if possible in
    the same round trip.
    """
    return _add(_hooks, pattern, hook, None, only, asks)


def questions_of(name: str) -> list[wire.Statement]:
    """Return what the hooks for events called `name` ask."""
    return [hook.asks(name) for hook in hooks_of(name) if hook.asks is not None]


def publish(envelope: Envelope, answers: Sequence[list[wire.Row]] | None = None) -> None:
    """Run the hooks now and the handlers after commit. Called by the recorder and the executor.

    `answers` are the rows of `questions_of` its name; without them they are asked now.
    """
    name = envelope.name
    try:
        hooks, handlers = _hook_routes[name], _routes[name]
    except KeyError:
        hooks, handlers = hooks_of(name), _handlers_of(name)
    given = iter(answers or ())
    for hook in hooks:
        if hook.asks is None:
            hook.handler(envelope)
        else:
            rows = wire.fetch(*hook.asks(name)) if answers is None else next(given)
            hook.handler(envelope, rows)
    if not handlers:
        return

    wire.after_commit(partial(deliver, envelope))


def heard(names: Set[str]) -> Set[str]:
    """Return those of `names` that any hook or handler is registered for."""
    if names <= _unheard:
        return frozenset()
    found = {name for name in names if hooks_of(name) or _handlers_of(name)}
    _unheard.update(names - found)
    return found


def deliver(envelope: Envelope) -> None:
    """Call every handler of `envelope` now, one after the other, with it as their causation."""
    try:
        handlers = _routes[envelope.name]
    except KeyError:
        handlers = _handlers_of(envelope.name)
    if not handlers:
        return
    # Looked up once: each access to a thread-local costs as much as calling a handler.
    current = delivering.__dict__
    before = current["envelope"]
    current["envelope"] = envelope
    # The end of one handler is the beginning of the next: looking at the clock costs as much
    # as calling a handler.
    started = _clock()
    try:
        for handler, subscription in handlers:
            try:
                handler(envelope)
            except Exception:
                facts = _facts(subscription, envelope)
                logger.exception("A handler of the bus failed.", extra=facts)
            if (ended := _clock()) - started > NEVER_SLOW_SECONDS:
                _warn_if_slow(subscription, envelope, ended - started)
            started = ended
    finally:
        current["envelope"] = before


def hooks_of(name: str) -> tuple[Subscription, ...]:
    """Return the hooks that must run inside the transaction of an event called `name`."""
    if name not in _hook_routes:
        _hook_routes[name] = _matching(_hooks, name)
    return _hook_routes[name]


def _handlers_of(name: str) -> tuple[tuple[Handler, Subscription], ...]:
    if name not in _routes:
        _routes[name] = tuple((each.handler, each) for each in _matching(_subscriptions, name))
    return _routes[name]


def _matching(registry: list[Subscription], name: str) -> tuple[Subscription, ...]:
    return tuple(each for each in registry if each.is_for(name))


def _add(
    registry: list[Subscription],
    pattern: str,
    handler: Callable[..., object],
    label: str | None,
    only: Callable[[str], bool] | None = None,
    asks: Callable[[str], wire.Statement] | None = None,
) -> Subscription:
    for known in registry:
        if known.pattern == pattern and known.handler == handler:
            return known
    name = label or f"{handler.__module__}.{getattr(handler, '__qualname__', type(handler))}"
    subscription = Subscription(pattern, handler, name, only, asks)
    registry.append(subscription)
    _forget_routes()
    return subscription


def _forget_routes() -> None:
    _routes.clear()
    _hook_routes.clear()
    _unheard.clear()


def _facts(subscription: Subscription, envelope: Envelope) -> dict[str, object]:
    return {
        "event_id": envelope.event_id,
        "event": envelope.name,
        "subscriber": subscription.label,
    }


def _warn_if_slow(subscription: Subscription, envelope: Envelope, seconds: float) -> None:
    if seconds * 1000 <= conf.slow_handler_ms():
        return
    facts = {**_facts(subscription, envelope), "duration_ms": round(seconds * 1000)}
    logger.warning("A handler of the bus is slow; the emitter waited for it.", extra=facts)
