"""The limits of a request to start a flow."""

from collections.abc import Mapping, Sequence
from typing import Any

from workflows.flows.domain import ids
from workflows.flows.domain.errors import FlowInvalid
from workflows.flows.domain.plan import Plan

GOALS_MAX = 64
INIT_KEYS_MAX = 128
LABELS_MAX = 32
TIMEOUT_MS_MAX = 366 * 86_400_000
CONCURRENCY_KEY_CHARS_MAX = 200
PLAN_STEPS_MAX = 10_000
"""Of a plan and of those within it. One event has to carry it: a step is 100 bytes or more."""
_TOKEN_CHARS = 36
LEVELS_MAX = ids.CHILD_ID_CHARS_MAX // len(
    ids.child_flow_id(parent="", step="s", token="0" * _TOKEN_CHARS)
)
"""Of child flows, whatever they are called: the id of each has those above it in it."""


def check_start(
    flow_id: str,
    goals: Sequence[str],
    init: Mapping[str, Sequence[Any]],
    labels: Mapping[str, str],
) -> None:
    """Check a request, in the order and with the messages of Argyll.

    :raises FlowInvalid: if a limit is broken.
    """
    broken = (
        (not flow_id, "flow ID empty", "/id"),
        (not ids.is_clean(flow_id), "flow ID contains invalid characters", "/id"),
        (
            len(flow_id.encode()) > ids.FLOW_ID_BYTES_MAX,
            f"flow ID too long: maximum is {ids.FLOW_ID_BYTES_MAX}",
            "/id",
        ),
        (not goals, "at least one goal step is required", "/goals"),
        (len(goals) > GOALS_MAX, f"too many goals: maximum is {GOALS_MAX}", "/goals"),
        (len(init) > INIT_KEYS_MAX, f"too many init keys: maximum is {INIT_KEYS_MAX}", "/init"),
        (len(labels) > LABELS_MAX, f"too many labels: maximum is {LABELS_MAX}", "/labels"),
    )
    for is_broken, message, pointer in broken:
        if is_broken:
            raise FlowInvalid(message, pointer=pointer)


def check_options(options: Mapping[str, Any]) -> None:
    """Check the options of a start, whatever its origin.

    :raises FlowInvalid: if a limit is broken.
    """
    timeout_ms = options.get("timeout_ms")
    if timeout_ms is not None and not 1 <= timeout_ms <= TIMEOUT_MS_MAX:
        raise FlowInvalid(
            f"timeout_ms must be between 1 and {TIMEOUT_MS_MAX}", pointer="/options/timeout_ms"
        )
    if len(options.get("concurrency_key") or "") > CONCURRENCY_KEY_CHARS_MAX:
        raise FlowInvalid(
            f"concurrency_key has at most {CONCURRENCY_KEY_CHARS_MAX} characters",
            pointer="/options/concurrency_key",
        )


def check_size(plan: Plan) -> None:
    """Check that a plan, with those within it, is neither too large nor too deep to be started.

    :raises FlowInvalid: if it is.
    """
    check_levels(plan.levels)
    if plan.steps_in_all > PLAN_STEPS_MAX:
        raise FlowInvalid(
            f"plan too large: {plan.steps_in_all} steps, with those of child flows "
            f"(max {PLAN_STEPS_MAX})",
            pointer="/goals",
        )


def check_levels(levels: int) -> None:
    """Check how many levels of child flows there are below a flow.

    :raises FlowInvalid: if there are too many.
    """
    if levels > LEVELS_MAX:
        raise FlowInvalid(
            f"child flows nest too deep: maximum is {LEVELS_MAX} levels", pointer="/goals"
        )


def check_children(flow_id: str, plan: Plan) -> None:
    """Check, before anything runs, that no nesting makes the id of a child flow too long.

    The id of a child is that of its parent, of the step, and a token.

    :raises FlowInvalid: if the id of some child flow would be too long.
    """
    for step_id, child in plan.children.items():
        child_id = ids.child_flow_id(parent=flow_id, step=step_id, token="0" * _TOKEN_CHARS)
        if len(child_id) > ids.CHILD_ID_CHARS_MAX:
            raise FlowInvalid(
                f"child flows nest too deep: the id of the child of step {step_id} would have "
                f"{len(child_id)} characters: maximum is {ids.CHILD_ID_CHARS_MAX}",
                pointer="/goals",
            )
        check_children(child_id, child)
