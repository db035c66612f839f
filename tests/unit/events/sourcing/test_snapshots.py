"""What a snapshot is good for: the code that took it, and no other."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from commerce.domain.booking import codec as booking_codec
from commerce.domain.booking import evolution as booking_evolution
from commerce.domain.booking import state as booking_state
from commerce.projections import BOOKING
from events.domain.aggregate import Aggregate
from events.sourcing import snapshots
from workflows.flows.domain import (
    catalog,
    cluster,
    codec,
    evolution,
    flow,
    flow_events,
    planner,
    snapshot,
)
from workflows.flows.execution.aggregates import CATALOG, CLUSTER, FLOWS


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    snapshots.code_of.cache_clear()
    yield
    snapshots.code_of.cache_clear()


def code_when_changed(
    aggregate: Aggregate[Any, Any, Any], module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return the tag of `aggregate` by a release that has another `module`."""
    source_of = inspect.getsource
    with monkeypatch.context() as patch:
        patch.setattr(inspect, "getsource", lambda one: source_of(one) + "#" * (one is module))
        snapshots.code_of.cache_clear()
        return snapshots.code_of(aggregate)


@pytest.mark.parametrize(
    ("aggregate", "module"),
    [
        (FLOWS, evolution),
        (FLOWS, flow_events),
        (FLOWS, flow),
        (FLOWS, codec),
        (FLOWS, snapshot),
        (CATALOG, catalog),
        (CLUSTER, cluster),
        (BOOKING, booking_evolution),
        (BOOKING, booking_state),
        (BOOKING, booking_codec),
    ],
    ids=lambda value: value.kind if isinstance(value, Aggregate) else value.__name__,
)
def test_does_not_count_for_changed_rules(
    aggregate: Aggregate[Any, Any, Any], module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = snapshots.code_of(aggregate)

    assert code_when_changed(aggregate, module, monkeypatch) != today


def test_outlives_a_change_of_what_only_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    today = snapshots.code_of(FLOWS)

    assert code_when_changed(FLOWS, planner, monkeypatch) == today
