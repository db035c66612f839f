"""Gives a command its servers: the running ones, or its own for as long as it runs."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from config.embedded.binaries import ServersUnavailable
from config.embedded.servers import Servers
from config.embedded.state import Instance, State

OTHERS_START_SECONDS_MAX = 60


def is_embedded() -> bool:
    """Return whether the environment leaves a server for us to run."""
    return not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"))


@contextmanager
def attached(state: State, *, first_run: Callable[[], object]) -> Iterator[None]:
    """Point the environment at the servers of `state`, started if they are not running.

    `first_run` is called when the database is new, or was left by a first run that was killed.

    :raises ServersUnavailable: if they cannot run here.
    """
    if not is_embedded():
        yield
        return
    state.prepare()
    with state.in_use() as use:
        lock, found = _own_or_find(state)
        if lock is None:
            os.environ.update({**found, **_given(*found)})
            yield
        else:
            with lock:
                yield from _with_own_servers(state, use, first_run)


def _own_or_find(state: State) -> tuple[IO[str] | None, dict[str, str]]:
    """Become the owner of `state`, or return the environment that its owner announced."""
    deadline = time.monotonic() + OTHERS_START_SECONDS_MAX
    while time.monotonic() < deadline:
        if lock := state.own():
            return lock, {}
        if instance := state.announced():
            return None, instance.environment
        time.sleep(0.05)
    raise ServersUnavailable(f"Another command has been starting {state.folder} for a minute.")


def _with_own_servers(
    state: State, use: IO[str], first_run: Callable[[], object]
) -> Iterator[None]:
    servers = Servers.wanted(state)
    try:
        servers.begin()
        servers.finish()
        environment = {**servers.environment(), **state.environment()}
        os.environ.update(environment)
        if not servers.is_prepared:
            first_run()
            servers.note_prepared()
        servers.settle()
        state.announce(Instance(pid=os.getpid(), environment=environment))
        yield
    finally:
        # Others may have found our servers meanwhile: the last one out may go.
        state.wait_for_users(use)
        state.withdraw()
        servers.stop()


def _given(*names: str) -> dict[str, str]:
    """Return what the caller's environment sets already; it overrides ours."""
    return {name: os.environ[name] for name in names if name in os.environ}


def complain(error: Exception) -> int:
    """Print why something cannot be done, and return the exit code for it."""
    print(error, file=sys.stderr)
    return 1
