"""Forms that are shorthands for others: threads with conditions, bindings, templates."""

from collections.abc import Callable, Sequence
from typing import Any

from workflows.flows.languages.ale.compiler import SPECIAL, Code, Env, Scope, compile_form
from workflows.flows.languages.ale.library import is_true
from workflows.flows.languages.ale.reader import Object, Set, Vector
from workflows.flows.languages.ale.values import (
    NULL,
    AleError,
    List,
    Symbol,
    first_counts,
    items_of,
    set_of,
)

_UNQUOTE, _SPLICES = Symbol("unquote"), (Symbol("splice"), Symbol("unquote-splicing"))
_PLACE = Symbol("threaded value")
"""A name that no program can write."""


def _when_let(parts: Sequence[Any], scope: Scope) -> Code:
    body = List((Symbol("begin"), *parts[1:]))
    return SPECIAL["if-let"]((parts[0], body, NULL), scope)


def _for_each(parts: Sequence[Any], scope: Scope) -> Code:
    return compile_form(List((Symbol("last!"), List((Symbol("for"), *parts)))), scope)


def _negated(name: str) -> Callable[[Sequence[Any], Scope], Code]:
    return lambda parts, scope: compile_form(
        List((Symbol("not"), List((Symbol(name), *parts)))), scope
    )


def _thunk(parts: Sequence[Any], scope: Scope) -> Code:
    return SPECIAL["lambda"]((NULL, *parts), scope)


def _some_last(parts: Sequence[Any], scope: Scope) -> Code:
    start = compile_form(parts[0], scope)
    inner = scope.plus(str(_PLACE))
    steps = [SPECIAL["->>"]((_PLACE, step), inner) for step in parts[1:]]

    def run(env: Env) -> Any:
        value = start(env)
        for step in steps:
            if value == NULL:
                return NULL
            value = step(env.inner({str(_PLACE): value}))
        return value

    return run


def _conditional(thread: str) -> Callable[[Sequence[Any], Scope], Code]:
    """`cond->` and `cond->>`: pairs of a test and a step, the value threaded through both."""

    def form(parts: Sequence[Any], scope: Scope) -> Code:
        start, pairs = compile_form(parts[0], scope), [_pair(part) for part in parts[1:]]
        inner = scope.plus(str(_PLACE))
        made = [
            (_tested(test, inner, thread), SPECIAL[thread]((_PLACE, step), inner))
            for test, step in pairs
        ]

        def run(env: Env) -> Any:
            value = start(env)
            for test, step in made:
                placed = env.inner({str(_PLACE): value})
                if is_true(test(placed)):
                    value = step(placed)
            return value

        return run

    return form


def _tested(test: Any, scope: Scope, thread: str) -> Code:
    """Return the condition: what a constant is said to be of the value, is so of any."""
    if isinstance(test, List | Symbol) and test:
        return SPECIAL[thread]((_PLACE, test), scope)
    return compile_form(test, scope)


def _pair(form: Any) -> tuple[Any, Any]:
    if not isinstance(form, Vector) or len(form.items) != 2:  # noqa: PLR2004 (test and step)
        raise AleError("clause must be a vector of test and step")
    return form.items[0], form.items[1]


def _quasi_quote(parts: Sequence[Any], scope: Scope) -> Code:
    return _template(parts[0], scope)


def _template(form: Any, scope: Scope) -> Code:
    """Return what makes a datum of `form`, with its unquoted parts evaluated."""
    match form:
        case List() if form and form[0] == _UNQUOTE:
            return compile_form(form[1], scope)
        case List() if form:
            return _filled(list(form), scope, List)
        case Vector(items=items):
            return _filled(list(items), scope, tuple)
        case Set(items=items):
            return _filled(list(items), scope, set_of)
        case Object(pairs=pairs):
            made = [(_template(key, scope), _template(value, scope)) for key, value in pairs]
            return lambda env: first_counts((key(env), value(env)) for key, value in made)
        case _:
            return lambda _env: form


def _filled(forms: Sequence[Any], scope: Scope, build: Callable[[Any], Any]) -> Code:
    made = [
        (compile_form(form[1], scope), True) if _splices(form) else (_template(form, scope), False)
        for form in forms
    ]

    def run(env: Env) -> Any:
        items: list[Any] = []
        for code, is_spliced in made:
            items.extend(items_of(code(env)) if is_spliced else (code(env),))
        return build(items)

    return run


def _splices(form: Any) -> bool:
    return isinstance(form, List) and bool(form) and form[0] in _SPLICES


SPECIAL |= {
    "when-let": _when_let,
    "for-each": _for_each,
    "!and": _negated("and"),
    "!or": _negated("or"),
    "thunk": _thunk,
    "some->>": _some_last,
    "cond->": _conditional("->"),
    "cond->>": _conditional("->>"),
    "quasi-quote": _quasi_quote,
    "syntax-quote": _quasi_quote,
}
