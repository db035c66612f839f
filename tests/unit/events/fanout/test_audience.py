import asyncio

from events.domain.envelope import Stream
from events.domain.errors import Unauthenticated
from events.fanout.audience import Audience


class Refused(Unauthenticated):
    code = "refused"

    def __init__(self) -> None:
        super().__init__("No.")


class Watcher:
    """Answers what it is told to, and counts the questions."""

    def __init__(self, *, allowed: bool = True, kinds: frozenset[str] = frozenset()) -> None:
        self.allowed = allowed
        self.kinds = kinds
        self.has_ended = False
        self.asked: list[Stream] = []

    def readable_kinds(self) -> frozenset[str]:
        return self.kinds

    def may_read(self, stream: Stream) -> bool:
        self.asked.append(stream)
        return self.allowed

    def revalidated(self) -> "Watcher":
        if self.has_ended:
            raise Refused
        return self


class TestAudience:
    async def test_asks_once_for_all_who_want_to_know(self) -> None:
        watcher = Watcher()
        audience = Audience("k", watcher)

        answers = await asyncio.gather(*[audience.ask(("note", "1")) for _ in range(10)])

        assert answers == [True] * 10
        assert watcher.asked == [("note", "1")]
        assert audience.verdict(("note", "1")) is True

    async def test_knows_kinds_without_asking(self) -> None:
        audience = Audience("k", Watcher(allowed=False, kinds=frozenset({"note"})))

        assert audience.verdict(("note", "1")) is True
        assert audience.verdict(("trip", "1")) is None

    async def test_forgets_with_every_check(self) -> None:
        watcher = Watcher()
        audience = Audience("k", watcher)
        await audience.ask(("note", "1"))
        watcher.allowed = False

        assert await audience.is_welcome()
        assert audience.verdict(("note", "1")) is None
        assert await audience.ask(("note", "1")) is False

    async def test_is_told_when_the_credential_has_ended(self) -> None:
        watcher = Watcher()
        audience = Audience("k", watcher)
        watcher.has_ended = True

        assert not await audience.is_welcome()
