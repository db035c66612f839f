"""Tell 0, 1 and 10 subscribers in this process, nanoseconds per event."""

import argparse
import logging
import timeit
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from django.dispatch import Signal

from bench.harness import Measured, Side
from events import bus
from events.domain.envelope import Category, Envelope, Source
from events.domain.principal import SYSTEM

logger = logging.getLogger(__name__)

ENVELOPE = Envelope(
    name="bench.told", data={}, category=Category.INTERNAL, source=Source.SYSTEM,
    event_id="evt_bench", principal=SYSTEM, correlation_id="cor_bench",
    emitted_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def sides(options: argparse.Namespace) -> list[Side]:
    found = []
    for count in (0, 1, 10):
        contenders: list[tuple[str, str, Callable[[], object]]] = [
            ("bus.deliver", "daybook", _bus(count)),
            ("dict lookup, try/except", "floor", _dict(count)),
            ("Signal.send_robust", "peer", _signal(count)),
        ]
        found += [
            Side(
                group=f"{count} subscribers, ns per event",
                name=name,
                role=role,
                run=_timed(call, count),
                lower_is_better=True,
            )
            for name, role, call in contenders
        ]
    return found


def _handlers(count: int) -> list[Callable[..., None]]:
    # One signature for both: the bus gives the envelope, a signal names it.
    return [lambda envelope=None, **_facts: None for _ in range(count)]


def _bus(count: int) -> Callable[[], object]:
    """Subscribe to a name of this count's own: all three stay subscribed."""
    name = f"bench.told{count}"
    for handler in _handlers(count):
        bus.subscribe(name, handler)
    envelope = replace(ENVELOPE, name=name)
    return lambda: bus.deliver(envelope)


def _dict(count: int) -> Callable[[], object]:
    routes = {"bench.told": tuple(_handlers(count))}

    def emit(name: str, envelope: Envelope) -> None:
        for handler in routes.get(name, ()):
            try:
                handler(envelope)
            except Exception:
                logger.exception("failed")

    return lambda: emit("bench.told", ENVELOPE)


def _signal(count: int) -> Callable[[], object]:
    signal = Signal()
    for handler in _handlers(count):
        signal.connect(handler, weak=False)
    return lambda: signal.send_robust(None, envelope=ENVELOPE)


def _timed(call: Callable[[], object], count: int) -> Callable[[], Measured]:
    number = 200_000 // (count + 1)

    def run() -> Measured:
        best = min(timeit.repeat(call, number=number, repeat=5))
        return Measured(value=best / number * 1e9)

    return run
