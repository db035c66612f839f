"""Code as data, and what the original does with a clock, randomness or threads."""

from collections.abc import Mapping, Sequence
from typing import Any

from workflows.flows.languages.ale.compiler import (
    SPECIAL,
    Code,
    Env,
    Scope,
    compile_body,
    compile_form,
)
from workflows.flows.languages.ale.library import LIBRARY, named
from workflows.flows.languages.ale.reader import Object, Set, Vector, read
from workflows.flows.languages.ale.special import as_datum, demand
from workflows.flows.languages.ale.values import (
    NULL,
    SEQUENCE_ITEMS_MAX,
    AleError,
    Lazy,
    List,
    Pair,
    Symbol,
    type_name,
    weigh,
)


def _read(text: Any) -> Any:
    """Return the first form of a text, as data."""
    if not isinstance(text, str):
        raise AleError(f"interface conversion: {type_name(text)} is not data.String")
    forms = read(text)
    return as_datum(forms[0]) if forms else NULL


def _as_form(datum: Any) -> Any:
    """Return data as the code that it is."""
    match datum:
        case List():
            return List(_as_form(part) for part in datum)
        case Pair():
            return datum
        case tuple():
            return Vector(tuple(_as_form(part) for part in datum))
        case frozenset():
            return Set(tuple(_as_form(part) for part in datum))
        case Mapping():
            pairs = datum.items()
            return Object(tuple((_as_form(key), _as_form(value)) for key, value in pairs))
        case _:
            return datum


def _eval(parts: Sequence[Any], scope: Scope) -> Code:
    """Evaluate data as code, which sees none of the names around it."""
    if len(parts) != 1:
        raise AleError(f"expected 1 arguments, got {len(parts)}")
    code = compile_form(parts[0], scope)

    def run(env: Env) -> Any:
        env.run.spend()
        datum = code(env)
        weigh(datum)
        return compile_form(_as_form(datum), Scope())(Env(env.run, {}))

    return run


def _access(parts: Sequence[Any], scope: Scope) -> Code:
    """`(: target method ...)`: call what a target has under a name."""
    demand(parts, 2)
    target, *rest = parts
    return compile_form(List((List((Symbol("get"), target, rest[0])), *rest[1:])), scope)


def _declare(_parts: Sequence[Any], _scope: Scope) -> Code:
    return lambda _env: NULL


def _gensym(parts: Sequence[Any], scope: Scope) -> Code:
    prefix = compile_form(parts[0], scope) if parts else (lambda _env: "anon")

    def run(env: Env) -> Any:
        env.run.symbols += 1
        return Symbol(f"x-{named(prefix(env))}-gensym-{env.run.symbols}")

    return run


def _import(parts: Sequence[Any], _scope: Scope) -> Code:
    raise AleError(f"namespace not found: {parts[0] if parts else ''}")


def _generate(parts: Sequence[Any], scope: Scope) -> Code:
    body = compile_body(parts, scope.plus("emit"))

    def run(env: Env) -> Any:
        emitted: list[Any] = []

        def emit(value: Any) -> Any:
            if len(emitted) >= SEQUENCE_ITEMS_MAX:
                raise AleError(f"sequence too long: more than {SEQUENCE_ITEMS_MAX} items")
            emitted.append(value)
            return value

        body(env.inner({"emit": emit}))
        return Lazy(iter(emitted))

    return run


LIBRARY["read"] = _read
SPECIAL["eval"] = _eval
SPECIAL[":"] = _access
SPECIAL["declare"] = SPECIAL["private"] = _declare
SPECIAL["gensym"] = _gensym
SPECIAL["import"] = _import
SPECIAL["generate"] = _generate
