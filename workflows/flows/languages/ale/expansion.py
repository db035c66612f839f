"""`macroexpand-1`: what the original's shorthands stand for, as data.

Here they are forms of the compiler; this says the one step that the original would make.
Names of its library are written with their namespace, as it writes them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from workflows.flows.languages.ale.compiler import SPECIAL, Code, Scope, compile_form
from workflows.flows.languages.ale.values import NULL, List, Symbol

Expand = Callable[[Sequence[Any]], Any]


def _named(name: str) -> Symbol:
    return Symbol(f"ale/{name}")


def _form(name: str, *parts: Any) -> List:
    return List((_named(name), *parts))


_NULL = _named("null")


def _body(forms: Sequence[Any]) -> Any:
    return forms[0] if len(forms) == 1 else _form("begin", *forms)


def _when(parts: Sequence[Any]) -> Any:
    return _form("if", parts[0], _body(parts[1:]), _NULL) if len(parts) > 1 else NULL


def _when_not(parts: Sequence[Any]) -> Any:
    return _form("if", parts[0], _NULL, _body(parts[1:])) if len(parts) > 1 else NULL


def _unless(parts: Sequence[Any]) -> Any:
    if len(parts) == 1:
        return NULL
    test, then, otherwise, *_ = (*parts, _NULL)
    return _form("if", test, otherwise, then)


def _cond(parts: Sequence[Any]) -> Any:
    if not parts:
        return NULL
    test, branch = parts[0]
    return _form("if", test, branch, _form("cond", *parts[1:]))


def _if_let(parts: Sequence[Any]) -> Any:
    if len(parts) == 2:  # noqa: PLR2004 (binding and then)
        return _form("if-let", *parts, _NULL)
    binding, then, otherwise = parts
    return _form("let", binding, _form("if", binding[0], then, otherwise))


def _when_let(parts: Sequence[Any]) -> Any:
    return _form("if-let", parts[0], _body(parts[1:]))


def _let_star(parts: Sequence[Any]) -> Any:
    bindings = parts[0] if isinstance(parts[0], List) else (parts[0],)
    inner = parts[1:] if len(bindings) == 1 else (_form("let*", List(bindings[1:]), *parts[1:]),)
    return _form("let", bindings[0], *inner)


def _threading(name: str) -> Expand:
    def expand(parts: Sequence[Any]) -> Any:
        value, *steps = parts
        if not steps:
            return value
        head, *rest = steps[0] if isinstance(steps[0], List) else (steps[0],)
        first = (head, value, *rest) if name == "->" else (head, *rest, value)
        return _form(name, List(first), *steps[1:])

    return expand


def _thunk(parts: Sequence[Any]) -> Any:
    return _form("lambda", NULL, *parts)


def _negated(name: str) -> Expand:
    return lambda parts: _form("not", _form(name, *parts))


_MACROS: dict[str, Expand] = {
    "when": _when,
    "when-not": _when_not,
    "unless": _unless,
    "cond": _cond,
    "if-let": _if_let,
    "when-let": _when_let,
    "let*": _let_star,
    "->": _threading("->"),
    "->>": _threading("->>"),
    "thunk": _thunk,
    "!and": _negated("and"),
    "!or": _negated("or"),
}


def _once(form: Any) -> Any:
    if not isinstance(form, List) or not form or not isinstance(form[0], Symbol):
        return form
    expand = _MACROS.get(str(form[0]).removeprefix("ale/"))
    return expand(form[1:]) if expand else form


def _wholly(form: Any) -> Any:
    while (expanded := _once(form)) is not form:
        form = expanded
    return form


def _expanding(expand: Callable[[Any], Any]) -> Callable[[Sequence[Any], Scope], Code]:
    def special(parts: Sequence[Any], scope: Scope) -> Code:
        form = compile_form(parts[0], scope)
        return lambda env: expand(form(env))

    return special


SPECIAL |= {"macroexpand-1": _expanding(_once), "macroexpand": _expanding(_wholly)}
