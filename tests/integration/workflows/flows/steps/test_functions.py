"""Python steps: what their functions act as, and what becomes of what they give."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from events import context
from tests.integration.workflows.flows.conftest import flow, work_off
from tests.live import eventually
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import Remembered
from workflows.flows.steps import callables
from workflows.work import registry

pytestmark = pytest.mark.django_db(transaction=True)

DO, UNDO, FAIL = "functions.do", "functions.undo", "functions.fail"


@pytest.fixture
def acted() -> Iterator[list[tuple[str, str, str]]]:
    """As whom the functions of the steps acted: name, run and step."""
    seen: list[tuple[str, str, str]] = []

    def act(_inputs: Mapping[str, Any]) -> None:
        now = context.current()
        seen.append((str(now.principal), now.workflow_run_id or "", now.workflow_step_id or ""))

    def undo(inputs: Mapping[str, Any]) -> Any:
        act(inputs)
        return "undone"

    def fail(_inputs: Mapping[str, Any]) -> None:
        raise ValueError("no")

    for name, function in ((DO, act), (UNDO, undo), (FAIL, fail)):
        callables.step_function(name)(function)
    yield seen
    for name in (DO, UNDO, FAIL):
        callables._registered.pop(name)


def register(id_: str, *, attributes: dict[str, Any] | None = None, **functions: str) -> None:
    body = {"id": id_, "name": id_, "type": "python", "python": functions}
    services.register_step(step=step_from_json({**body, "attributes": attributes or {}}))


def test_act_as_their_flow_at_their_step_also_when_they_undo_it(
    acted: list[tuple[str, str, str]],
) -> None:
    register("do", callable=DO, compensate=UNDO, attributes={"a": {"role": "output"}})
    register("fail", callable=FAIL)
    services.start_flow(flow_id="trip", goals=["do", "fail"], init={}, options={"compensate": True})
    work_off()

    assert flow("trip").executions["do"].order
    assert acted == [("workflow:trip", "trip", "do")] * 2
    assert flow("trip").is_over
    assert flow("trip").not_undone == []


@pytest.mark.parametrize("given", ["text", [("a", "list")], 5])
def test_that_give_no_mapping_fail_and_are_not_called_again(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def give(inputs: Mapping[str, Any]) -> Any:
        calls.append(inputs)
        return given

    monkeypatch.setitem(callables._registered, DO, give)
    register("do", callable=DO)
    services.start_flow(flow_id="trip", goals=["do"], init={})
    work_off()

    assert len(calls) == 1
    assert flow("trip").error == (
        f"step do failed: the function gave no mapping of outputs, but {type(given).__name__}"
    )


def test_that_run_too_long_fail_although_they_catch_being_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hang(_inputs: Mapping[str, Any]) -> None:
        with suppress(Exception):
            eventually(lambda: False)

    monkeypatch.setitem(callables._registered, DO, hang)
    kind = replace(registry.get("flow.invoke"), timeout_s=0.1)
    monkeypatch.setitem(registry._kinds, kind.name, kind)
    register("do", callable=DO)
    services.start_flow(flow_id="trip", goals=["do"], init={})
    work_off()

    assert flow("trip").error.startswith("step do failed: AttemptTimedOut: ")


def test_whose_outputs_cannot_be_recorded_fail_and_are_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(callables._registered, DO, lambda _inputs: {"a": {1, 2}})
    body = {"id": "do", "name": "do", "type": "python", "python": {"callable": DO}}
    services.register_step(step=step_from_json({**body, "memoizable": True}))
    services.start_flow(flow_id="trip", goals=["do"], init={})
    work_off()

    assert flow("trip").error.startswith("step do failed: values cannot be recorded")
    assert not Remembered.objects.exists()
