"""A conversation with a client that is written to at once, whatever it sends."""

import asyncio
import json
from collections import deque
from typing import Any

import pytest

from events.domain.framing import DaybookFraming
from events.fanout import conversation
from events.fanout import feed as feeds
from events.fanout.audience import Audience
from events.fanout.feed import Feed
from events.fanout.limits import Limits
from events.fanout.session import Session
from tests.unit.events.fanout.test_session import HARDLY_S, SeesNotes

QUEUE_FRAMES = 4
AT_ONCE = 10 * QUEUE_FRAMES


class NothingHappens(Feed):
    """A feed of a log that nobody reads."""

    async def enter(self, session: Session) -> None:
        pass

    async def exit(self, session: Session) -> None:
        pass


class Client:
    """Has sent all of its messages by the time that the first is read, and goes when answered."""

    def __init__(self, *messages: str) -> None:
        self.got: list[dict[str, Any]] = []
        self._messages = deque(messages)
        self._answered = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self._messages:
            return {"type": "websocket.receive", "text": self._messages.popleft()}
        await self._answered.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(self, message: dict[str, Any]) -> None:
        assert message["type"] == "websocket.send", message
        self.got.append(json.loads(message["text"]))
        if len(self.got) == AT_ONCE:
            self._answered.set()


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = NothingHappens(Limits(queue_frames=QUEUE_FRAMES))
    monkeypatch.setattr(feeds, "current", lambda: feed)


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize(
    ("message", "answer"),
    [("nonsense", "error"), ('{"type": "unsubscribe", "sub_id": "a"}', "unsubscribed")],
)
async def test_many_messages_at_once_are_all_answered(message: str, answer: str) -> None:
    client = Client(*[message] * AT_ONCE)

    async with asyncio.timeout(HARDLY_S):
        await conversation.converse(
            framing=DaybookFraming(),
            audience=Audience("k", SeesNotes()),
            receive=client.receive,
            send=client.send,
        )

    assert [frame["type"] for frame in client.got] == [answer] * AT_ONCE
