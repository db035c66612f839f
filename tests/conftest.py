"""What every test may rely on."""

from collections.abc import Iterator
from typing import Any

import pytest

from events import bus, states


@pytest.fixture(autouse=True)
def _no_cached_state_survives_a_test() -> None:
    states.forget_all()


@pytest.fixture(autouse=True)
def _no_subscription_survives_a_test() -> Iterator[None]:
    """What a test adds to the bus is gone after it; the subscriptions of the apps stay."""
    registries: list[list[Any]] = [bus._subscriptions, bus._hooks]
    before = [list(registry) for registry in registries]
    yield
    for registry, kept in zip(registries, before, strict=True):
        registry[:] = kept
    bus._forget_routes()
