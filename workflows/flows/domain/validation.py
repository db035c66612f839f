"""Validates step definitions, in the order and with the messages of Argyll.

Compiling is a port: `compile_script(script, parameters)` raises `ScriptBroken` with the
message of the language, so that this module needs none of the languages.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from events.domain.json_pointer import pointer_to
from workflows.flows.domain import decoder, ids, own_types, value_types
from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.step import (
    DEADLINE_MS_MAX,
    HTTP_TYPES,
    Attribute,
    Collect,
    Effect,
    Http,
    Role,
    Script,
    Step,
    StepType,
    WorkConfig,
)

CompileScript = Callable[[Script, tuple[str, ...]], None]

METHODS = frozenset({"", "GET", "POST", "PUT", "DELETE"})
BACKOFF_TYPES = frozenset({"", "fixed", "linear", "exponential"})
STEP_LANGUAGES = frozenset({"ale", "lua", "cel"})

_TYPES = frozenset(StepType)
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_ROLE_CONFIGS = frozenset(role.value for role in Role)


class ScriptBroken(Exception):
    """A script does not compile; the message is its language's own."""


def validate(step: Step, *, compile_script: CompileScript) -> None:
    """Check everything about a step that does not need the catalog.

    :raises StepInvalid: with the message of the first broken rule.
    """
    if not step.id:
        raise StepInvalid("step ID empty", pointer="/id")
    # No form could name a step with a blank in its id: ids stand there between blanks.
    if not ids.is_clean(step.id) or " " in step.id:
        raise StepInvalid("step ID contains invalid characters", pointer="/id")
    if len(step.id.encode()) > ids.STEP_ID_BYTES_MAX:
        raise StepInvalid(f"step ID too long: maximum is {ids.STEP_ID_BYTES_MAX}", pointer="/id")
    if not step.name:
        raise StepInvalid("step name empty", pointer="/name")
    _check_type(step)
    for name, spec in step.attributes.items():
        _check_attribute(name, spec)
    _check_mapped_names(step)
    _check_work_config(step.work_config or WorkConfig())
    _compile_mappings(step, compile_script)
    _compile_conditions(step, compile_script)
    if condition := own_types.condition_of(step):
        _compile(condition, ("value",), compile_script, pointer="/wait/filter")
    if step.type not in _TYPES:
        # Argyll asks the handler of a type last: it knows its own types no sooner.
        raise StepInvalid(f"invalid step type: {step.type}", pointer="/type")
    if step.script is not None:
        _compile(step.script, step.parameters(), compile_script, pointer="/script/script")


def _check_type(step: Step) -> None:
    if step.type in HTTP_TYPES:
        _check_http_step(step)
    elif step.type == StepType.SCRIPT:
        _check_script_step(step)
    elif step.type == StepType.FLOW:
        _check_flow_step(step)
    elif step.type in _TYPES:
        _check_own_step(step)


def _check_http_step(step: Step) -> None:
    if step.http is None:
        raise StepInvalid("http required", pointer="/http")
    _forbid(step, flow=True, script=True)
    if not step.http.endpoint:
        raise StepInvalid("step endpoint empty", pointer="/http/endpoint")
    if step.http.method not in METHODS:
        raise StepInvalid(f"invalid HTTP method: {step.http.method}", pointer="/http/method")
    if step.http.compensate and step.memoizable:
        raise StepInvalid("compensate not allowed for memoizable steps", pointer="/http/compensate")
    _check_effect(step.http)
    if not 0 <= step.http.callback_timeout_ms <= DEADLINE_MS_MAX:
        raise StepInvalid(
            f"callback_timeout must be between 0 and {DEADLINE_MS_MAX}",
            pointer="/http/callback_timeout",
        )
    _check_placeholders(step, step.http)


def _check_effect(http: Http) -> None:
    if http.effect and http.effect not in set(Effect):
        raise StepInvalid(f"invalid effect: {http.effect}", pointer="/http/effect")
    if http.effect == Effect.VERIFY and not http.verify:
        raise StepInvalid("verify URL required for effect verify", pointer="/http/verify")


def _check_placeholders(step: Step, http: Http) -> None:
    required = {spec.inner_name(name) for name, spec in step.required()}
    for name in _PLACEHOLDER.findall(http.endpoint):
        if name not in required:
            raise StepInvalid(f'URL contains unknown parameter: "{name}"', pointer="/http/endpoint")
    consts = {name for name, spec in step.attributes.items() if spec and spec.role == Role.CONST}
    for name in _PLACEHOLDER.findall(http.verify):
        # What may be missing would leave nothing to look up by.
        if name not in required | consts:
            raise StepInvalid(
                f'verify URL contains unknown parameter: "{name}"', pointer="/http/verify"
            )
    known = {
        spec.inner_name(name)
        for name, spec in step.attributes.items()
        if spec is not None and (spec.is_input or spec.is_output)
    }
    for name in _PLACEHOLDER.findall(http.compensate):
        if name not in known:
            raise StepInvalid(
                f'compensate URL contains unknown parameter: "{name}"', pointer="/http/compensate"
            )


def _check_script_step(step: Step) -> None:
    if step.script is None:
        raise StepInvalid("script required", pointer="/script")
    _forbid(step, http=True, flow=True)
    if not step.script.language:
        raise StepInvalid("script language empty", pointer="/script/language")
    if step.script.language not in STEP_LANGUAGES:
        raise StepInvalid(
            f"invalid script language: {step.script.language}", pointer="/script/language"
        )
    if not step.script.text:
        raise StepInvalid("script empty", pointer="/script/script")


def _check_flow_step(step: Step) -> None:
    if step.flow_goals is None:
        raise StepInvalid("flow required", pointer="/flow")
    _forbid(step, http=True, script=True)
    if not step.flow_goals:
        raise StepInvalid("flow goals required", pointer="/flow/goals")


def _check_own_step(step: Step) -> None:
    _forbid(step, http=True, script=True, flow=True)
    own_types.check(step)


def _forbid(step: Step, *, http: bool = False, script: bool = False, flow: bool = False) -> None:
    present = {
        "http": http and step.http is not None,
        "flow": flow and step.flow_goals is not None,
        "script": script and step.script is not None,
    }
    for name, is_there in present.items():
        if is_there:
            raise StepInvalid(f"{name} not allowed for step type", pointer=f"/{name}")


def _check_attribute(name: str, spec: Attribute | None) -> None:
    at = pointer_to("attributes", name)
    if not name:
        raise StepInvalid("argument name empty", pointer="/attributes")
    if spec is None:
        raise StepInvalid("attribute has nil definition", pointer=at)
    if spec.role not in _ROLE_CONFIGS:
        raise StepInvalid(f'invalid attribute role: {spec.role} for attribute "{name}"', pointer=at)
    if spec.type not in value_types.ATTRIBUTE_TYPES:
        raise StepInvalid(f'invalid attribute type: {spec.type} for attribute "{name}"', pointer=at)
    if spec.config_keys - {spec.role}:
        raise StepInvalid(f'config type does not match attribute role: "{name}"', pointer=at)
    for reason in _broken_rules(spec):
        raise StepInvalid(f'{reason} for attribute "{name}"', pointer=at)
    if spec.mapping is not None and not spec.mapping.name and spec.mapping.script is None:
        raise StepInvalid(f'invalid attribute mapping: "{name}"', pointer=at)


def _broken_rules(spec: Attribute) -> Iterator[str]:
    """Yield what is wrong with the role's own settings, the first first."""
    if spec.for_each and spec.type not in {"", "array", "any"}:
        yield f"for_each processing requires an array attribute type: type {spec.type}"
    if spec.collect and spec.collect not in set(Collect):
        yield f"invalid input collect: {spec.collect}"
    if not 0 <= spec.deadline_ms <= DEADLINE_MS_MAX:
        yield f"deadline must be between 0 and 1 year in milliseconds: deadline {spec.deadline_ms}"
    if spec.role == Role.CONST and not spec.value:
        yield "const value required for const attribute: const"
    if spec.role == Role.META and not spec.key:
        yield "meta key required for meta attribute: meta"


def _check_literal(name: str, spec: Attribute) -> None:
    text = spec.value or spec.default
    if not text or not spec.type:
        return
    reason = _literal_fault(text, spec.type)
    if reason:
        raise StepInvalid(
            f'invalid default value for type for attribute "{name}": {reason}',
            pointer=pointer_to("attributes", name),
        )


def _literal_fault(text: str, type_: str) -> str | None:
    try:
        value = decoder.only_value(text.encode(errors="replace"))
    except decoder.Undecodable:
        return "must be valid JSON"
    return value_types.fault(value, type_) or None


def _check_mapped_names(step: Step) -> None:
    for name, spec in step.attributes.items():
        if spec is not None:
            _check_literal(name, spec)
    for side in (step.inputs(), step.outputs()):
        names = Counter(spec.mapping.name for _, spec in side if spec.mapping and spec.mapping.name)
        for name, count in names.items():
            if count > 1:
                raise StepInvalid(
                    f'duplicate mapped parameter name: "{name}"', pointer="/attributes"
                )


def _check_work_config(work: WorkConfig) -> None:
    if work.parallelism < 0:
        raise StepInvalid("parallelism cannot be negative", pointer="/work_config/parallelism")
    if work.init_backoff_ms < 0:
        raise StepInvalid("backoff cannot be negative", pointer="/work_config/init_backoff")
    if work.max_backoff_ms and work.max_backoff_ms < work.init_backoff_ms:
        raise StepInvalid("max_backoff must be >= backoff", pointer="/work_config/max_backoff")
    if work.backoff_type not in BACKOFF_TYPES:
        raise StepInvalid("invalid backoff type", pointer="/work_config/backoff_type")


def _compile_mappings(step: Step, compile_script: CompileScript) -> None:
    for name, spec in step.attributes.items():
        if spec is None or spec.mapping is None or spec.mapping.script is None:
            continue
        script = spec.mapping.script
        try:
            names = step.names_after_work() if spec.is_output else step.parameters()
            compile_script(script, names)
        except ScriptBroken as broken:
            raise StepInvalid(
                f'invalid attribute mapping for attribute "{name}": invalid mapping: {script.text}',
                pointer=pointer_to("attributes", name),
            ) from broken


def _compile_conditions(step: Step, compile_script: CompileScript) -> None:
    if step.predicate is not None:
        if not step.predicate.text:
            raise StepInvalid("script empty", pointer="/predicate/script")
        _compile(step.predicate, step.parameters(), compile_script, pointer="/predicate")
    for name, spec in step.gates():
        if spec.match is None:
            continue
        try:
            compile_script(spec.match, ("value",))
        except ScriptBroken as broken:
            raise StepInvalid(
                f'invalid script language for attribute "{name}": {broken}',
                pointer=pointer_to("attributes", name),
            ) from broken


def _compile(
    script: Script, parameters: Iterable[str], compile_script: CompileScript, *, pointer: str
) -> None:
    try:
        compile_script(script, tuple(parameters))
    except ScriptBroken as broken:
        raise StepInvalid(str(broken), pointer=pointer) from broken
