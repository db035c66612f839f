"""What every test may rely on."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from config.testing import fork_server
from events import bus, doorbell
from events.sourcing import states

# The same cases in every run, however busy the machine is; a soak draws new ones, and more.
# Of the faults put into the code on purpose that two hundred cases noticed, a hundred noticed all.
settings.register_profile(
    "normal",
    derandomize=True,
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how the cases of properties are drawn."""
    if "soak" not in config.getoption("-m"):
        settings.load_profile("normal")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse cases that change; leave out what takes minutes, unless asked for with `-m soak`.

    Each process of a run collects for itself. If two of them find other names, or the same in
    another order, nothing is run at all.
    """
    changing = [item.nodeid for item in items if _is_another_in_each_process(item)]
    if changing:
        raise pytest.UsageError(f"Give these cases a fixed order and fixed names: {changing}")
    if "soak" in config.getoption("-m"):
        return
    soaks = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=soaks)
    items[:] = [item for item in items if item not in soaks]


def _is_another_in_each_process(item: pytest.Item) -> bool:
    if "datetime(" in item.nodeid or " at 0x" in item.nodeid:
        return True
    return any(
        isinstance(values, (set, frozenset))
        for mark in item.iter_markers("parametrize")
        for values in (*mark.args[1:2], mark.kwargs.get("argvalues"))
    )


@pytest.fixture(autouse=True, scope="session")
def _no_fork_server_survives_the_session() -> Iterator[None]:
    yield
    fork_server.stop()


@pytest.fixture(autouse=True, scope="session")
def _a_busy_valkey_is_not_away() -> Iterator[None]:
    """Have all bells rung: on a busy machine many would be left out, and that is logged."""
    from workflows.work import doorbell as bells  # noqa: PLC0415 - after the settings are chosen.

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doorbell, "RING_SECONDS_MAX", 10)
        patch.setattr(bells, "_PATIENCE_S", 10)
        yield


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
