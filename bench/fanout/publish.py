"""`python -m bench.fanout.publish SIDE`: publish when told to, from a process of its own.

Each line on the input is `count gap_s`; the answer to each is an empty line.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable

from bench.fanout.crowd import stamp

FRAME_CHARS = 200


def main() -> None:
    publish = {"daybook": _daybook, "channels": _channels, "floor": _floor}[sys.argv[1]]()
    for line in sys.stdin:
        count, gap_s = line.split()
        _paced(publish, int(count), float(gap_s))
        print(flush=True)


def _paced(publish: Callable[[], None], count: int, gap_s: float) -> None:
    due = time.perf_counter()
    for _ in range(count):
        publish()
        due += gap_s
        time.sleep(max(0.0, due - time.perf_counter()))


def _daybook() -> Callable[[], None]:
    import django

    django.setup()
    from django.db import transaction

    from bench.fanout import ticks
    from events import recorder

    ticks.declare()

    def publish() -> None:
        with transaction.atomic():
            recorder.emit(ticks.NAME, {"at": stamp()}, stream=ticks.STREAM)

    return publish


def _channels() -> Callable[[], None]:
    from channels.layers import get_channel_layer

    from bench.fanout import channels_asgi  # noqa: F401 - it configures the settings.

    layer, loop = get_channel_layer(), asyncio.new_event_loop()

    def publish() -> None:
        message = {"type": "tick", "text": stamp().ljust(FRAME_CHARS, "x")}
        loop.run_until_complete(layer.group_send(os.environ["BENCH_TOPIC"], message))

    return publish


def _floor() -> Callable[[], None]:
    import redis

    client = redis.Redis.from_url(os.environ["REDIS_URL"])

    def publish() -> None:
        client.publish(os.environ["BENCH_TOPIC"], stamp().ljust(FRAME_CHARS, "x"))

    return publish


if __name__ == "__main__":
    main()
