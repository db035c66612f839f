"""A decision that has more to do than one may: it does a part, and a look at once does the rest."""

from typing import Any

import pytest

from tests.support.flow_bench import OUTPUT, FlowBench, PythonScripts, each, requires, script, step
from tests.support.flow_tree import ROOT, FlowTree
from workflows.flows.domain import commands as asked
from workflows.flows.domain import work_items
from workflows.flows.domain.codec import NAMES
from workflows.flows.domain.effects import Effect, EffectKind
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
    raised = bench.consequences(command)
    looks = [one for one in raised.effects if one.kind is EffectKind.LOOK]
    at_once = [one for one in looks if one.due_at <= bench.now]
    return [*(NAMES[type(event)] for event in raised), *("look" for _ in at_once)]


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

    def test_stops_children_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(work_items, "ITEMS_OF_DECISION_MAX", 3)
        drive = {"id": "drive", "name": "drive", "type": "flow", "flow": {"goals": ["car"]}}
        bench = FlowBench(
            step("car", attributes={"keys": OUTPUT}),
            drive
            | {"attributes": {"list": requires(for_each=True)}, "work_config": {"parallelism": 3}},
        )
        tree = FlowTree(bench)
        tree.start("drive", compensate=False, list=THREE)
        tree.deliver(holds="car")
        monkeypatch.setattr(work_items, "ITEMS_OF_DECISION_MAX", 2)
        tree.bag.clear()

        tree.do(ROOT, asked.CancelFlow(reason="rain", compensates=False))

        assert [row.effect.kind.value for row in tree.bag] == ["stop_child"] * 2 + ["go_on"]
        tree.deliver()
        assert {flow.status.value for flow in tree.flows.values()} == {"failed"}
        assert len(tree.flows) == 4


class TestAResumption:
    """Five items came due while the flow was paused; a decision may begin two."""

    @pytest.fixture
    def bench(self, monkeypatch: pytest.MonkeyPatch) -> FlowBench:
        bench = each(parallelism=5)
        bench.start("work", list=[0, 1, 2, 3, 4])
        for index in range(5):
            bench.not_complete("work", index)
        bench.do(asked.PauseFlow(reason="lunch"))
        bench.after(days=1)
        monkeypatch.setattr(work_items, "ITEMS_OF_DECISION_MAX", 2)
        return bench

    def test_begins_in_parts_what_came_due(self, bench: FlowBench) -> None:
        parts = [following(bench, asked.ResumeFlow())]
        while parts[-1][-1].kind is EffectKind.GO_ON:
            parts.append(following(bench, asked.Continue(past=parts[-1][-1].token)))

        assert [[one.kind.value for one in part] for part in parts] == [
            ["invoke", "invoke", "go_on"],
            ["invoke", "invoke", "go_on"],
            ["invoke"],
        ]
        begun = [one.token for part in parts for one in part if one.kind is EffectKind.INVOKE]
        assert begun == list(bench.execution("work").order)

    def test_goes_on_where_it_was_though_what_it_began_has_ended(self, bench: FlowBench) -> None:
        *_, go_on = following(bench, asked.ResumeFlow())
        for index in (0, 1):
            bench.succeed("work", index)

        rest = following(bench, asked.Continue(past=go_on.token))

        assert [one.token for one in rest[:2]] == list(bench.execution("work").order[2:4])

    def test_stops_with_a_pause_and_begins_anew_with_the_next(self, bench: FlowBench) -> None:
        *_, go_on = following(bench, asked.ResumeFlow())
        bench.do(asked.PauseFlow(reason="tea"))

        assert following(bench, asked.Continue(past=go_on.token)) == []
        assert [one.token for one in following(bench, asked.ResumeFlow())][:2] == list(
            bench.execution("work").order[:2]
        )


def following(bench: FlowBench, command: asked.FlowCommand) -> list[Effect]:
    """Carry out a command; return what follows from it."""
    return [*bench.consequences(command).effects]


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
