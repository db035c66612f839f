"""A decision that has more to do than one may: it does a part, and a look at once does the rest."""

from typing import Any

import pytest

from tests.support.flow_bench import OUTPUT, FlowBench, PythonScripts, requires, script, step
from tests.support.flow_tree import ROOT, FlowTree
from workflows.flows.domain import commands as asked
from workflows.flows.domain import work_items
from workflows.flows.domain.decide import decide
from workflows.flows.domain.effects import Effect, EffectKind, effects_of
from workflows.flows.domain.flow import WorkStatus
from workflows.flows.domain.gates import ScriptPutOff

THREE = [0, 1, 2]


@pytest.fixture
def four_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_items, "ITEMS_OF_DECISION_MAX", 4)


def twice(**kind: Any) -> FlowBench:
    """Return a flow of two steps of three items, which one decision cannot begin together."""
    gated: list[dict[str, Any]] = []
    for name in ("a", "b"):
        given = {"list": requires(for_each=True), name: requires()}
        gated.append(step(f"gate-{name}", attributes={name: OUTPUT}))
        gated.append(step(f"work-{name}", attributes=given, work_config={"parallelism": 3}) | kind)
    bench = FlowBench(*gated)
    bench.start("work-a", "work-b", list=THREE)
    return bench


def open_gates(bench: FlowBench) -> None:
    for name in ("a", "b"):
        bench.succeed(f"gate-{name}", **{name: 1})


def looks(bench: FlowBench, command: asked.FlowCommand) -> list[str]:
    """Carry out a command; return the names of its events, with `look` if one follows at once."""
    raised = decide(bench.flow, command, bench.world)
    effects: list[Effect] = effects_of(raised.after, [*raised], bench.world)
    at_once = [one for one in effects if one.kind is EffectKind.LOOK and one.due_at <= bench.now]
    return [*bench.do(command), *("look" for _ in at_once)]


@pytest.mark.usefixtures("four_at_once")
class TestALargeDecision:
    def test_ends_what_only_waited_in_parts(self) -> None:
        wait = {"type": "wait", "http": None, "wait": {"for_ms": 60_000}}
        bench = twice(**wait)
        open_gates(bench)
        cancel = asked.CancelFlow(reason="rain", compensates=False)

        first = looks(bench, cancel)
        rest = looks(bench, asked.Continue())

        assert [first.count("work_failed"), first[-1]] == [4, "look"]
        assert "flow_deactivated" not in first
        assert [rest.count("work_failed"), rest[-1]] == [2, "flow_deactivated"]
        assert looks(bench, asked.Continue()) == []

    def test_begins_in_parts_what_no_worker_was_healthy_for(self) -> None:
        bench = twice()
        bench.is_healthy = lambda one: one.id.startswith("gate")
        open_gates(bench)
        bench.is_healthy = lambda _step: True

        first = looks(bench, asked.Continue())
        rest = looks(bench, asked.Continue())

        assert first == ["work_started"] * 4 + ["look"]
        assert rest == ["work_started"] * 2
        assert looks(bench, asked.Continue()) == []

    def test_lets_completed_children_go_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(work_items, "ITEMS_OF_DECISION_MAX", 3)
        undo = {"endpoint": "http://peer", "compensate": "http://peer/undo"}
        each = {"list": requires(for_each=True)}
        bench = FlowBench(
            step("car", http=undo, attributes={"keys": OUTPUT}),
            {"id": "drive", "name": "drive", "type": "flow", "flow": {"goals": ["car"]}}
            | {"attributes": each, "work_config": {"parallelism": 3}},
        )
        tree = FlowTree(bench)
        tree.start("drive", compensate=True, list=THREE)
        monkeypatch.setattr(work_items, "ITEMS_OF_DECISION_MAX", 2)

        tree.deliver()

        ends = [name for name in tree.names(ROOT) if name.startswith(("child", "flow_d"))]
        assert ends == [
            *["child_released", "child_released", "child_deactivated", "child_deactivated"],
            *["child_released", "child_deactivated", "flow_deactivated"],
        ]


class TestAFlow:
    def test_has_no_more_items_than_whoever_cancels_it_can_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(work_items, "ITEMS_OF_FLOW_MAX", 7)
        bench = twice()

        open_gates(bench)

        assert len(bench.tokens("work-a", WorkStatus.ACTIVE)) == 3
        assert bench.execution("work-b").error == "too many work items: 8 (max 7)"

    def test_is_not_looked_at_while_a_worker_runs_a_script_that_was_put_off(self) -> None:
        class Slow(PythonScripts):
            def execute(self, *_asked: Any) -> dict[str, Any]:
                raise ScriptPutOff

        bench = FlowBench(script("spin", "{}", attributes={"list": requires(for_each=True)}))
        bench.languages = Slow()
        bench.start("spin", list=THREE)

        assert looks(bench, asked.Continue()) == []
