"""The one reader of the log in this process.

It follows the log by position and offers each event to the sessions that asked for it.
The doorbell only says when to look: a lost ring costs `poll_s`, never an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Hashable, Sequence
from contextlib import aclosing, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from events import doorbell, selectors
from events.domain.envelope import Envelope
from events.domain.subscription import Subscribe
from events.fanout import close_reason, limits, reads, rights
from events.fanout.audience import Audience
from events.fanout.frame import Frame
from events.fanout.limits import Limits
from events.fanout.stride import Stride
from events.fanout.subscriptions import Index, Subscription

if TYPE_CHECKING:
    from events.fanout.session import Session

READ_EVENTS_MAX = 500

# Offering never waits. The writers get a turn in between, so that nobody's queue overflows
# only because his own writer was not let in.
_TURN_FRAMES = 32
_CANCEL_AGAIN_S = 0.2

logger = logging.getLogger(__name__)


class LogSetBack(Exception):
    """The log ends before what was read of it: another database, or an older copy of it."""

    def __init__(self, position: int, head: int) -> None:
        super().__init__(f"Read up to {position}, but the log ends at {head}.")


class Page(NamedTuple):
    """Frames that a subscription matches, and the position up to which there are no others."""

    frames: list[Frame]
    reached: int


class Feed:
    """Follows the log while there are sessions. `position`: everything up to it was offered."""

    def __init__(self, limits: Limits) -> None:
        self.position = 0
        self.limits = limits
        self._index = Index()
        self._recent: deque[Frame] = deque()
        self._recent_bytes = 0
        self._sessions: set[Session] = set()
        self._starting: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._resting: asyncio.Task[None] | None = None
        self._breaking_off: asyncio.Task[None] | None = None
        self._reader = reads.SteadyReader()
        self._rights_changed = asyncio.Event()
        self._audiences: WeakValueDictionary[Hashable, Audience] = WeakValueDictionary()

    async def enter(self, session: Session) -> None:
        """Let a session in. The first one starts the reader, at the end of the log."""
        self._sessions.add(session)
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def exit(self, session: Session) -> None:
        """Let a session go. The reader rests when it was the last."""
        self._sessions.discard(session)
        if not self._sessions:
            await self._rest()

    async def stop(self) -> None:
        """Send everybody away, for this process ends."""
        for session in list(self._sessions):
            session.end(close_reason.restarting())
        await self._rest()

    def join(self, subscription: Subscription) -> None:
        """Offer what comes from now on. Its cursor must have met the feed's position."""
        assert subscription.cursor >= self.position, "the catch-up has not caught up"
        self._index.add(subscription)

    def leave(self, subscription: Subscription) -> None:
        """Offer nothing more."""
        self._index.discard(subscription)

    async def head(self) -> int:
        """Return where the log ends, which may be further than this process has read."""
        return await reads.patiently(selectors.head_position)

    async def after(self, position: int, *, requested: Subscribe, limit: int) -> Page:
        """Return the next frames for a subscription that is behind: from memory, or the log."""
        recent = self._recent_after(position, limit)
        if recent is not None:
            frames = [frame for frame in recent if requested.matches(frame.stream, frame.name)]
            return Page(frames, recent[-1].position)
        return await self._logged_after(position, requested, limit)

    def shared(self, audience: Audience) -> Audience:
        """Return the audience that watches under the same credential already, or this one."""
        return self._audiences.setdefault(audience.key, audience)

    async def _start(self) -> None:
        if self._resting is not None:
            # Two readers would hand out everything twice.
            await asyncio.wait([self._resting])
        self.position = await self._reader.read(selectors.head_position)
        self._tasks = [
            self._go_on(self._follow()),
            self._go_on(self._beat()),
            self._go_on(self._check_rights()),
        ]

    async def _rest(self) -> None:
        stopped = {task for task in (self._starting, *self._tasks) if task is not None}
        self._starting, self._tasks = None, []
        self._recent.clear()
        self._recent_bytes = 0
        self._resting = asyncio.create_task(self._end(stopped, after=self._resting))
        await asyncio.shield(self._resting)

    async def _end(
        self, tasks: set[asyncio.Task[None]], *, after: asyncio.Task[None] | None
    ) -> None:
        if after is not None:
            await asyncio.wait([after])
        # Again and again: a library below may take a cancellation for a timeout of its own.
        while tasks:
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=_CANCEL_AGAIN_S)
        await self._reader.close()

    def _go_on(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._notice_the_end)
        return task

    def _notice_the_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        # A bug, or a database that was set back. Silent sockets would look healthy: better
        # they all come back, to a reader that starts anew.
        logger.critical("The reader of the feed broke.", exc_info=task.exception())
        for session in list(self._sessions):
            session.end(close_reason.failed())
        self._breaking_off = asyncio.create_task(self._rest())

    async def _follow(self) -> None:
        async with aclosing(doorbell.listen(poll_seconds=self.limits.poll_s)) as moves:
            async for moved_to in moves:
                if moved_to is None or moved_to > self.position:
                    await self._read_on()
                if moved_to is None:
                    await self._check_the_past()

    async def _read_on(self) -> None:
        stride = Stride(READ_EVENTS_MAX)
        has_more = True
        while has_more:
            limit = stride.events
            envelopes = await self._reader.read(selectors.feed, after=self.position, limit=limit)
            stride.learn(await self._hand_out(envelopes))
            has_more = len(envelopes) == limit

    async def _check_the_past(self) -> None:
        head = await self._reader.read(selectors.head_position)
        if head < self.position:
            raise LogSetBack(self.position, head)

    async def _hand_out(self, envelopes: Sequence[Envelope]) -> list[Frame]:
        frames = [Frame(envelope) for envelope in envelopes]
        for turn, frame in enumerate(frames, start=1):
            assert frame.position == self.position + 1, f"{frame.position} after {self.position}"
            self._keep(frame)
            self.position = frame.position
            if rights.changed_by(frame.name):
                self._rights_changed.set()
            for subscription in self._index.matching(frame.stream, frame.name):
                subscription.session.offer(frame, subscription)
            if turn % _TURN_FRAMES == 0:
                await asyncio.sleep(0)
        return frames

    def _keep(self, frame: Frame) -> None:
        recent, limits = self._recent, self.limits
        recent.append(frame)
        self._recent_bytes += frame.bytes
        while len(recent) > limits.recent_frames or (
            self._recent_bytes > limits.recent_bytes and len(recent) > 1
        ):
            self._recent_bytes -= recent.popleft().bytes

    def _recent_after(self, position: int, limit: int) -> list[Frame] | None:
        if not self._recent or position < self._recent[0].position - 1:
            return None
        skipped = position + 1 - self._recent[0].position
        return list(islice(self._recent, skipped, skipped + limit)) or None

    async def _logged_after(self, position: int, requested: Subscribe, limit: int) -> Page:
        # Whatever this process has handed out was committed before we look.
        events, reached = await reads.patiently(
            selectors.page,
            after=position,
            head=self.position,
            limit=limit,
            streams=requested.prefixes or None,
            names=requested.patterns or None,
        )
        return Page([Frame(envelope) for envelope in events], reached)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.limits.heartbeat_s)
            now = asyncio.get_running_loop().time()
            for session in list(self._sessions):
                session.beat(now)

    async def _check_rights(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rights_changed.wait(), self.limits.recheck_s)
            self._rights_changed.clear()
            for audience in {session.audience for session in self._sessions}:
                if not await audience.is_welcome():
                    self._send_away(audience)

    def _send_away(self, audience: Audience) -> None:
        for session in list(self._sessions):
            if session.audience is audience:
                session.end(close_reason.credential_ended())


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def current() -> Feed:
    """Return the feed of this process (of its event loop, to be exact)."""
    loop = asyncio.get_running_loop()
    if loop not in _feeds:
        _feeds[loop] = Feed(limits.current())
    return _feeds[loop]
