"""The special forms: those that do not evaluate all their parts."""

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from workflows.flows.languages.ale.arity import ranged
from workflows.flows.languages.ale.compiler import (
    LEVELS_MAX,
    SPECIAL,
    Code,
    Env,
    Scope,
    compile_body,
    compile_form,
)
from workflows.flows.languages.ale.library import is_true
from workflows.flows.languages.ale.reader import Object, Set, Vector
from workflows.flows.languages.ale.values import (
    NULL,
    AleError,
    Keyword,
    Lazy,
    List,
    Pair,
    Symbol,
    items_of,
    printed,
    type_name,
)


def _quote(parts: Sequence[Any], _scope: Scope) -> Code:
    demand(parts, 1, 1)
    value = as_datum(parts[0])
    return lambda _env: value


def as_datum(form: Any) -> Any:
    """Return a form as the data that it is when quoted."""
    match form:
        case Vector(items=items):
            return tuple(as_datum(item) for item in items)
        case Set(items=items):
            return frozenset(as_datum(item) for item in items)
        case Object(pairs=pairs):
            return {as_datum(key): as_datum(value) for key, value in pairs}
        case List():
            return List(as_datum(item) for item in form)
        case _:
            return form


def _if(parts: Sequence[Any], scope: Scope) -> Code:
    demand(parts, 2, 3)
    condition, then = compile_form(parts[0], scope), compile_form(parts[1], scope)
    otherwise = compile_form(parts[2], scope) if len(parts) > 2 else (lambda _env: NULL)  # noqa: PLR2004
    return lambda env: then(env) if is_true(condition(env)) else otherwise(env)


def _and(parts: Sequence[Any], scope: Scope) -> Code:
    codes = [compile_form(part, scope) for part in parts]

    def run(env: Env) -> Any:
        result: Any = True
        for code in codes:
            result = code(env)
            if not is_true(result):
                return result
        return result

    return run


def _or(parts: Sequence[Any], scope: Scope) -> Code:
    codes = [compile_form(part, scope) for part in parts]

    def run(env: Env) -> Any:
        result: Any = False
        for code in codes:
            result = code(env)
            if is_true(result):
                return result
        return result

    return run


def _let(parts: Sequence[Any], scope: Scope) -> Code:
    bindings = _bindings_at_once(parts)
    made = [(name, compile_form(value, scope)) for name, value in bindings]
    body = compile_body(parts[1:], scope.plus(*(name for name, _ in bindings)))
    return lambda env: body(env.inner({name: value(env) for name, value in made}))


def _let_star(parts: Sequence[Any], scope: Scope) -> Code:
    made: list[tuple[str, Code]] = []
    for name, value in bindings_of(_bound(parts)):
        made.append((name, compile_form(value, scope)))
        scope = scope.plus(name)
    body = compile_body(parts[1:], scope)

    def run(env: Env) -> Any:
        inner = env.inner({})
        for name, value in made:
            inner.values[name] = value(inner)
        return body(inner)

    return run


def _let_rec(parts: Sequence[Any], scope: Scope) -> Code:
    bindings = _bindings_at_once(parts)
    scope = scope.plus(*(name for name, _ in bindings))
    made = [(name, compile_form(value, scope)) for name, value in bindings]
    body = compile_body(parts[1:], scope)

    def run(env: Env) -> Any:
        inner = env.inner({})
        for name, value in made:
            inner.values[name] = value(inner)
        return body(inner)

    return run


def bindings_of(form: Any) -> list[tuple[str, Any]]:
    """Return the names and forms of one vector of two, or of a list of such vectors.

    :raises AleError: if it is neither.
    """
    if not isinstance(form, List | Vector):
        raise AleError(f"unexpected binding syntax: {shown(form)}")
    return [_binding(vector) for vector in (form if isinstance(form, List) else (form,))]


def _binding(vector: Any) -> tuple[str, Any]:
    if not isinstance(vector, Vector):
        raise _not_a(vector, "data.Vector")
    if len(vector.items) != 2:  # noqa: PLR2004 (a name, and what it means)
        raise AleError("binding must be a paired vector")
    name, value = vector.items
    if not isinstance(name, Symbol):
        raise _not_a(name, "data.Local")
    return str(name), value


def _not_a(form: Any, kind: str) -> AleError:
    name = type_name(as_datum(form))
    return AleError(f"interface conversion: ale.Value is {name}, not {kind}")


def _bound(parts: Sequence[Any]) -> Any:
    if len(parts) < 2:  # noqa: PLR2004 (bindings, and a body)
        raise AleError(f"expected at least 2 arguments, got {len(parts)}")
    return parts[0]


def _bindings_at_once(parts: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return the bindings of a form that binds all of them in one scope."""
    bindings = bindings_of(_bound(parts))
    seen: set[str] = set()
    for name, _ in bindings:
        if name in seen:
            raise AleError(f"name is already bound in local scope: {name}")
        seen.add(name)
    return bindings


def _lambda(parts: Sequence[Any], scope: Scope) -> Code:
    if not parts:
        raise AleError("no parameter cases defined")
    if all(isinstance(part, Vector) and part.items for part in parts):
        return _arities([part.items for part in parts], scope)
    if not isinstance(parts[0], List | Pair | Symbol | Vector):
        raise AleError(f"unexpected case syntax: {shown(parts[0])}")
    if all(_is_arity(part) for part in parts):
        return _arities([(part[0], *part[1:]) for part in parts], scope)
    return _arities([parts], scope)


def _is_arity(form: Any) -> bool:
    return isinstance(form, List) and bool(form) and isinstance(form[0], Vector | List)


def _arities(clauses: Sequence[Sequence[Any]], scope: Scope) -> Code:
    made = [_arity(names, body, scope) for names, *body in clauses]
    counts = ", ".join(ranged(len(names), inf if rest else len(names)) for names, rest, _ in made)

    def run(env: Env) -> Any:
        def procedure(*arguments: Any) -> Any:
            for names, rest, body in made:
                if len(arguments) == len(names) or (rest and len(arguments) >= len(names)):
                    values = dict(zip(names, arguments, strict=False))
                    if rest:
                        values[rest] = List(arguments[len(names) :])
                    return _entered(env.inner(values), body)
            raise AleError(f"got {len(arguments)} arguments, expected {counts}")

        return procedure

    return run


def _lambda_rec(parts: Sequence[Any], scope: Scope) -> Code:
    """A procedure that knows itself by a name."""
    name = str(parts[0])
    made = _lambda(parts[1:], scope.plus(name))

    def run(env: Env) -> Any:
        inner = env.inner({})
        inner.values[name] = made(inner)
        return inner.values[name]

    return run


def _letfn(parts: Sequence[Any], scope: Scope) -> Code:
    """Procedures that know one another: `(lambda-rec name (x) ...)`, or pairs as in let-rec."""
    forms = parts[0].items if isinstance(parts[0], Vector) else parts[0]
    if not all(isinstance(form, List) and len(form) > 1 for form in forms):
        return _let_rec(parts, scope)
    pairs = List(Vector((form[1], form)) for form in forms)
    return _let_rec((pairs, *parts[1:]), scope)


def _label(parts: Sequence[Any], scope: Scope) -> Code:
    return _let_rec((Vector((parts[0], parts[1])), parts[0]), scope)


def _arity(names: Any, body: Sequence[Any], scope: Scope) -> tuple[list[str], str, Code]:
    if not body:
        raise AleError(f"no parameter case body: {shown(names)}")
    if isinstance(names, Symbol):
        return [], str(names), compile_body(body, scope.plus(str(names)))
    items = names.items if isinstance(names, Vector) else listed(names)
    plain, rest = [str(name) for name in items], ""
    if len(plain) > 1 and plain[-2] == ".":
        plain, rest = plain[:-2], plain[-1]
    inner = scope.plus(*plain, *([rest] if rest else []))
    return plain, rest, compile_body(body, inner)


def _entered(env: Env, body: Code) -> Any:
    run = env.run
    run.spend()
    run.levels -= 1
    if run.levels < 0:
        run.levels += 1
        raise AleError(f"nested too deep: more than {LEVELS_MAX} calls within one another")
    try:
        return body(env)
    finally:
        run.levels += 1


def _define(parts: Sequence[Any], scope: Scope) -> Code:
    parts = [part for part in parts if part != Keyword("private")]
    target = listed(parts[0])
    if isinstance(target, List):
        name = str(target[0])
        value = _arities([(List(target[1:]), *parts[1:])], scope)
    else:
        name, value = str(target), compile_form(parts[1], scope)

    def run(env: Env) -> Any:
        env.values[name] = value(env)
        return env.values[name]

    return run


def listed(form: Any) -> Any:
    """Return `(x . rest)` as the list that it was written as; what is no pair as it is."""
    return List((form[0], Symbol("."), form[1])) if isinstance(form, Pair) else form


def _define_lambda(parts: Sequence[Any], scope: Scope) -> Code:
    return _define((parts[0], List((Symbol("lambda"), *parts[1:]))), scope)


def _begin(parts: Sequence[Any], scope: Scope) -> Code:
    return compile_body(parts, scope) if parts else (lambda _env: NULL)


def _threaded(*, is_first: bool) -> Callable[[Sequence[Any], Scope], Code]:
    def thread(parts: Sequence[Any], scope: Scope) -> Code:
        value = parts[0]
        for step in parts[1:]:
            form = step if isinstance(step, List) else List((step,))
            head, *arguments = form
            value = List((head, value, *arguments) if is_first else (head, *arguments, value))
        return compile_form(value, scope)

    return thread


def _some(parts: Sequence[Any], scope: Scope) -> Code:
    """`some->`: thread as long as there is a value."""
    first = compile_form(parts[0], scope)
    name = Symbol("it of some->")
    steps = [_threaded(is_first=True)((name, step), scope.plus(str(name))) for step in parts[1:]]

    def run(env: Env) -> Any:
        value = first(env)
        for step in steps:
            if isinstance(value, List) and not value:
                return value
            value = step(env.inner({str(name): value}))
        return value

    return run


def _let_thread(parts: Sequence[Any], scope: Scope) -> Code:
    """`let->`: each form gives the name its next value."""
    [(name, value)] = bindings_of(parts[0])
    first = compile_form(value, scope)
    steps = [compile_form(step, scope.plus(name)) for step in parts[1:]]

    def run(env: Env) -> Any:
        current = first(env)
        for step in steps:
            current = step(env.inner({name: current}))
        return current

    return run


def _for(parts: Sequence[Any], scope: Scope) -> Code:
    """`for`: the body for every combination, the last name changing fastest."""
    made: list[tuple[str, Code]] = []
    for name, sequence in bindings_of(parts[0]):
        made.append((name, compile_form(sequence, scope)))
        scope = scope.plus(name)
    body = compile_body(parts[1:], scope)

    def produce(env: Env, left: Sequence[tuple[str, Code]]) -> Iterator[Any]:
        if not left:
            env.run.spend()
            yield body(env)
            return
        (name, sequence), *rest = left
        for item in items_of(sequence(env)):
            yield from produce(env.inner({name: item}), rest)

    return lambda env: Lazy(produce(env, made))


def demand(parts: Sequence[Any], least: int, most: int | None = None) -> None:
    """Raises AleError if a form has not as many parts as it must have."""
    if not least <= len(parts) <= (inf if most is None else most):
        raise AleError(
            f"got {len(parts)} arguments, expected {ranged(least, inf if most is None else most)}"
        )


def shown(form: Any) -> str:
    return printed(as_datum(form))


SPECIAL |= {
    "quote": _quote,
    "if": _if,
    "and": _and,
    "or": _or,
    "let": _let,
    "let*": _let_star,
    "let-rec": _let_rec,
    "letfn": _letfn,
    "label": _label,
    "lambda": _lambda,
    "λ": _lambda,
    "lambda-rec": _lambda_rec,
    "fn": _lambda,
    "define": _define,
    "define*": _define,
    "define-lambda": _define_lambda,
    "begin": _begin,
    "do": _begin,
    "->": _threaded(is_first=True),
    "->>": _threaded(is_first=False),
    "some->": _some,
    "let->": _let_thread,
    "for": _for,
}
