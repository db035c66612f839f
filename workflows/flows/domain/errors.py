"""The errors of flows. Those that Argyll's clients see have Argyll's messages."""

from events.domain.errors import Conflict, NotFound, Rejected


class MalformedRequest(Rejected):
    """The body is not JSON of the expected types."""

    code = "malformed_request"
    hint = "Compare the body with the schema at /api/schema/."

    def __init__(self, reason: str, *, pointer: str | None = None) -> None:
        super().__init__(f"invalid JSON request: {reason}", pointer=pointer)


class StepInvalid(Rejected):
    """A step definition breaks one of the rules of `domain/validation.py`."""

    code = "step_invalid"
    hint = "Correct the definition; nothing was registered."

    def __init__(self, reason: str, *, pointer: str | None = None) -> None:
        super().__init__(reason, pointer=pointer)


class StepUnknown(NotFound):
    code = "step_not_found"
    hint = "List the registered steps to see what there is."

    def __init__(self, step_id: str) -> None:
        super().__init__(f"step not found: {step_id}", step_id=step_id)


class StepNotInFlow(NotFound):
    code = "step_not_in_flow"
    hint = "Show the flow: its plan names its steps."

    def __init__(self, flow_id: str, step_id: str) -> None:
        super().__init__(
            f"step {step_id} is not in the plan of flow {flow_id}", flow_id=flow_id, step_id=step_id
        )


class StepExists(Conflict):
    code = "step_exists"
    hint = "Update the step instead, or register the new definition under another id."

    def __init__(self, step_id: str) -> None:
        super().__init__(f"step exists: {step_id}", step_id=step_id)


class GoalsUnknown(NotFound):
    """Some goal is not in the catalog. The message shows all goals, as the original does."""

    code = "goals_not_found"
    hint = "Every goal must be the id of a registered step."

    def __init__(self, goals: tuple[str, ...]) -> None:
        super().__init__(f"step not found: [{' '.join(goals)}]", goals=list(goals))


class ChildGoalsUnknown(GoalsUnknown):
    """A goal of a child flow is not in the catalog. `asked` are the goals of the request:
    the original names those, so its clients are told so."""

    code = "child_goals_not_found"
    hint = "Register what is missing, or change the goals of the flow step."

    def __init__(self, step_id: str, missing: tuple[str, ...], *, asked: tuple[str, ...]) -> None:
        super().__init__(asked)
        self.asked = asked
        self.args = (f"step {step_id} is a flow to reach {', '.join(missing)}: not registered",)
        self.facts |= {"step_id": step_id, "missing": list(missing)}


class PlanCircular(Rejected):
    code = "plan_circular"
    hint = "A flow step must not reach itself through the goals of its child flows."

    def __init__(self, step_id: str) -> None:
        super().__init__(f"circular dependency detected: step {step_id}", step_id=step_id)


class FlowInvalid(Rejected):
    """A request to start a flow breaks a limit or lacks something."""

    code = "flow_invalid"
    hint = "Nothing was started."


class InputsMissing(FlowInvalid):
    code = "inputs_missing"
    hint = "Supply the named attributes in init; a plan preview lists them beforehand."

    def __init__(self, names: tuple[str, ...], *, pointer: str | None = None) -> None:
        super().__init__(
            f"required inputs not provided: [{' '.join(names)}]",
            names=list(names),
            pointer=pointer,
        )


class FlowExists(Conflict):
    code = "flow_exists"
    hint = "Repeat the original goals and init to get the same answer, or choose another id."

    def __init__(self, flow_id: str) -> None:
        super().__init__(f"flow exists with different plan or init: {flow_id}", flow_id=flow_id)


class FlowUnknown(NotFound):
    code = "flow_not_found"

    def __init__(self, flow_id: str) -> None:
        super().__init__(f"flow not found: {flow_id}", flow_id=flow_id)


class SequenceNotReached(NotFound):
    code = "sequence_not_reached"
    hint = "Leave out `at` to see the current state and its sequence."

    def __init__(self, flow_id: str, *, at: int, head: int) -> None:
        super().__init__(
            f"flow {flow_id} has {head} events, not yet {at}", flow_id=flow_id, sequence=head
        )


class FlowBusy(Conflict):
    code = "flow_busy"
    hint = "Wait until the other flow has ended, or cancel it; its page says what keeps it."

    def __init__(self, key: str, *, flow_id: str = "") -> None:
        super().__init__(
            f"A flow with the concurrency key {key} is active{f': {flow_id}' if flow_id else ''}.",
            key=key,
            **({"flow_id": flow_id} if flow_id else {}),
        )
