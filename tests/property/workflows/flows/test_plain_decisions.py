"""Plain plans are decided the short way, and as the rules for all plans would decide them.

`FlowBench.do` compares each decision with that at length, and its state with what its events say.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.support.flow_bench import OUTPUT, FlowBench, requires, script, step
from workflows.flows.domain import commands as asked
from workflows.flows.domain import plain
from workflows.flows.domain.decide import PARENT_KEYS, decide, decide_at_length
from workflows.flows.domain.errors import FlowInvalid
from workflows.flows.domain.flow import StepStatus, WorkStatus
from workflows.flows.domain.gates import ScriptPutOff
from workflows.flows.domain.planner import make_plan
from workflows.flows.execution import aggregates

NAMES = [f"n{number}" for number in range(6)]
META = {"role": "meta", "meta": {"key": "flow_id"}}
TURNS = 60


@st.composite
def definitions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw up to seven steps that give one or two attributes each, and take what others give."""
    steps, given_so_far = [], list[str]()
    for index in range(draw(st.integers(1, 7))):
        gives = [f"s{index}_{number}" for number in range(draw(st.integers(1, 2)))]
        attributes: dict[str, Any] = dict.fromkeys(gives, OUTPUT)
        from_init = st.sampled_from(NAMES[:2])
        takes = st.lists(st.sampled_from(given_so_far or NAMES[:1]), unique=True, max_size=3)
        for name in draw(takes):
            mapping = {"mapping": {"name": f"my_{name}"}} if draw(st.booleans()) else {}
            attributes[name] = requires(**mapping)
        if draw(st.integers(0, 3)) == 0:
            attributes[draw(from_init)] = requires()
        if draw(st.integers(0, 3)) == 0:
            attributes["whose"] = META
        given_so_far += gives
        if draw(st.booleans()):
            steps.append(step(f"s{index}", attributes=attributes))
        else:
            text = draw(st.sampled_from(["V", "{}", "{**V, 'more': v.get('whose')}", "v['gone']"]))
            values = repr(dict.fromkeys(gives, draw(st.integers(0, 2))))
            steps.append(script(f"s{index}", text.replace("V", values), attributes=attributes))
    if draw(st.integers(0, 7)) == 0:
        # As a goal it is left out of the plan whenever init gives what it must not have.
        steps.append(step("blocked", attributes={NAMES[0]: requires(collect="none")}))
    return steps


def started(steps: list[dict[str, Any]], data: st.DataObject) -> FlowBench | None:
    bench = FlowBench(*steps)
    ids = [definition["id"] for definition in steps]
    goals = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True))
    known = data.draw(st.sampled_from([NAMES[:2], NAMES[:2], ["s0_0", *NAMES[:2]], NAMES[:1]]))
    bench.is_healthy = lambda _step: True
    try:
        bench.start(*goals, options={}, **dict.fromkeys(known, 1))
    except FlowInvalid:
        return None
    return bench


def turn(bench: FlowBench, data: st.DataObject) -> None:
    """Let something happen: mostly a result, whole or not."""
    active = [
        (step_id, item.token)
        for step_id, execution in bench.flow.executions.items()
        for item in execution.in_order()
        if item.status in {WorkStatus.ACTIVE, WorkStatus.SUCCEEDED}
    ]
    bench.after(milliseconds=data.draw(st.sampled_from([0, 1, 1500])))
    unusual = data.draw(st.integers(0, 14))
    bench.is_healthy = lambda _step: unusual != 1
    if not active or unusual == 0:
        bench.do(asked.Continue())
        return
    step_id, token = data.draw(st.sampled_from(active))
    at: dict[str, Any] = {"step_id": step_id, "token": token}
    gives = [name for name, _ in bench.flow.step(step_id).outputs()]
    outputs: dict[str, Any] = {name: data.draw(st.sampled_from([1, None, []])) for name in gives}
    match unusual:
        case 2 if not bench.flow.is_terminal:
            bench.do(asked.ResumeFlow() if bench.flow.is_paused else asked.PauseFlow(reason="r"))
        case 3:
            bench.do(asked.FailWork(**at, error="boom"))
        case 4:
            bench.do(asked.SucceedWork(**at, outputs=dict(list(outputs.items())[1:])))
        case 5:
            bench.do(asked.NotCompleteWork(**at, error="busy"))
        case 6 | 7 if not bench.flow.is_terminal:
            by_hand(bench, data, skips=unusual == 6)
        case _:
            bench.do(asked.SucceedWork(**at, outputs={**outputs, "more": 1}))


def by_hand(bench: FlowBench, data: st.DataObject, *, skips: bool) -> None:
    executions = bench.flow.executions
    open_ = [step_id for step_id, one in executions.items() if not one.status.is_terminal]
    step_id = data.draw(st.sampled_from(open_))
    if skips:
        bench.do(asked.SkipStep(step_id=step_id, reason="r"))
    else:
        outputs = dict.fromkeys((name for name, _ in bench.flow.step(step_id).outputs()), 1)
        bench.do(asked.ForceStep(step_id=step_id, outputs=outputs))


@given(definitions(), st.data())
@settings(max_examples=200, deadline=None)
def test_the_short_way_leads_where_the_long_one_does(
    steps: list[dict[str, Any]], data: st.DataObject
) -> None:
    bench = started(steps, data)
    if bench is None:
        return
    event(f"plain: {bench.flow.plan.plain is not None}")
    for _ in range(TURNS):
        if bench.flow.is_over:
            break
        before = bench.flow
        turn(bench, data)
        is_listed_anew = aggregates._shown(before) != aggregates._shown(bench.flow)
        assert aggregates.is_listed_anew(before, bench.flow) == is_listed_anew
    event(f"{bench.flow.status}")


def chain(*types: str) -> list[dict[str, Any]]:
    steps = []
    for index, type_ in enumerate(types):
        attributes: dict[str, Any] = {f"a{index}": OUTPUT}
        if index:
            attributes[f"a{index - 1}"] = requires()
        text = repr({f"a{index}": index})
        make = {"script": script(f"s{index}", text, attributes=attributes)}
        steps.append(make.get(type_, step(f"s{index}", attributes=attributes)))
    return steps


def side_by_side() -> FlowBench:
    """Return a flow of s0, which t0 follows, and s1."""
    bench = FlowBench(
        step("s0", attributes={"a0": OUTPUT}),
        step("s1", attributes={"a1": OUTPUT}),
        step("t0", attributes={"a0": requires(), "b0": OUTPUT}),
    )
    bench.start("t0", "s1")
    assert bench.flow.plan.plain is not None
    return bench


class TestTheShortWay:
    def test_is_taken_from_step_to_step(self) -> None:
        bench = FlowBench(*chain("sync", "script", "sync"))
        bench.start("s2")
        command = asked.SucceedWork(step_id="s0", token=bench.token("s0"), outputs={"a0": 1})

        led = plain.succeeded(bench.flow, command, bench.world)

        assert led is not None
        assert [one.status for one in led.after.executions.values()] == [
            StepStatus.COMPLETED,
            StepStatus.COMPLETED,
            StepStatus.ACTIVE,
        ]

    def test_is_taken_by_a_flow_that_is_nothing_but_scripts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        led: list[Any] = []
        started_at_once = plain.started

        def noted(*asked: Any) -> Any:
            led.append(started_at_once(*asked))
            return led[0]

        monkeypatch.setattr(plain, "started", noted)
        bench = FlowBench(*chain(*["script"] * 4))

        bench.start("s3")

        assert led[0].after.is_over
        assert bench.flow == led[0].after

    def test_goes_in_the_order_of_the_plan_where_several_things_follow(self) -> None:
        gives = {name: {"attributes": {name: OUTPUT}} for name in ("a", "b", "c")}
        takes = {
            f"{letter}_{name}": {"attributes": {name: requires(), f"{letter}_{name}": OUTPUT}}
            for letter, name in ("za", "ya", "xb", "wc", "vc")
        }
        bench = FlowBench(
            *(script(name, repr({name: 1}), **extra) for name, extra in gives.items()),
            *(step(name, **extra) for name, extra in takes.items()),
        )

        bench.start(*takes)

        assert bench.flow.plan.plain is not None
        active = [one for one in takes if bench.status(one) == StepStatus.ACTIVE]
        assert active == list(takes)

    def test_is_not_for_values_that_need_a_look_before_they_are_recorded(self) -> None:
        bench = FlowBench(*chain("sync", "sync"))
        bench.start("s1")
        command = asked.SucceedWork(step_id="s0", token=bench.token("s0"), outputs={"a0": 1})
        careful = replace(bench.world, why_unrecordable=lambda _values: "too large")

        assert plain.succeeded(bench.flow, command, careful) is None

    def test_is_not_for_a_child_flow_which_may_be_undone_when_it_has_completed(self) -> None:
        bench = FlowBench(*chain("sync"))
        parent = dict.fromkeys(PARENT_KEYS, "p")
        plan = make_plan(bench.catalog, ["s0"], {}, matches=bench.languages.matches)
        bench.do(asked.StartFlow(plan=plan, init={}, metadata=parent))
        command = asked.SucceedWork(step_id="s0", token=bench.token("s0"), outputs={"a0": 1})

        assert plain.succeeded(bench.flow, command, bench.world) is None

    def test_is_not_for_a_plan_in_which_two_steps_give_the_same(self) -> None:
        twice = [step(f"s{number}", attributes={"a": OUTPUT}) for number in range(2)]
        bench = FlowBench(*twice, step("s2", attributes={"a": requires()}))
        bench.start("s2")

        assert bench.flow.plan.plain is None

    def test_is_not_for_a_plan_that_leaves_out_a_goal_which_init_blocks(self) -> None:
        lone = step("lone", attributes={"x": requires(collect="none")})
        bench = FlowBench(*chain("sync", "sync"), lone)
        bench.start("s1", "lone", x=1)
        assert set(bench.flow.plan.steps) == {"s0", "s1"}
        bench.succeed("s0", a0=1)

        assert bench.succeed("s1", a1=1)[-2:] == ["flow_completed", "flow_deactivated"]

    def test_is_not_for_a_fork_that_was_given_what_a_step_gives(self) -> None:
        bench = FlowBench(*chain("sync", "sync"))
        plan = make_plan(bench.catalog, ["s1"], {}, matches=bench.languages.matches)

        bench.do(asked.StartFlow(plan=plan, init={"a0": [1]}))

        assert bench.status("s0") == StepStatus.SKIPPED

    def test_is_not_for_a_flow_in_which_a_forced_step_is_still_under_way(self) -> None:
        bench = side_by_side()
        bench.do(asked.ForceStep(step_id="s0", outputs={"a0": 1}))

        bench.succeed("s1", a1=1)
        bench.succeed("t0", b0=1)

        assert bench.flow.status == "completed"
        assert not bench.flow.is_over

    def test_is_not_for_a_flow_in_which_something_waits_for_a_healthy_worker(self) -> None:
        bench = side_by_side()
        bench.is_healthy = lambda _step: False
        bench.succeed("s0", a0=1)
        bench.is_healthy = lambda _step: True

        assert "work_started" in bench.succeed("s1", a1=1)

    def test_is_not_for_a_result_that_comes_while_a_retry_is_due(self) -> None:
        bench = side_by_side()
        token = bench.token("s0")
        bench.do(asked.NotCompleteWork(step_id="s0", token=token, error="busy"))

        assert "step_completed" in bench.succeed("s0", a0=1)

    def test_is_not_for_more_scripts_than_one_decision_may_run(self) -> None:
        bench = FlowBench(*chain("sync", "script", "script", "sync"))
        bench.start("s3")
        command = asked.SucceedWork(step_id="s0", token=bench.token("s0"), outputs={"a0": 1})

        assert plain.succeeded(bench.flow, command, replace(bench.world, inline_max=1)) is None
        assert plain.succeeded(bench.flow, command, replace(bench.world, inline_max=2))

    def test_leaves_a_script_that_is_put_off_to_a_worker(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = FlowBench(*chain("script", "script", "sync"))
        run_it, left = bench.languages.execute, [1]

        def execute(script: Any, inputs: Any) -> dict[str, Any]:
            if not left:
                raise ScriptPutOff
            left.pop()
            return run_it(script, inputs)

        monkeypatch.setattr(bench.languages, "execute", execute)
        plan = make_plan(bench.catalog, ["s2"], {}, matches=bench.languages.matches)

        led = decide(bench.flow, asked.StartFlow(plan=plan, init={}), bench.world)

        assert [type(one).__name__ for one in led][-2:] == ["StepStarted", "WorkStarted"]
        left.append(1)
        assert (
            led.after
            == decide_at_length(bench.flow, asked.StartFlow(plan=plan, init={}), bench.world).after
        )

    @pytest.mark.parametrize(
        "extra",
        [
            {"memoizable": True},
            {"predicate": {"language": "lua", "script": "True"}},
            {"attributes": {"a0": OUTPUT, "x": {"role": "const", "const": {"value": "1"}}}},
            {"attributes": {"a0": OUTPUT, "x": requires(collect="last")}},
            {"attributes": {"a0": OUTPUT, "x": requires(for_each=True)}},
            {"attributes": {"a0": OUTPUT, "x": {"role": "optional"}}},
        ],
        ids=["memoizable", "predicate", "const", "last", "for each", "optional"],
    )
    def test_is_not_for_a_plan_with_a_step_that(self, extra: dict[str, Any]) -> None:
        bench = FlowBench(step("s0", **{"attributes": {"a0": OUTPUT}, **extra}))
        bench.start("s0", x=[1])

        assert bench.flow.plan.plain is None
