"""The definition of a step: inputs, outputs, and how its work is done.

Beyond Argyll: the types `python`, `approval` and `wait`, and the declared `effect` of an
HTTP step. JSON members that are empty are left out, as the original does; `attributes`
is always there, and empty rather than null, because its own SDK crashes on null.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, TypeAlias

from events.domain.canonical import filled


class StepType(StrEnum):
    SYNC = "sync"
    ASYNC = "async"
    SCRIPT = "script"
    FLOW = "flow"
    PYTHON = "python"
    APPROVAL = "approval"
    WAIT = "wait"


HTTP_TYPES = frozenset({StepType.SYNC, StepType.ASYNC})


DEFAULT_METHOD = "POST"

AWAITING_TYPES = frozenset({StepType.WAIT, StepType.APPROVAL})
"""They have nothing under way outside: when their outcome is no longer needed, they end."""


class Role(StrEnum):
    REQUIRED = "required"
    OPTIONAL = "optional"
    CONST = "const"
    META = "meta"
    OUTPUT = "output"


DEADLINE_MS_MAX = 31_536_000_000
"""A year: no step waits for longer."""

INPUT_ROLES = frozenset({Role.REQUIRED, Role.OPTIONAL})
"""The roles that take part in planning as consumers."""


class Collect(StrEnum):
    """How several values of one attribute become one input."""

    FIRST = "first"
    LAST = "last"
    ALL = "all"
    SOME = "some"
    NONE = "none"


class Effect(StrEnum):
    """What a repeated call of an HTTP step would do, declared by its author."""

    IDEMPOTENT = "idempotent"
    VERIFY = "verify"
    AT_MOST_ONCE = "at_most_once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    language: str
    text: str

    def as_json(self) -> dict[str, Any]:
        return {"language": self.language, "script": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """Another name inside the step, a script over the value, or both."""

    name: str = ""
    script: Script | None = None

    def as_json(self) -> dict[str, Any]:
        return filled(name=self.name, script=self.script and self.script.as_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One declared input or output. `config_keys` are the role objects that came with it."""

    role: str
    type: str = ""
    config_keys: frozenset[str] = frozenset()
    collect: str = ""
    for_each: bool = False
    match: Script | None = None
    mapping: Rename | None = None
    default: str = ""
    deadline_ms: int = 0
    value: str = ""
    key: str = ""

    @property
    def is_input(self) -> bool:
        return self.role in INPUT_ROLES

    @property
    def is_required(self) -> bool:
        return self.role == Role.REQUIRED

    @property
    def is_output(self) -> bool:
        return self.role == Role.OUTPUT

    @property
    def collect_mode(self) -> Collect:
        return _collect_mode(self.collect)

    @property
    def is_plain(self) -> bool:
        """Return whether any value will do, as it is."""
        has_script = self.mapping is not None and self.mapping.script is not None
        return self.role in _PLAIN_ROLES and not (
            self.match or self.for_each or has_script or self.collect_mode != Collect.FIRST
        )

    def inner_name(self, outer: str) -> str:
        """Return the name by which the step itself knows this attribute."""
        return (self.mapping.name if self.mapping else "") or outer

    def as_json(self) -> dict[str, Any]:
        config = filled(
            collect=self.collect,
            for_each=self.for_each,
            match=self.match and self.match.as_json(),
            mapping=self.mapping and self.mapping.as_json(),
            default=self.default,
            deadline=self.deadline_ms,
            value=self.value,
            key=self.key,
        )
        present = {key: config for key in self.config_keys if config or key == self.role}
        return {"role": self.role, **filled(type=self.type), **present}


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """How to call an HTTP step. Times in milliseconds; 0 takes the engine's default."""

    endpoint: str
    method: str = ""
    compensate: str = ""
    health_check: str = ""
    timeout_ms: int = 0
    effect: str = ""
    verify: str = ""
    callback_timeout_ms: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "timeout": self.timeout_ms,
            **filled(
                method=self.method,
                compensate=self.compensate,
                health_check=self.health_check,
                effect=self.effect,
                verify=self.verify,
                callback_timeout=self.callback_timeout_ms,
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkConfig:
    """Retries (of the first attempt; negative is without end), backoff in ms, parallelism."""

    max_retries: int = 0
    init_backoff_ms: int = 0
    max_backoff_ms: int = 0
    backoff_type: str = ""
    parallelism: int = 0

    def merged(self, defaults: "WorkConfig") -> "WorkConfig":
        """Return this with its zero and empty members taken from `defaults`.

        A default never begins above a maximum that was given. Argyll refuses that, although
        its own SDK forgets the beginning of what it read and sends the rest of it back.
        """
        begins_ms = defaults.init_backoff_ms
        if self.max_backoff_ms > 0:
            begins_ms = min(begins_ms, self.max_backoff_ms)
        return WorkConfig(
            max_retries=self.max_retries or defaults.max_retries,
            init_backoff_ms=self.init_backoff_ms or begins_ms,
            max_backoff_ms=self.max_backoff_ms or defaults.max_backoff_ms,
            backoff_type=self.backoff_type or defaults.backoff_type,
            parallelism=self.parallelism,
        )

    def as_json(self) -> dict[str, Any]:
        return filled(
            max_retries=self.max_retries,
            init_backoff=self.init_backoff_ms,
            max_backoff=self.max_backoff_ms,
            backoff_type=self.backoff_type,
            parallelism=self.parallelism,
        )


_PLAIN_TYPES = frozenset({StepType.SYNC, StepType.PYTHON, StepType.SCRIPT})
_PLAIN_ROLES = frozenset({Role.REQUIRED, Role.OUTPUT, Role.META})

Attributes: TypeAlias = tuple[tuple[str, Attribute], ...]


_BINDING_LANGUAGES = frozenset({"ale", "lua"})


def bound(script: Script, names: Iterable[str], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of a script that may name `names`, of which `values` are there.

    Ale and Lua compile a script as a function of all its names: one without a value is null,
    and hides what the language calls so. In documents and in CEL it is simply not there.
    """
    if script.language not in _BINDING_LANGUAGES:
        return values
    return {name: values.get(name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A registered unit of work. `settings` holds the object named after a type of ours."""

    id: str
    name: str
    type: str
    attributes: Mapping[str, Attribute | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    predicate: Script | None = None
    work_config: WorkConfig | None = None
    http: Http | None = None
    script: Script | None = None
    flow_goals: tuple[str, ...] | None = None
    settings: Mapping[str, Any] | None = None
    memoizable: bool = False

    # Asked at every look at every pending step, so found out once.
    _inputs: Attributes = field(init=False, repr=False, compare=False)
    _required: Attributes = field(init=False, repr=False, compare=False)
    _outputs: Attributes = field(init=False, repr=False, compare=False)
    _gates: Attributes = field(init=False, repr=False, compare=False)
    _metas: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        specs = tuple(self._specs())
        required = tuple(one for one in specs if one[1].is_required)
        found = {
            "_inputs": tuple(one for one in specs if one[1].is_input),
            "_required": required,
            "_outputs": tuple(one for one in specs if one[1].is_output),
            "_gates": tuple(one for one in required if one[1].match is not None),
            "_metas": tuple((name, spec.key) for name, spec in specs if spec.role == Role.META),
        }
        for name, attributes in found.items():
            object.__setattr__(self, name, attributes)

    def inputs(self) -> Attributes:
        """Return the required and optional attributes in declared order."""
        return self._inputs

    def required(self) -> Attributes:
        return self._required

    def outputs(self) -> Attributes:
        return self._outputs

    def gates(self) -> Attributes:
        """Return the required attributes that let the step run only for some values."""
        return self._gates

    def metas(self) -> tuple[tuple[str, str], ...]:
        """Return the names of what it is told of itself and its flow, and the keys of that."""
        return self._metas

    @property
    def is_plain(self) -> bool:
        """Return whether it does one thing once, as soon as each required input has any value."""
        return (
            self.type in _PLAIN_TYPES
            and self.predicate is None
            and not self.memoizable
            and len(self._required) == len(self._inputs)
            and all(spec is not None and spec.is_plain for spec in self.attributes.values())
        )

    @property
    def has_compensation(self) -> bool:
        """Return whether it declares a compensation. For a child flow, its own steps do."""
        return bool(self.http and self.http.compensate) or (
            self.type == StepType.PYTHON and bool((self.settings or {}).get("compensate"))
        )

    def parameters(self) -> tuple[str, ...]:
        """Return the sorted inner names that the step's scripts see."""
        names = {
            spec.inner_name(name) if spec.is_input else name
            for name, spec in self._specs()
            if not spec.is_output
        }
        return tuple(sorted(names))

    def names_after_work(self) -> tuple[str, ...]:
        """Return the sorted inner names of outputs and inputs.

        These a script for an output may name: all of them as in Argyll, where only the inputs
        are names, and it is the outputs that have values.
        """
        outputs = (spec.inner_name(name) for name, spec in self.outputs())
        return tuple(sorted({*outputs, *self.parameters()}))

    def seen_by(self, script: Script, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return these inputs, or some of them, as a script of the step sees them."""
        return bound(script, self.parameters(), inputs)

    def _specs(self) -> Iterator[tuple[str, Attribute]]:
        return ((name, spec) for name, spec in self.attributes.items() if spec is not None)

    def is_same_as(self, other: "Step") -> bool:
        """Return whether two definitions are equal: a method that is not named is POST."""
        if self.http is None or other.http is None:
            return self == other
        method = other.http.method or DEFAULT_METHOD
        if (self.http.method or DEFAULT_METHOD) != method:
            return False
        return self == replace(other, http=replace(other.http, method=self.http.method))

    def keeping(self, members: Collection[str], of: "Step") -> "Step":
        """Return this with these fields of `Http` as another definition of it has them.

        Without an address on both sides there is nothing to keep.
        """
        if self.http is None or of.http is None:
            return self
        kept = {name: getattr(of.http, name) for name in members}
        return replace(self, http=replace(self.http, **kept))

    def as_json(self) -> dict[str, Any]:
        attributes = {name: spec and spec.as_json() for name, spec in self.attributes.items()}
        work = self.work_config.as_json() if self.work_config else None
        extension = {self.type: self.settings} if self.settings is not None else {}
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "attributes": attributes,
            **filled(
                labels=dict(self.labels),
                predicate=self.predicate and self.predicate.as_json(),
                http=self.http and self.http.as_json(),
                script=self.script and self.script.as_json(),
                memoizable=self.memoizable,
            ),
            **({"work_config": work} if work is not None else {}),
            **({"flow": {"goals": list(self.flow_goals)}} if self.flow_goals is not None else {}),
            **extension,
        }


@cache
def _collect_mode(collect: str) -> Collect:
    return Collect(collect or Collect.FIRST)
