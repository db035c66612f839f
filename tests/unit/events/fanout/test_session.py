"""A session with a client that can be told to read, and a feed that is fed by hand."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from events.domain.envelope import Category, Envelope, Source, Stream
from events.domain.framing import DaybookFraming, StateItem
from events.domain.principal import SYSTEM
from events.fanout import close_reason, items
from events.fanout.audience import Audience
from events.fanout.close_reason import CloseReason
from events.fanout.feed import Feed
from events.fanout.frame import Frame
from events.fanout.items import States
from events.fanout.limits import Limits
from events.fanout.session import Session
from events.fanout.stride import PAGE_BYTES, Stride

HARDLY_S = 10.0
"""Nothing here waits for anything but its turn."""


class SeesNotes:
    """May read every note, and nothing else without being asked."""

    def readable_kinds(self) -> frozenset[str]:
        return frozenset({"note"})

    def may_read(self, stream: Stream) -> bool:
        raise AssertionError

    def revalidated(self) -> "SeesNotes":
        return self


class Client:
    """What is written to it waits until it reads."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self._reads = asyncio.Event()
        self._reads.set()

    def dawdle(self) -> None:
        self._reads.clear()

    def read_on(self) -> None:
        self._reads.set()

    async def take(self, text: str) -> None:
        await self._reads.wait()
        self.got.append(json.loads(text))

    @property
    def positions(self) -> list[int]:
        return [frame["position"] for frame in self.got if "metadata" in frame]


class Conversation:
    def __init__(self, states: States = items.of, **limits: int) -> None:
        self.client = Client()
        self.feed = Feed(Limits(**limits))
        self.session = Session(
            feed=self.feed,
            framing=DaybookFraming(),
            audience=Audience("k", SeesNotes()),
            send=self.client.take,
            states=states,
        )
        self.writer = asyncio.create_task(self.session.run())

    async def say(self, **message: Any) -> None:
        await self.session.hear(json.dumps(message))
        await settle()

    async def ended(self) -> CloseReason:
        """Return how it was ended; one that goes on is a failure, not a wait."""
        async with asyncio.timeout(HARDLY_S):
            return await self.writer

    async def happen(self, *positions: int, chars: int = 0) -> None:
        await self.feed._hand_out([note(position, chars) for position in positions])
        await settle()


def note(position: int, chars: int = 0) -> Envelope:
    return Envelope(
        name="note.written",
        data={"text": "x" * chars},
        category=Category.DOMAIN,
        source=Source.SERVICE,
        event_id=f"evt_{position}",
        principal=SYSTEM,
        correlation_id="cor_1",
        emitted_at=datetime(2026, 11, 21, tzinfo=UTC),
        stream=("note", "1"),
        sequence=position,
        position=position,
    )


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def talk() -> AsyncIterator[Conversation]:
    conversation = Conversation(queue_frames=4)
    yield conversation
    conversation.session.close()
    conversation.writer.cancel()


class TestTheQueue:
    async def test_is_written_in_order(self, talk: Conversation) -> None:
        await talk.say(type="subscribe", sub_id="a")
        await talk.happen(1, 2, 3)

        assert talk.client.positions == [1, 2, 3]

    async def test_that_overflows_ends_the_conversation_before_what_is_owed(
        self, talk: Conversation
    ) -> None:
        await talk.say(type="subscribe", sub_id="a")
        await talk.happen(1)
        talk.client.dawdle()
        await talk.happen(2)
        # One in hand, four in the queue, one too many.
        await talk.happen(3, 4, 5, 6, 7)
        talk.client.read_on()

        assert await talk.ended() == CloseReason(
            code=4408, reason="lagging, resume after 1", last_frame='{"type":"lagging","after":1}'
        )

    async def test_has_a_limit_in_bytes_too(self) -> None:
        talk = Conversation(queue_bytes=10_000)
        await talk.say(type="subscribe", sub_id="a")
        talk.client.dawdle()
        # One in hand, and what is larger than the limit still has room in an empty queue.
        await talk.happen(1)
        await talk.happen(2, chars=20_000)
        assert not talk.writer.done()
        await talk.happen(3)
        talk.client.read_on()

        assert (await talk.ended()).reason == "lagging, resume after 0"

    async def test_full_of_heartbeats_owes_the_frame_that_found_no_room(
        self, talk: Conversation
    ) -> None:
        await talk.say(type="subscribe", sub_id="a")
        talk.client.dawdle()
        for _ in range(5):
            talk.session.beat(0.0)
            await settle()
        await talk.happen(1)
        talk.client.read_on()

        assert (await talk.ended()).reason == "lagging, resume after 0"

    async def test_of_a_client_that_takes_nothing_is_given_up(self, talk: Conversation) -> None:
        await talk.say(type="subscribe", sub_id="a")
        talk.client.dawdle()
        await talk.happen(1)
        talk.session.beat(100.0)
        talk.session.beat(109.0)
        assert not talk.writer.done()

        talk.session.beat(111.0)
        talk.session.beat(121.0)
        await settle()

        # The good-bye cannot be said either.
        assert talk.writer.cancelled()

    async def test_of_a_slow_client_is_not(self, talk: Conversation) -> None:
        await talk.say(type="subscribe", sub_id="a")
        for beat in range(5):
            talk.client.dawdle()
            await talk.happen(beat + 1)
            talk.session.beat(100.0 + 9 * beat)
            talk.client.read_on()
            await settle()

        assert talk.client.positions == [1, 2, 3, 4, 5]
        assert not talk.writer.done()


class TestCatchingUp:
    async def test_comes_from_memory_and_joins_without_a_gap(self, talk: Conversation) -> None:
        await talk.say(type="subscribe", sub_id="awake", aggregate_ids=[["nothing"]])
        await talk.happen(1, 2, 3, 4, 5, 6)

        await talk.say(type="subscribe", sub_id="a", after=2)
        await talk.happen(7)

        assert talk.client.positions == [3, 4, 5, 6, 7]

    async def test_may_begin_beyond_what_this_process_has_read(
        self, talk: Conversation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def head() -> int:
            return 10

        monkeypatch.setattr(talk.feed, "head", head)
        await talk.say(type="subscribe", sub_id="a", after=3)
        await talk.happen(1, 2, 3, 4, 5)

        assert talk.client.positions == [4, 5]

    async def test_waits_for_the_client_page_by_page(self, talk: Conversation) -> None:
        await talk.happen(*range(1, 21))
        talk.client.dawdle()
        await talk.say(type="subscribe", sub_id="a", after=1)
        await talk.happen(21)
        talk.client.read_on()
        await settle()
        await settle()

        assert talk.client.positions == list(range(2, 22))

    async def test_waits_for_the_client_also_within_a_page_of_large_events(self) -> None:
        talk = Conversation(queue_bytes=10_000)
        await talk.happen(*range(1, 21), chars=4_000)
        talk.client.dawdle()
        await talk.say(type="subscribe", sub_id="a", after=1)
        assert talk.session._queued_bytes <= 10_000
        talk.client.read_on()
        while talk.session._behind:
            await asyncio.sleep(0)
        await settle()

        assert talk.client.positions == list(range(2, 21))
        assert talk.session._queued_bytes == 0
        talk.session.close()
        talk.writer.cancel()

    async def test_owes_what_it_has_not_reached(self, talk: Conversation) -> None:
        await talk.happen(*range(1, 21))
        talk.client.dawdle()
        await talk.say(type="subscribe", sub_id="a", after=1)
        talk.client.read_on()
        beat: dict[str, Any] = {}
        talk.session.beat(0.0)
        while not beat:
            await asyncio.sleep(0)
            beat = next((one for one in talk.client.got if one["type"] == "heartbeat"), {})

        reached = [p for p in talk.client.positions if p <= beat["after"]]
        assert beat["position"] == 20
        assert reached == list(range(2, beat["after"] + 1))

    async def test_ends_with_the_subscription(self, talk: Conversation) -> None:
        await talk.happen(*range(1, 21))
        talk.client.dawdle()
        await talk.say(type="subscribe", sub_id="a", after=1)
        await talk.say(type="unsubscribe", sub_id="a")
        talk.client.read_on()
        await settle()
        before = talk.client.positions
        await talk.happen(21)

        assert talk.client.positions == before
        assert len(before) < 19

    async def test_does_not_begin_once_the_conversation_has_ended(
        self,
    ) -> None:
        is_asked, may_answer = threading.Event(), threading.Event()

        def slowly(_streams: Sequence[Stream]) -> list[StateItem]:
            is_asked.set()
            may_answer.wait(HARDLY_S)
            return []

        talk = Conversation(states=slowly)
        message = json.dumps({"type": "subscribe", "sub_id": "a", "include_state": True})
        asking = asyncio.create_task(talk.session.hear(message))
        await asyncio.to_thread(is_asked.wait, HARDLY_S)

        talk.session.end(close_reason.restarting())
        await settle()
        may_answer.set()
        await asking
        await settle()

        assert list(talk.feed._index.matching(("note", "1"), "note.written")) == []


async def test_the_feed_remembers_no_more_than_so_many_bytes() -> None:
    feed = Feed(Limits(recent_bytes=10_000))
    await feed._hand_out([note(position, 4_000) for position in range(1, 21)])
    assert [frame.position for frame in feed._recent] == [19, 20]

    await feed._hand_out([note(21, 20_000)])

    assert [frame.position for frame in feed._recent] == [21]


class TestStride:
    def test_grows_as_long_as_pages_are_small(self) -> None:
        stride = Stride(250)
        seen = []
        for _ in range(5):
            seen.append(stride.events)
            stride.learn([Frame(note(1))] * stride.events)

        assert seen == [32, 64, 128, 250, 250]

    def test_shrinks_with_the_first_that_is_not(self) -> None:
        stride = Stride(250)
        stride.learn([Frame(note(1, PAGE_BYTES // 8))] * 32)
        assert stride.events == 7

        stride.learn([Frame(note(1, 2 * PAGE_BYTES))] * 7)
        assert stride.events == 1


class TestBadMessages:
    async def test_are_answered(self, talk: Conversation) -> None:
        await talk.session.hear("nonsense")
        await settle()

        assert talk.client.got == [
            {
                "type": "error",
                "code": "message_not_json",
                "detail": talk.client.got[0]["detail"],
                "hint": "Send one JSON object per text frame.",
            }
        ]
