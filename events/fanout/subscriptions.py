"""The active subscriptions, indexed so that those matching an event are found quickly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from events.domain import framing
from events.domain.envelope import Stream
from events.domain.subscription import Subscribe

if TYPE_CHECKING:
    from events.fanout.session import Session


class Subscription:
    """What one session asked for. Frames up to `cursor` were dealt with before it joined the feed.

    `floors`: where the state that the client was given ends; older events are in it.
    """

    __slots__ = ("cursor", "floors", "quoted", "requested", "session")

    def __init__(self, session: Session, requested: Subscribe, *, cursor: int) -> None:
        self.session = session
        self.requested = requested
        self.cursor = cursor
        self.quoted = framing.text(requested.sub_id)
        self.floors: dict[Stream, int] = {}


class Index:
    """Live subscriptions by prefix.

    The prefixes of a subscription are minimal, so an event meets each subscription once at most.
    """

    def __init__(self) -> None:
        # Dicts for their order: who subscribed first is served first.
        self._by_prefix: dict[Stream, dict[Subscription, None]] = {}

    def add(self, subscription: Subscription) -> None:
        for prefix in subscription.requested.prefixes or ((),):
            self._by_prefix.setdefault(prefix, {})[subscription] = None

    def discard(self, subscription: Subscription) -> None:
        for prefix in subscription.requested.prefixes or ((),):
            found = self._by_prefix.get(prefix, {})
            found.pop(subscription, None)
            if not found:
                self._by_prefix.pop(prefix, None)

    def matching(self, stream: Stream, name: str) -> Iterator[Subscription]:
        """Yield what wants an event `name` of `stream`, in as many look-ups as it is deep."""
        for depth in range(len(stream) + 1):
            for subscription in self._by_prefix.get(stream[:depth], ()):
                if subscription.requested.wants_name(name):
                    yield subscription
