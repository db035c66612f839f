"""One client of the feed: its subscriptions, and the send queue of its socket.

The feed offers frames and never waits; the session writes them in order, as fast as its
own client reads. See Note [From the past to the present].
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from events.domain.envelope import Stream
from events.domain.framing import Framing, StateItem
from events.domain.subscription import (
    AfterInFuture,
    BadMessage,
    Subscribe,
    TooManySubscriptions,
    Unsubscribe,
)
from events.fanout import close_reason, items, reads
from events.fanout.audience import Audience
from events.fanout.close_reason import CloseReason
from events.fanout.feed import Feed
from events.fanout.frame import Frame
from events.fanout.items import States
from events.fanout.stride import Stride
from events.fanout.subscriptions import Subscription

logger = logging.getLogger(__name__)

# Sends to a socket with room never yield: after so many the others get a turn.
_TURN_FRAMES = 64

Item = tuple[Frame, Subscription] | str
"""What waits to be sent: a frame for a subscription, or a word about the conversation."""


class Session:
    """A conversation in one protocol. `send` writes one text frame."""

    def __init__(
        self,
        *,
        feed: Feed,
        framing: Framing,
        audience: Audience,
        send: Callable[[str], Awaitable[None]],
        states: States = items.of,
    ) -> None:
        self.audience = audience
        self._states = states
        self._feed = feed
        self._framing = framing
        self._limits = feed.limits
        self._send = send
        self._queue: deque[Item] = deque()
        self._queued_bytes = 0
        self._subscriptions: dict[str, Subscription] = {}
        self._behind: dict[Subscription, asyncio.Task[None] | None] = {}
        self._in_hand: Item | None = None
        self._is_sending = False
        self._sent = 0
        self._sent_at_beat = 0
        self._stuck_since = 0.0
        self._asleep: asyncio.Future[None] | None = None
        self._has_room = asyncio.Event()
        self._ending: CloseReason | None = None
        self._writer: asyncio.Task[Any] | None = None

    async def run(self) -> CloseReason:
        """Write to the client until the conversation is ended, and say how."""
        self._writer = asyncio.current_task()
        while self._ending is None:
            await self._write_queue()
            await self._sleep_until_there_is_something()
        return self._ending

    def close(self) -> None:
        """Want nothing more."""
        for sub_id in list(self._subscriptions):
            self._drop(sub_id)

    async def hear(self, raw: str) -> None:
        """Act on a message of the client. What is wrong with it is answered, not raised."""
        try:
            match self._framing.parse(raw):
                case Subscribe() as requested:
                    await self._subscribe(requested)
                case Unsubscribe(sub_id=sub_id):
                    self._drop(sub_id)
                    self._say(self._framing.unsubscribed(sub_id=sub_id))
        except BadMessage as error:
            self.complain(error)

    def complain(self, error: BadMessage) -> None:
        """Tell the client what was wrong; nothing else changes."""
        self._say(self._framing.error(error))

    def offer(self, frame: Frame, subscription: Subscription) -> None:
        """Queue a frame, unless the client has had it. Never waits."""
        if frame.position <= subscription.cursor:
            return
        if subscription.floors and frame.sequence < subscription.floors.get(frame.stream, 0):
            return
        self._put((frame, subscription))

    def beat(self, now: float) -> None:
        """Send a heartbeat. A client that reads nothing is closed, and finally dropped."""
        stuck_s = self._stuck_s(now)
        if self._ending is None and stuck_s <= self._limits.send_timeout_s:
            after = self._caught_up_to()
            self._say(self._framing.heartbeat(position=self._feed.position, after=after))
        elif self._ending is None:
            self._lag()
        elif stuck_s > 2 * self._limits.send_timeout_s and self._writer is not None:
            # Not even room for a good-bye: the socket is dropped as it is.
            self._writer.cancel()

    def end(self, why: CloseReason) -> None:
        """End the conversation once what is being sent is sent. The first reason counts."""
        if self._ending is None:
            self._ending = why
            self._queue.clear()
            self._queued_bytes = 0
            self._wake()
            # Not now: the feed may be in the middle of its list of subscriptions.
            asyncio.get_running_loop().call_soon(self.close)

    def _stuck_s(self, now: float) -> float:
        """Return for how long the client has not taken what is being sent, from beat to beat."""
        if not self._is_sending or self._sent != self._sent_at_beat:
            self._sent_at_beat, self._stuck_since = self._sent, now
        return now - self._stuck_since

    async def _subscribe(self, requested: Subscribe) -> None:
        self._check_room_for(requested.sub_id)
        position, cursor = self._feed.position, await self._start_of(requested)
        self._drop(requested.sub_id)
        subscription = Subscription(self, requested, cursor=cursor)
        self._subscriptions[requested.sub_id] = subscription
        self._behind[subscription] = None
        found = await self._items(requested)
        if self._subscriptions.get(requested.sub_id) is not subscription:
            return  # The conversation was ended meanwhile: what joined the feed now would stay.
        subscription.floors = {item.stream: item.sequence for item in found or ()}
        self._say(self._framing.subscribed(sub_id=requested.sub_id, items=found, position=position))
        self._behind[subscription] = task = asyncio.create_task(self._catch_up(subscription))
        task.add_done_callback(self._notice_failure)

    def _check_room_for(self, sub_id: str) -> None:
        limit = self._limits.subscriptions
        if sub_id not in self._subscriptions and len(self._subscriptions) >= limit:
            raise TooManySubscriptions(sub_id, limit=limit)

    async def _start_of(self, requested: Subscribe) -> int:
        if requested.after is None:
            return self._feed.position
        if requested.after > self._feed.position:
            # The client may have read further than this process has, but not beyond the log.
            head = await self._feed.head()
            if requested.after > head:
                raise AfterInFuture(requested.sub_id, after=requested.after, head=head)
        return requested.after

    async def _items(self, requested: Subscribe) -> list[StateItem] | None:
        if not requested.include_state:
            return None
        # The empty path is everything: a prefix of which there is no state to hide.
        readable = [one for one in requested.aggregates if not one or await self._may_read(one)]
        return await reads.patiently(self._states, readable)

    async def _catch_up(self, subscription: Subscription) -> None:
        stride = Stride(self._limits.page_frames)
        while subscription.cursor < self._feed.position:
            await self._room_for_more()
            page = await self._feed.after(
                subscription.cursor, requested=subscription.requested, limit=stride.events
            )
            stride.learn(page.frames)
            for frame in page.frames:
                if not self._has_room_for_more():
                    await self._room_for_more()
                self.offer(frame, subscription)
                subscription.cursor = frame.position
            subscription.cursor = page.reached
        # No await since the comparison: see Note [From the past to the present].
        del self._behind[subscription]
        self._feed.join(subscription)

    async def _room_for_more(self) -> None:
        while not self._has_room_for_more():
            self._has_room.clear()
            await self._has_room.wait()

    def _has_room_for_more(self) -> bool:
        """Whether there is room for what is past, beside what may come."""
        limits = self._limits
        return (
            len(self._queue) <= limits.queue_frames // 2
            and self._queued_bytes <= limits.queue_bytes // 2
        )

    def _drop(self, sub_id: str) -> None:
        subscription = self._subscriptions.pop(sub_id, None)
        if subscription is not None:
            self._feed.leave(subscription)
            if task := self._behind.pop(subscription, None):
                task.cancel()

    def _notice_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            # A bug. A subscription that stays behind would look like a quiet one.
            logger.error("A catch-up broke.", exc_info=task.exception())
            self.end(close_reason.failed())

    def _say(self, word: str | None) -> None:
        if word is not None:
            self._put(word)

    def _put(self, item: Item) -> None:
        if self._ending is not None:
            return
        size = _size_of(item)
        too_many = self._queued_bytes + size > self._limits.queue_bytes and self._queue
        if too_many or len(self._queue) >= self._limits.queue_frames:
            self._lag(item)
            return
        self._queue.append(item)
        self._queued_bytes += size
        self._wake()

    def _lag(self, refused: Item | None = None) -> None:
        after = self._resume_point(refused)
        self.end(close_reason.lagging(after, self._framing.lagging(after=after)))

    def _caught_up_to(self) -> int:
        """Return the position up to which everything is in the queue, or was."""
        return min((late.cursor for late in self._behind), default=self._feed.position)

    def _resume_point(self, refused: Item | None) -> int:
        """Return the position up to which everything was sent."""
        items = (self._in_hand, *self._queue, refused)
        owed = [item[0].position - 1 for item in items if isinstance(item, tuple)]
        return min([self._caught_up_to(), *owed])

    async def _write_queue(self) -> None:
        # The hottest path of all: no coroutine and no clock that is not needed.
        queue, audience, framing, turn = self._queue, self.audience, self._framing, 0
        while queue:
            self._in_hand = item = queue.popleft()
            self._queued_bytes -= _size_of(item)
            if isinstance(item, str):
                await self._write(item)
            else:
                frame, subscription = item
                allowed = audience.verdict(frame.stream)
                if allowed is None:
                    allowed = await audience.ask(frame.stream)
                text = frame.text(framing, subscription.quoted) if allowed else None
                if text is not None:
                    await self._write(text)
            if self._behind and self._has_room_for_more():
                self._has_room.set()
            turn += 1
            if turn % _TURN_FRAMES == 0:
                await asyncio.sleep(0)
        self._in_hand = None

    async def _write(self, text: str) -> None:
        self._is_sending = True
        await self._send(text)
        self._is_sending = False
        self._sent += 1

    async def _may_read(self, stream: Stream) -> bool:
        verdict = self.audience.verdict(stream)
        return await self.audience.ask(stream) if verdict is None else verdict

    async def _sleep_until_there_is_something(self) -> None:
        if not self._queue and self._ending is None:
            self._asleep = asyncio.get_running_loop().create_future()
            await self._asleep

    def _wake(self) -> None:
        # Once per batch: the writer is awake when the second frame comes.
        if self._asleep is not None:
            if not self._asleep.done():
                self._asleep.set_result(None)
            self._asleep = None


def _size_of(item: Item) -> int:
    return len(item) if isinstance(item, str) else item[0].bytes
