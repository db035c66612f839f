"""Code as data, and what the original does with a clock, luck or threads."""

from collections.abc import Sequence
from typing import Any

from workflows.flows.languages.ale.compiler import (
    SPECIAL,
    Code,
    Env,
    Scope,
    compile_body,
    compile_form,
)
from workflows.flows.languages.ale.library import LIBRARY
from workflows.flows.languages.ale.reader import read
from workflows.flows.languages.ale.special import as_datum
from workflows.flows.languages.ale.values import (
    NULL,
    SEQUENCE_ITEMS_MAX,
    AleError,
    Lazy,
    Symbol,
    type_name,
)


def _read(text: Any) -> Any:
    """Return the first form of a text, as data."""
    if not isinstance(text, str):
        raise AleError(f"interface conversion: {type_name(text)} is not data.String")
    forms = read(text)
    return as_datum(forms[0]) if forms else NULL


def _gensym(parts: Sequence[Any], scope: Scope) -> Code:
    named = compile_form(parts[0], scope) if parts else (lambda _env: "anon")

    def run(env: Env) -> Any:
        env.run.symbols += 1
        return Symbol(f"x-{named(env)}-gensym-{env.run.symbols}")

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
SPECIAL["gensym"] = _gensym
SPECIAL["import"] = _import
SPECIAL["generate"] = _generate
