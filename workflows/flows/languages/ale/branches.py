"""The forms that choose: by a condition, by clauses, by what a name is bound to."""

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
from workflows.flows.languages.ale.library import is_true
from workflows.flows.languages.ale.reader import Vector
from workflows.flows.languages.ale.special import bindings_of, demand, shown
from workflows.flows.languages.ale.values import NULL, AleError, List, same

_NOTHING = List((NULL,))


def _when(parts: Sequence[Any], scope: Scope) -> Code:
    demand(parts, 1)
    condition, body = compile_form(parts[0], scope), compile_body(parts[1:] or _NOTHING, scope)
    return lambda env: body(env) if is_true(condition(env)) else NULL


def _when_not(parts: Sequence[Any], scope: Scope) -> Code:
    demand(parts, 1)
    condition, body = compile_form(parts[0], scope), compile_body(parts[1:] or _NOTHING, scope)
    return lambda env: NULL if is_true(condition(env)) else body(env)


def _unless(parts: Sequence[Any], scope: Scope) -> Code:
    """An `if` the other way round: what follows first is for a condition that fails."""
    demand(parts, 1, 3)
    condition, then, otherwise, *_ = (*parts, NULL, NULL)
    return SPECIAL["if"]((condition, otherwise, then), scope)


def _cond(parts: Sequence[Any], scope: Scope) -> Code:
    made = [_clause("cond", part, scope) for part in parts]

    def run(env: Env) -> Any:
        for test, branch in made:
            if is_true(test(env)):
                return branch(env)
        return NULL

    return run


def _clause(what: str, form: Any, scope: Scope) -> tuple[Code, Code]:
    test, branch = _parts_of(what, form)
    return compile_form(test, scope), compile_form(branch, scope)


def _parts_of(what: str, form: Any) -> tuple[Any, Any]:
    if not isinstance(form, Vector) or len(form.items) != 2:  # noqa: PLR2004 (test and branch)
        raise AleError(f"invalid {what} clause: {shown(form)}")
    return form.items[0], form.items[1]


def _case(parts: Sequence[Any], scope: Scope) -> Code:
    """A list in place of a value stands for each of its values."""
    demand(parts, 1)
    subject = compile_form(parts[0], scope)
    made = []
    for part in parts[1:]:
        test, branch = _parts_of("case", part)
        values = test if isinstance(test, List) and test else (test,)
        made.append(([compile_form(one, scope) for one in values], compile_form(branch, scope)))

    def run(env: Env) -> Any:
        value = subject(env)
        for values, branch in made:
            if any(same(value, one(env)) for one in values):
                return branch(env)
        raise AleError("no cases could be matched")

    return run


def _if_let(parts: Sequence[Any], scope: Scope) -> Code:
    demand(parts, 2, 3)
    bindings = bindings_of(parts[0])
    if len(bindings) != 1:
        raise AleError(f"invalid if-let binding: {shown(parts[0])}")
    [(name, value)] = bindings
    condition, then = compile_form(value, scope), compile_form(parts[1], scope.plus(name))
    otherwise = compile_form(parts[2], scope) if len(parts) > 2 else (lambda _env: NULL)  # noqa: PLR2004

    def run(env: Env) -> Any:
        found = condition(env)
        return then(env.inner({name: found})) if is_true(found) else otherwise(env)

    return run


SPECIAL |= {
    "when": _when,
    "when-not": _when_not,
    "unless": _unless,
    "cond": _cond,
    "case": _case,
    "if-let": _if_let,
}
