"""Peers that may be missing: `pip install daybook[bench]` brings them."""

import importlib
import os
import sys
from types import ModuleType
from typing import Any

from bench import database
from bench.journal import DATA


def optional(name: str) -> ModuleType | None:
    """Import `name`, or say that the peer is left out."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name.partition('.')[0]} is not installed: its side is left out", file=sys.stderr)
        return None


def eventsourcing_application(**settings: str) -> tuple[Any, Any] | None:
    """Return an application of `eventsourcing` with its database functions, and an aggregate."""
    application = optional("eventsourcing.application")
    domain = optional("eventsourcing.domain")
    if application is None or domain is None:
        return None

    class Flow(domain.Aggregate):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.steps = 0

        @domain.event("Step")
        def step(self, name: str, step: str, attempt: int, data: str) -> None:
            self.steps += 1

    parts = database.parts(os.environ["DATABASE_URL"])
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts["name"],
        "POSTGRES_HOST": parts["host"],
        "POSTGRES_PORT": parts["port"],
        "POSTGRES_USER": parts["user"],
        "POSTGRES_PASSWORD": parts["password"] or "none",
        "POSTGRES_ENABLE_DB_FUNCTIONS": "y",
        **settings,
    }
    return application.Application(env=environment), Flow


class EventSourcing:
    """Aggregates of `eventsourcing`, saved in turn."""

    def __init__(self, application: Any, flow: Any, *, count: int = 1000) -> None:
        self._application = application
        self._flows = [flow() for _ in range(count)]
        for each in self._flows:
            application.save(each)
        self._turn = 0

    def append(self, count: int) -> None:
        self._turn = (self._turn + 1) % len(self._flows)
        flow = self._flows[self._turn]
        for _ in range(count):
            flow.step(**DATA)
        self._application.save(flow)
