"""A bench for pure flows: one flow, a clock that is set, and scripts that are Python lambdas."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

from workflows.flows.domain import codec
from workflows.flows.domain import commands as asked
from workflows.flows.domain.catalog import Catalog, StepRegistered
from workflows.flows.domain.catalog import evolve as evolve_catalog
from workflows.flows.domain.decide import decide, decide_at_length
from workflows.flows.domain.effects import Consequences
from workflows.flows.domain.evolution import evolve
from workflows.flows.domain.flow import Execution, Flow, StepStatus, WorkStatus
from workflows.flows.domain.flow_events import FlowEvent
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step import Script, WorkConfig
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.domain.world import ABSENT, Languages, World

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DEFAULTS = WorkConfig(
    max_retries=10, init_backoff_ms=1000, max_backoff_ms=60_000, backoff_type="exponential"
)


class PythonScripts:
    """Scripts whose text is a Python expression over `v` (inputs, a value or outputs)."""

    def execute(self, script: Script, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._run(script, inputs))

    def holds(self, script: Script, inputs: Mapping[str, Any]) -> bool:
        return bool(self._run(script, inputs))

    def matches(self, script: Script, value: Any) -> bool:
        return bool(self._run(script, value))

    def map_input(self, script: Script, inputs: Mapping[str, Any], value: Any) -> Any:
        return self._run(script, value)

    def map_output(self, script: Script, outputs: Mapping[str, Any]) -> Any:
        found = self._run(script, outputs)
        return ABSENT if found is None else found

    def _run(self, script: Script, v: Any) -> Any:
        try:
            return eval(script.text, {}, {"v": v})  # noqa: S307
        except Exception as broken:
            raise ScriptFailed(str(broken)) from broken


def step(id_: str, **extra: Any) -> dict[str, Any]:
    """Return the definition of an HTTP step with the given extras."""
    return {"id": id_, "name": id_, "type": "sync", "http": {"endpoint": "http://peer"}, **extra}


def script(id_: str, text: str, **extra: Any) -> dict[str, Any]:
    """Return the definition of a script step."""
    body = {"language": "lua", "script": text}
    return {"id": id_, "name": id_, "type": "script", "script": body, **extra}


def requires(**config: Any) -> dict[str, Any]:
    return {"role": "required", "required": config}


def optional(**config: Any) -> dict[str, Any]:
    return {"role": "optional", "optional": config}


OUTPUT: dict[str, Any] = {"role": "output"}
UNDO = {"endpoint": "http://peer", "compensate": "http://peer/undo"}
NO_RETRY = {"max_retries": 1, "init_backoff": 1000, "max_backoff": 1000, "backoff_type": "fixed"}


class FlowBench:
    """Drive one flow by commands and look at what happened."""

    def __init__(self, *definitions: dict[str, Any], flow_id: str = "trip") -> None:
        catalog = Catalog()
        for definition in definitions:
            registered = StepRegistered(step=step_from_json(definition), at=NOON)
            catalog = evolve_catalog(catalog, registered)
        self.catalog = catalog
        self.now = NOON
        self.languages: Languages = PythonScripts()
        self.is_healthy: Callable[[Any], bool] = lambda _step: True
        self.remembered: Callable[[Any, Any], Any] = lambda _step, _inputs: None
        self.events: list[FlowEvent] = []
        nothing = Plan(goals=(), steps={}, attributes={})
        self.flow = Flow(id=flow_id, plan=nothing)

    @property
    def world(self) -> World:
        return World(
            at=self.now,
            secret=b"secret of the bench".ljust(32),
            languages=self.languages,
            defaults=DEFAULTS,
            is_healthy=self.is_healthy,
            remembered=self.remembered,
        )

    def start(self, *goals: str, options: Mapping[str, Any] | None = None, **init: Any) -> None:
        """Start the flow; every keyword is one value of the attribute of that name."""
        values = {name: [value] for name, value in init.items()}
        plan = make_plan(self.catalog, goals, values, matches=self.languages.matches)
        self.do(asked.StartFlow(plan=plan, init=values, options=options or {}))

    def do(self, command: asked.FlowCommand) -> list[str]:
        """Carry out a command and return the names of the events it caused."""
        return [codec.NAMES[type(event)] for event in self.consequences(command)]

    def consequences(self, command: asked.FlowCommand) -> Consequences:
        """Carry out a command and return all that it comes to."""
        raised = decide(self.flow, command, self.world)
        if raised.after.plan.plain is not None:
            at_length = decide_at_length(self.flow, command, self.world)
            assert (raised, raised.after, raised.effects) == (
                at_length,
                at_length.after,
                at_length.effects,
            ), "plain plans have no own rules"
        folded = reduce(evolve, raised, self.flow)
        assert raised.after == folded, "the state that was decided on is what the events say"
        self.flow = raised.after
        self.events.extend(raised)
        return raised

    def after(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def execution(self, step_id: str) -> Execution:
        return self.flow.executions[step_id]

    def status(self, step_id: str) -> StepStatus:
        return self.execution(step_id).status

    def token(self, step_id: str, index: int = 0) -> str:
        return self.execution(step_id).order[index]

    def tokens(self, step_id: str, status: WorkStatus) -> Sequence[str]:
        items = self.execution(step_id).in_order()
        return [item.token for item in items if item.status == status]

    def succeed(self, step_id: str, index: int = 0, **outputs: Any) -> list[str]:
        token = self.token(step_id, index)
        return self.do(asked.SucceedWork(step_id=step_id, token=token, outputs=outputs))

    def fail(self, step_id: str, index: int = 0, error: str = "boom") -> list[str]:
        token = self.token(step_id, index)
        return self.do(asked.FailWork(step_id=step_id, token=token, error=error))

    def not_complete(self, step_id: str, index: int = 0, error: str = "busy") -> list[str]:
        token = self.token(step_id, index)
        return self.do(asked.NotCompleteWork(step_id=step_id, token=token, error=error))

    def names(self) -> list[str]:
        return [codec.NAMES[type(event)] for event in self.events]

    def count(self, name: str) -> int:
        return self.names().count(name)


def each(parallelism: int = 1, **extra: object) -> FlowBench:
    """Return a bench whose step `work` runs once per element of `list`, and can be undone."""
    return FlowBench(
        step(
            "work",
            http=UNDO,
            attributes={"list": requires(for_each=True), "done": OUTPUT},
            work_config={"parallelism": parallelism},
            **extra,
        )
    )
