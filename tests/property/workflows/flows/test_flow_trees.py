"""Laws of flows within flows: who asks for compensation gets all of it, to any depth.

A random tree of flows (chains, lists, steps that can and cannot be undone) is run by a random
scheduler, which may cancel the root at any time; every row of work may be done twice.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.flow_bench import OUTPUT, FlowBench, requires, step
from tests.support.flow_tree import ROOT, FlowTree, Row
from workflows.flows.domain import codec
from workflows.flows.domain import commands as asked
from workflows.flows.domain.decide import FlowSettled
from workflows.flows.domain.flow import PARENT, FlowStatus, StepStatus, WorkStatus

LEVELS = 3
ENDLESS = 400
OURS = {"flow_released", "flow_compensation_started", "child_released", "child_deactivated"}


def name_of(level: int, index: int) -> str:
    return f"s{level}{index}"


@st.composite
def definitions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw two or three steps for each level; those above the lowest may be flows of the next."""
    drawn = []
    sizes = [draw(st.integers(1, 3)) for _ in range(LEVELS)]
    for level, size in enumerate(sizes):
        for index in range(size):
            name = name_of(level, index)
            attributes: dict[str, Any] = {f"o_{name}": OUTPUT}
            if index and draw(st.integers(0, 3)):
                attributes[f"o_{name_of(level, index - 1)}"] = requires()
            if draw(st.integers(0, 3)) == 0:
                attributes["list"] = requires(for_each=True)
            if level + 1 < LEVELS and draw(st.booleans()):
                drawn.append(nesting(draw, level, name, attributes, sizes[level + 1]))
                continue
            http = {"endpoint": "http://peer"}
            if draw(st.integers(0, 3)):
                http["compensate"] = "http://peer/undo"
            drawn.append(step(name, attributes=attributes, http=http, work_config=work(draw)))
    return drawn


def nesting(
    draw: st.DrawFn, level: int, name: str, attributes: dict[str, Any], below: int
) -> dict[str, Any]:
    goals = [name_of(level + 1, index) for index in range(below)]
    # A goal that is not asked for gives nothing: then the step lacks what it declares.
    goal = draw(st.sampled_from(goals))
    given_by = {"role": "output", "output": {"mapping": {"name": f"o_{goal}"}}}
    attributes = {**attributes, f"o_{name}": given_by}
    attributes.setdefault("list", requires())
    asked_for = draw(st.lists(st.sampled_from(goals), min_size=1, max_size=2, unique=True))
    flow = {"goals": asked_for}
    body = {"id": name, "name": name, "type": "flow", "flow": flow, "attributes": attributes}
    return {**body, "work_config": work(draw)}


def work(draw: st.DrawFn) -> dict[str, Any]:
    parallelism = draw(st.integers(1, 2))
    return {"max_retries": 1, "init_backoff": 10, "max_backoff": 10, "parallelism": parallelism}


def run(tree: FlowTree, data: st.DataObject) -> bool:
    """Do what is in the bag in any order until it is empty; tell whether the root was cancelled."""
    is_cancelled = False
    for _ in range(ENDLESS):
        if not tree.bag:
            return is_cancelled
        if not is_cancelled and data.draw(st.integers(0, 25)) == 25:
            is_cancelled = cancel(tree, data)
        index = data.draw(st.integers(0, len(tree.bag) - 1))
        row = tree.bag.pop(index)
        if tree.is_for_a_peer(row):
            answer(tree, row, data)
        elif not tree.work_off(row):
            tree.bag.append(row)
        elif data.draw(st.integers(0, 9)) == 9:
            tree.work_off(row)
    raise AssertionError(f"it does not end: {[str(row.effect) for row in tree.bag]}")


def cancel(tree: FlowTree, data: st.DataObject) -> bool:
    command = asked.CancelFlow(reason="enough", compensates=data.draw(st.booleans()))
    try:
        tree.do(ROOT, command)
    except FlowSettled:
        return False
    return True


def answer(tree: FlowTree, row: Row, data: st.DataObject) -> None:
    item, flow = tree.item(row), tree.flows[row.flow_id]
    at: dict[str, Any] = {"step_id": row.effect.step_id, "token": row.effect.token}
    if item.next_retry_at is not None:
        tree.bench.now = max(tree.bench.now, item.next_retry_at)
        if item.status == WorkStatus.COMPENSATING:
            tree.do(row.flow_id, asked.BeginCompensation(**at))
        elif item.status == WorkStatus.PENDING:
            tree.do(row.flow_id, asked.BeginAttempt(**at))
            if not flow.is_terminal and tree.item(row).status == WorkStatus.PENDING:
                tree.bag.append(row)  # There is no room yet.
    elif item.status == WorkStatus.COMPENSATING:
        choices: list[asked.FlowCommand] = [
            asked.SucceedCompensation(**at),
            asked.SucceedCompensation(**at),
            asked.NotCompleteCompensation(**at, error="busy"),
            asked.FailCompensation(**at, error="gone"),
        ]
        tree.do(row.flow_id, data.draw(st.sampled_from(choices)))
    else:
        gives = {name: [1, 2] for name, _ in flow.step(row.effect.step_id).outputs()}
        results: list[asked.FlowCommand] = [asked.SucceedWork(**at, outputs=gives)] * 8
        results += [
            asked.NotCompleteWork(**at, error="busy"),
            asked.FailWork(**at, error="boom"),
        ]
        tree.do(row.flow_id, data.draw(st.sampled_from(results)))


@given(definitions(), st.data())
@settings(max_examples=120, deadline=None)
def test_all_that_a_tree_of_flows_did_is_undone_or_none_of_it_and_all_end(
    steps: list[dict[str, Any]], data: st.DataObject
) -> None:
    tree = FlowTree(FlowBench(*steps))
    goals = [definition["id"] for definition in steps if definition["id"].startswith("s0")]
    asks = data.draw(st.sampled_from([True, True, True, False]))
    tree.start(*goals, compensate=asks, list=[1, 2])

    is_cancelled = run(tree, data)

    assert_each_ended_last_and_after_its_children(tree)
    root = tree.flows[ROOT]
    if root.is_to_be_undone and asks:
        assert_nothing_that_can_be_undone_is_left(tree)
        assert_undone_in_reverse_order(tree)
    if root.status == FlowStatus.COMPLETED:
        assert_what_completed_steps_did_stays(tree, ROOT)
    if not asks:
        assert not OURS & {codec.NAMES[type(event)] for _, event in tree.log}
        if not is_cancelled:
            assert not any(flow.is_cancelled for flow in tree.flows.values())


def assert_each_ended_last_and_after_its_children(tree: FlowTree) -> None:
    ended = [flow_id for flow_id, event in tree.log if codec.NAMES[type(event)] == DEACTIVATED]
    assert sorted(ended) == sorted(tree.flows), [
        (flow.id, flow.status) for flow in tree.flows.values() if not flow.is_over
    ]
    for flow_id, flow in tree.flows.items():
        assert tree.names(flow_id)[-1] == DEACTIVATED
        if PARENT in flow.metadata:
            assert ended.index(flow_id) < ended.index(flow.metadata[PARENT])


DEACTIVATED = "flow_deactivated"


def assert_nothing_that_can_be_undone_is_left(tree: FlowTree) -> None:
    for flow in tree.flows.values():
        for step_id, execution in flow.executions.items():
            if flow.step(step_id).has_compensation:
                assert not execution.count(WorkStatus.SUCCEEDED), (flow.id, step_id)


def assert_undone_in_reverse_order(tree: FlowTree) -> None:
    """What a step needs is undone after all that the step did, at any depth."""
    for flow in tree.flows.values():
        for later in flow.plan.steps:
            for earlier in flow.plan.feeding[later]:
                after = undoing_under(tree, flow.id, later)
                before = undoing_under(tree, flow.id, earlier)
                assert not after or not before or after[-1] < before[0], (flow.id, earlier, later)


def undoing_under(tree: FlowTree, flow_id: str, step_id: str) -> list[int]:
    """Return where in the log something that a step did, or its child flows, is being undone."""
    below = f"{flow_id}:{step_id}:"
    return [
        index
        for index, (one, event) in enumerate(tree.log)
        if codec.NAMES[type(event)].startswith("comp_")
        and (one.startswith(below) or (one == flow_id and getattr(event, "step_id", "") == step_id))
    ]


def assert_what_completed_steps_did_stays(tree: FlowTree, flow_id: str) -> None:
    flow = tree.flows[flow_id]
    for step_id, execution in flow.executions.items():
        if execution.status != StepStatus.COMPLETED:
            continue
        for item in execution.in_order():
            assert item.status == WorkStatus.SUCCEEDED
            if (child := f"{flow_id}:{step_id}:{item.token}") in tree.flows:
                assert_what_completed_steps_did_stays(tree, child)
