"""The reader of the feed rests when nobody listens, and there are never two of it."""

import asyncio

from events.fanout import limits
from events.fanout.feed import Feed


async def test_a_reader_is_gone_although_something_took_its_cancellation_for_a_timeout() -> None:
    began, let_it_end = asyncio.Event(), False

    async def reads_on() -> None:
        nonlocal let_it_end
        while not let_it_end:
            try:
                began.set()
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                let_it_end = True  # The first one is swallowed.
        await asyncio.sleep(60)

    task = asyncio.create_task(reads_on())
    await began.wait()

    await Feed(limits.current())._end({task}, after=None)

    assert task.cancelled()
