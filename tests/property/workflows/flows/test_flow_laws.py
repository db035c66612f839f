"""Laws of flows: whatever is planned, and in whatever order results, retries and duplicates come.

A random catalog of HTTP steps (chains, forks, joins, optional inputs, lists, retries,
undo) is run by a random scheduler that delivers, repeats, delays and mixes up results.
"""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.flow_bench import OUTPUT, FlowBench, PythonScripts, optional, requires, step
from workflows.flows.domain import codec, flow_events, snapshot
from workflows.flows.domain import commands as asked
from workflows.flows.domain.errors import FlowInvalid
from workflows.flows.domain.evolution import evolve
from workflows.flows.domain.flow import FlowStatus, WorkStatus
from workflows.flows.domain.reachability import is_needed

NAMES = ["a", "b", "c", "d", "e"]
COLLECT = st.sampled_from(["first", "last", "some", "all", "none"])
ENDLESS = 200


@st.composite
def definitions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw up to six steps; a step only takes what lies before what it gives: no cycles."""
    steps = []
    for index in range(draw(st.integers(1, 6))):
        out = draw(st.integers(0, len(NAMES) - 1))
        attributes: dict[str, Any] = {NAMES[out]: OUTPUT}
        for name in draw(st.lists(st.sampled_from(NAMES[:out]), unique=True)) if out else []:
            config: dict[str, Any] = {"collect": draw(COLLECT)}
            if draw(st.booleans()):
                attributes[name] = requires(**config, for_each=draw(st.booleans()))
            else:
                deadline = draw(st.sampled_from([0, 50, 5000]))
                attributes[name] = optional(**config, deadline=deadline)
        http = {"endpoint": "http://peer"}
        if draw(st.booleans()):
            http["compensate"] = "http://peer/undo"
        work = {
            "max_retries": draw(st.sampled_from([1, 2])),
            "init_backoff": 10,
            "max_backoff": 40,
            "parallelism": draw(st.integers(0, 3)),
        }
        steps.append(step(f"s{index}", attributes=attributes, http=http, work_config=work))
    return steps


def run(bench: FlowBench, data: st.DataObject) -> None:
    """Deliver results, retries, duplicates and stray looks in any order until nothing is open."""
    for _ in range(ENDLESS):
        assert_all_that_is_pending_is_needed(bench)
        todo = [
            (step_id, item)
            for step_id, execution in bench.flow.executions.items()
            for item in execution.in_order()
            if item.status in {WorkStatus.ACTIVE, WorkStatus.COMPENSATING}
            or (item.status == WorkStatus.PENDING and item.next_retry_at is not None)
        ]
        if bench.flow.is_over:
            return
        if not todo or data.draw(st.integers(0, 9)) == 9:
            bench.after(milliseconds=data.draw(st.sampled_from([1, 60, 6000])))
            bench.do(asked.Continue())
            continue
        step_id, item = data.draw(st.sampled_from(todo))
        for command in commands_for(step_id, item, bench, data):
            bench.do(command)
    raise AssertionError(f"still {bench.flow.status}: {bench.names()}")


def commands_for(
    step_id: str, item: Any, bench: FlowBench, data: st.DataObject
) -> list[asked.FlowCommand]:
    at = {"step_id": step_id, "token": item.token}
    if item.status == WorkStatus.PENDING:
        bench.now = max(bench.now, item.next_retry_at)
        return [asked.BeginAttempt(**at)]
    if item.status == WorkStatus.COMPENSATING:
        if item.next_retry_at is not None:
            bench.now = max(bench.now, item.next_retry_at)
            return [asked.BeginCompensation(**at)]
        choice = data.draw(st.integers(0, 3))
        undone = asked.SucceedCompensation(**at)
        answers: list[list[asked.FlowCommand]] = [
            [undone],
            [undone, undone],
            [asked.NotCompleteCompensation(**at, error="busy")],
            [asked.FailCompensation(**at, error="gone")],
        ]
        return answers[choice]
    gives = [name for name, _ in bench.flow.step(step_id).outputs()]
    value = data.draw(st.sampled_from([1, [1, 2], []]))
    outputs = dict.fromkeys(gives, value) if data.draw(st.integers(0, 5)) else {}
    done = asked.SucceedWork(**at, outputs=outputs)
    results: list[list[asked.FlowCommand]] = [
        [done],
        [done, done],
        [done, asked.FailWork(**at, error="too late")],
        [asked.NotCompleteWork(**at, error="busy")],
        [asked.FailWork(**at, error="boom"), done],
    ]
    return results[data.draw(st.integers(0, 4))]


@given(definitions(), st.data())
@settings(max_examples=150, deadline=None)
def test_every_flow_ends_once_and_says_so_last(
    steps: list[dict[str, Any]], data: st.DataObject
) -> None:
    bench = started(steps, data)
    if bench is None:
        return

    run(bench, data)

    names = bench.names()
    assert names[-1] == "flow_deactivated"
    assert names.count("flow_deactivated") == 1
    assert names.count("flow_completed") + names.count("flow_failed") == 1
    outcome = next(i for i, n in enumerate(names) if n in {"flow_completed", "flow_failed"})
    assert not {"step_started", "work_started"} & set(names[outcome:])
    assert_state_is_what_the_events_say(bench, data)
    assert_each_item_ended_once(bench)
    assert_nothing_succeeded_is_left_of_a_failed_step(bench)


def started(steps: list[dict[str, Any]], data: st.DataObject) -> FlowBench | None:
    bench = FlowBench(*steps)
    ids = [definition["id"] for definition in steps]
    goals = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True))
    init = dict.fromkeys(data.draw(st.lists(st.sampled_from(NAMES), unique=True)), 1)
    options = {"compensate": data.draw(st.booleans())}
    try:
        bench.start(*goals, options=options, **init)
    except FlowInvalid:
        return None  # An input is missing: nothing was started.
    return bench


def assert_all_that_is_pending_is_needed(bench: FlowBench) -> None:
    """A decision looks only at those whom its events may concern: it must not overlook one."""
    if not bench.flow.is_terminal:
        pending = list(bench.flow.pending_steps())
        assert [one for one in pending if is_needed(bench.flow, one, PythonScripts())] == pending


def assert_state_is_what_the_events_say(bench: FlowBench, data: st.DataObject) -> None:
    """Fold the stored form of the events, through real JSON and from any cut."""
    nothing = snapshot.not_started(bench.flow.id)
    state = nothing
    for event in bench.events:
        name, stored = codec.encode(bench.flow.id, event)
        again = codec.decode(name, json.loads(json.dumps(stored)), event.at)
        assert again is not None
        state = evolve(state, again)
    assert snapshot.dump(state) == snapshot.dump(bench.flow)

    cut = data.draw(st.integers(0, len(bench.events)))
    earlier = nothing
    for event in bench.events[:cut]:
        earlier = evolve(earlier, event)
    resumed = snapshot.load(json.loads(json.dumps(snapshot.dump(earlier))))
    for event in bench.events[cut:]:
        resumed = evolve(resumed, event)
    assert snapshot.dump(resumed) == snapshot.dump(bench.flow)


def assert_each_item_ended_once(bench: FlowBench) -> None:
    finals = [
        event.token
        for event in bench.events
        if isinstance(event, flow_events.WorkSucceeded | flow_events.WorkFailed)
    ]
    assert len(finals) == len(set(finals))


def assert_nothing_succeeded_is_left_of_a_failed_step(bench: FlowBench) -> None:
    for step_id, execution in bench.flow.executions.items():
        http = bench.flow.step(step_id).http
        if execution.status == "failed" and http is not None and http.compensate:
            assert not execution.count(WorkStatus.SUCCEEDED)


@given(definitions(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_completed_flow_reached_its_goals(
    steps: list[dict[str, Any]], data: st.DataObject
) -> None:
    bench = started(steps, data)
    if bench is None:
        return

    run(bench, data)

    if bench.flow.status == FlowStatus.COMPLETED:
        goals = [bench.flow.executions.get(goal) for goal in bench.flow.plan.goals]
        assert all(goal is None or goal.status in {"completed", "skipped"} for goal in goals)
