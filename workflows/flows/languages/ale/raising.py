"""Errors of a program's own: raised, caught by what they are like, cleaned up after."""

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
from workflows.flows.languages.ale.library import LIBRARY, call, is_true
from workflows.flows.languages.ale.reader import Vector
from workflows.flows.languages.ale.values import NULL, AleError, List, Raised, Symbol, printed

_BINDING = 2


def _raise(parts: Sequence[Any], scope: Scope) -> Code:
    values = [compile_form(part, scope) for part in parts]

    def run(env: Env) -> Any:
        raise Raised("".join(printed(value(env), quoted=False) for value in values))

    return run


def _try(parts: Sequence[Any], scope: Scope) -> Code:
    plain = [part for part in parts if not _is_clause(part, "catch", "finally")]
    catches = [_caught(part, scope) for part in parts if _is_clause(part, "catch")]
    lasts = [compile_body(part[1:], scope) for part in parts if _is_clause(part, "finally")]
    body = compile_body(plain, scope) if plain else (lambda _env: NULL)

    def run(env: Env) -> Any:
        try:
            return body(env)
        except AleError as error:
            for name, is_meant, handler in catches:
                inner = env.inner({name: str(error)})
                if is_true(is_meant(inner)):
                    return handler(inner)
            raise
        finally:
            for last in lasts:
                last(env)

    return run


def _caught(clause: List, scope: Scope) -> tuple[str, Code, Code]:
    """Read `(catch [name predicate] ...)`, or with a name alone for whatever there is."""
    binding = clause[1].items if isinstance(clause[1], Vector) else (clause[1],)
    name, inner = binding[0], scope.plus(str(binding[0]))
    if len(binding) == _BINDING:
        test = binding[1] if isinstance(binding[1], List) else List((binding[1],))
        is_meant = compile_form(List((test[0], Symbol(name), *test[1:])), inner)
    else:
        is_meant = _always
    return str(name), is_meant, compile_body(clause[2:] or (NULL,), inner)


def _always(_env: Env) -> Any:
    return True


def _is_clause(form: Any, *heads: str) -> bool:
    return isinstance(form, List) and len(form) > 1 and str(form[0]) in heads


def _recover(body: Any, rescue: Any) -> Any:
    """Call the body, and give what it raises to the rescue."""
    try:
        return call(body)
    except AleError as error:
        return call(rescue, str(error))


def _defer(body: Any, cleanup: Any) -> Any:
    try:
        return call(body)
    finally:
        call(cleanup)


LIBRARY.update({"recover": _recover, "defer*": _defer})
SPECIAL |= {"try": _try, "raise": _raise}
