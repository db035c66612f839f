"""The registry of metrics, for a monitoring system that scrapes them.

Apps declare theirs in `<app>/gauges.py`; only `config/web/metrics.py` serves them. They are read
from the database, so whichever process is asked answers for all, and none keeps anything in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Kind(StrEnum):
    """Whether a figure may go up and down, or only up."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure, or one for each value of its `label`."""

    name: str
    meaning: str
    kind: Kind
    label: str

    def is_now(self, value: float, of: str = "") -> "Figure":
        """Return the figure; of a metric with a label, for this value of the label."""
        return Figure(metric=self, of=of, value=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    metric: Metric
    of: str
    value: float


Read: TypeAlias = Callable[[], Iterator[Figure]]

_metrics: dict[str, Metric] = {}
_readers: list[Read] = []


def gauge(name: str, meaning: str, *, label: str = "") -> Metric:
    """Declare a metric that goes up and down."""
    return _declared(Metric(name=name, meaning=meaning, kind=Kind.GAUGE, label=label))


def counter(name: str, meaning: str) -> Metric:
    """Declare a metric that never gets smaller. Its name ends in `_total`."""
    assert name.endswith("_total"), f"{name}: counters end in _total"
    return _declared(Metric(name=name, meaning=meaning, kind=Kind.COUNTER, label=""))


def reader(read: Read) -> Read:
    """Register the decorated function as one that yields figures of declared metrics."""
    _readers.append(read)
    return read


def every() -> list[Metric]:
    """Return every metric, by name."""
    return sorted(_metrics.values(), key=lambda each: each.name)


def figures() -> dict[str, list[Figure]]:
    """Read everything now, and return it by the names of the metrics."""
    found: dict[str, list[Figure]] = {metric.name: [] for metric in every()}
    for read in _readers:
        for figure in read():
            found[figure.metric.name].append(figure)
    return found


def _declared(metric: Metric) -> Metric:
    assert metric.name.startswith("daybook_"), f"{metric.name}: metrics begin with daybook_"
    assert metric.name not in _metrics, f"the metric {metric.name} exists already"
    _metrics[metric.name] = metric
    return metric
