"""The cached permissions of one credential on streams.

Shared by all sockets of a process that came with the same credential. A verdict is kept
until the next refresh: every `recheck_s`, or at once when the log tells of a change of
rights.
"""

import asyncio
from collections.abc import Hashable
from typing import Protocol

from events.domain.envelope import Stream
from events.domain.errors import Unauthenticated
from events.fanout import reads

VERDICTS_MAX = 10_000


class Watcher(Protocol):
    """A checked credential. Its methods run in a thread and may use the database."""

    def readable_kinds(self) -> frozenset[str]:
        """Return the kinds of streams of which every one may be shown."""

    def may_read(self, stream: Stream) -> bool:
        """Return whether `stream` may be shown."""

    def revalidated(self) -> "Watcher":
        """Check the credential again.

        :raises Unauthenticated: if it has ended.
        """


class Audience:
    """Those who watch under one credential. Made where the database may be asked."""

    def __init__(self, key: Hashable, watcher: Watcher) -> None:
        self.key = key
        self._watcher = watcher
        self._kinds = watcher.readable_kinds()
        self._verdicts: dict[Stream, bool] = {}
        self._asking: dict[Stream, asyncio.Task[bool]] = {}

    def verdict(self, stream: Stream) -> bool | None:
        """Return whether `stream` may be shown, or None if that has to be asked."""
        return True if stream[0] in self._kinds else self._verdicts.get(stream)

    async def ask(self, stream: Stream) -> bool:
        """Find out whether `stream` may be shown. All who ask at once share one look-up."""
        task = self._asking.get(stream)
        if task is None:
            task = self._asking[stream] = asyncio.create_task(self._ask(stream))
        # Shielded: one socket that leaves does not take the answer from the others.
        return await asyncio.shield(task)

    async def is_welcome(self) -> bool:
        """Check the credential again, and forget what it could see."""
        try:
            self._watcher, self._kinds = await reads.patiently(self._revalidated)
        except Unauthenticated:
            return False
        self._verdicts, self._asking = {}, {}
        return True

    def _revalidated(self) -> tuple[Watcher, frozenset[str]]:
        watcher = self._watcher.revalidated()
        return watcher, watcher.readable_kinds()

    async def _ask(self, stream: Stream) -> bool:
        # What is found out belongs into the dicts of its time: a refresh puts new ones there.
        verdicts, asking = self._verdicts, self._asking
        try:
            allowed = await reads.patiently(self._watcher.may_read, stream)
        finally:
            asking.pop(stream, None)
        if len(verdicts) >= VERDICTS_MAX:
            verdicts.clear()
        verdicts[stream] = allowed
        return allowed
