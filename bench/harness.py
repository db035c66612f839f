"""Run sides in turn, round after round, and compare their medians.

Alternating is the point: a machine wanders by 20-30 %, but hardly between two neighbours.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from config import garbage_collection


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one side did in one round: `value` in the unit of its group."""

    value: float
    latencies_s: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Side:
    """`group` names the line of the table (and the unit), `role` is daybook, floor or peer."""

    group: str
    name: str
    role: str
    run: Callable[[], Measured]
    lower_is_better: bool = False
    # Called once, after the last round.
    close: Callable[[], object] = lambda: None


@dataclass(kw_only=True)
class Result:
    group: str
    name: str
    role: str
    lower_is_better: bool
    values: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def compare(sides: Sequence[Side], *, rounds: int) -> list[Result]:
    """Run every side `rounds` times, in turn; every other round backwards."""
    results = [
        Result(group=s.group, name=s.name, role=s.role, lower_is_better=s.lower_is_better)
        for s in sides
    ]
    pairs = list(zip(sides, results, strict=True))
    # As every process of the product does that serves; it helps each side that runs in this one.
    garbage_collection.freeze()
    try:
        for number in range(rounds):
            for side, result in pairs if number % 2 == 0 else reversed(pairs):
                _note(result, side.run())
    finally:
        for side in sides:
            side.close()
    return results


def repeat(call: Callable[[], object], *, seconds: float, events: int = 1) -> Measured:
    """Call again and again for `seconds`; the value is events per second."""
    latencies: list[float] = []
    started = time.perf_counter()
    ends = started + seconds
    while (before := time.perf_counter()) < ends:
        call()
        latencies.append(time.perf_counter() - before)
    elapsed = time.perf_counter() - started
    return Measured(value=len(latencies) * events / elapsed, latencies_s=latencies)


def table(results: Sequence[Result]) -> str:
    """Return the results as text, each group relative to Daybook's own line."""
    lines = []
    for group in dict.fromkeys(result.group for result in results):
        members = [result for result in results if result.group == group]
        own = next(result for result in members if result.role == "daybook")
        lines.append(f"\n{group}")
        lines += [_line(member, own) for member in members]
    return "\n".join(lines)


def as_json(row: str, results: Sequence[Result]) -> str:
    """Return the results for programs."""
    members = [{**asdict(result), "median": result.median} for result in results]
    return json.dumps({"row": row, "results": members}, indent=2)


def _note(result: Result, measured: Measured) -> None:
    result.values.append(measured.value)
    if measured.latencies_s:
        ordered = sorted(measured.latencies_s)
        result.p50_ms.append(ordered[len(ordered) // 2] * 1000)
        result.p99_ms.append(ordered[int(len(ordered) * 0.99)] * 1000)


def _line(result: Result, own: Result) -> str:
    ratio = own.median / result.median
    factor = "" if result is own else f"daybook = {ratio:6.2f} x"
    latency = ""
    if result.p50_ms:
        p50, p99 = statistics.median(result.p50_ms), statistics.median(result.p99_ms)
        latency = f"p50 {p50:8.2f} ms  p99 {p99:8.2f} ms"
    return f"  {result.role:8} {result.name:42} {result.median:14,.1f}  {factor:18}  {latency}"
