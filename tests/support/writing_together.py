"""Flows whose first results one process writes in one commit."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connections

from events import group_commit
from tests.live import eventually
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.steps import callables
from workflows.work import runner
from workflows.work.models import Work

NAMES = ("first", "second")
"""The callables of the two steps; the first is told the id of its flow as `flow`."""
SHARED = "WITH listed AS (INSERT INTO flows_flowsummary (%) SELECT new.%"
"""How a statement for several flows begins, of which PostgreSQL shows the first kilobyte. For
one flow alone there would be VALUES."""


def start_flows(flow_ids: list[str]) -> list[str]:
    """Start flows of two steps, and do nothing of them."""
    meta = {"flow": {"role": "meta", "meta": {"key": "flow_id"}}}
    _register("first", {**meta, "first": {"role": "output"}})
    _register("second", {"first": {"role": "required"}, "second": {"role": "output"}})
    for flow_id in flow_ids:
        services.start_flow(flow_id=flow_id, goals=["second"], init={})
    return flow_ids


def _register(name: str, attributes: dict[str, Any]) -> None:
    how = {"type": "python", "python": {"callable": name}, "attributes": attributes}
    services.register_step(step=step_from_json({"id": name, "name": name, **how}))


def know_the_steps(log: Path) -> None:
    """Let this process do the steps. Each call of the first is a line of `log`: its flow."""

    def first(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        with log.open("a") as lines:
            lines.write(f"{inputs['flow']}\n")
        return {"first": 1}

    callables.step_function("first")(first)
    callables.step_function("second")(lambda _inputs: {"second": 2})


@contextmanager
def all_writing_at_once(
    flow_ids: Sequence[str], *, beside: Callable[[], object] | None = None
) -> Iterator[None]:
    """One thread does each flow; all come to write their first result within the block,
    during which this thread is the one that writes. Another thread does what is `beside`."""

    def do(call: Callable[[], object]) -> None:
        try:
            call()
        finally:
            connections.close_all()

    ready = [Work.objects.get(subject=f"flow/{flow_id}").id for flow_id in flow_ids]
    calls = [partial(runner.take, [work_id], worker="w") for work_id in ready]
    every = [*calls, *([beside] if beside else [])]
    threads = [threading.Thread(target=do, args=[call]) for call in every]
    with group_commit.group.turn("", "", lambda: group_commit.Joint(parts={})):
        for thread in threads:
            thread.start()
        eventually(lambda: len(group_commit.group._waiting) == len(threads))
        yield
    for thread in threads:
        thread.join(timeout=60)
