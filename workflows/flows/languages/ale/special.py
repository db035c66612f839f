"""The special forms: those that do not evaluate all their parts."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

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
    Raised,
    Symbol,
    items_of,
    printed,
    same,
)


def _quote(parts: Sequence[Any], _scope: Scope) -> Code:
    value = as_datum(parts[0])
    return lambda _env: value


def as_datum(form: Any) -> Any:
    """Return a form as the data that it is when quoted."""
    match form:
        case Vector(items=items) | Set(items=items):
            return tuple(as_datum(item) for item in items)
        case Object(pairs=pairs):
            return {as_datum(key): as_datum(value) for key, value in pairs}
        case List():
            return List(as_datum(item) for item in form)
        case _:
            return form


def _if(parts: Sequence[Any], scope: Scope) -> Code:
    _demand("if", parts, 2, 3)
    condition, then = compile_form(parts[0], scope), compile_form(parts[1], scope)
    otherwise = compile_form(parts[2], scope) if len(parts) > 2 else (lambda _env: NULL)  # noqa: PLR2004
    return lambda env: then(env) if is_true(condition(env)) else otherwise(env)


def _when(parts: Sequence[Any], scope: Scope) -> Code:
    condition, body = compile_form(parts[0], scope), compile_body(parts[1:], scope)
    return lambda env: body(env) if is_true(condition(env)) else NULL


def _unless(parts: Sequence[Any], scope: Scope) -> Code:
    condition, body = compile_form(parts[0], scope), compile_body(parts[1:], scope)
    return lambda env: NULL if is_true(condition(env)) else body(env)


def _cond(parts: Sequence[Any], scope: Scope) -> Code:
    clauses = [_clause(clause) for clause in parts]
    made = [
        (compile_form(True if test == Keyword("else") else test, scope), compile_body(body, scope))
        for test, *body in clauses
    ]

    def run(env: Env) -> Any:
        for condition, body in made:
            if is_true(condition(env)):
                return body(env)
        return NULL

    return run


def _case(parts: Sequence[Any], scope: Scope) -> Code:
    subject = compile_form(parts[0], scope)
    clauses = [_clause(clause) for clause in parts[1:]]
    made = [(compile_form(test, scope), compile_body(body, scope)) for test, *body in clauses]

    def run(env: Env) -> Any:
        value = subject(env)
        for test, body in made:
            if same(value, test(env)):
                return body(env)
        raise AleError("no cases could be matched")

    return run


def _clause(form: Any) -> tuple[Any, ...]:
    if not isinstance(form, Vector) or len(form.items) < 2:  # noqa: PLR2004 (test and body)
        raise AleError(f"clause must be a vector of test and body: {_shown(form)}")
    return form.items


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
    bindings = _bindings(parts[0])
    made = [(name, compile_form(value, scope)) for name, value in bindings]
    body = compile_body(parts[1:], scope.plus(*(name for name, _ in bindings)))
    return lambda env: body(env.inner({name: value(env) for name, value in made}))


def _let_star(parts: Sequence[Any], scope: Scope) -> Code:
    made: list[tuple[str, Code]] = []
    for name, value in _bindings(parts[0]):
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
    bindings = _bindings(parts[0])
    scope = scope.plus(*(name for name, _ in bindings))
    made = [(name, compile_form(value, scope)) for name, value in bindings]
    body = compile_body(parts[1:], scope)

    def run(env: Env) -> Any:
        inner = env.inner({})
        for name, value in made:
            inner.values[name] = value(inner)
        return body(inner)

    return run


def _bindings(form: Any) -> list[tuple[str, Any]]:
    vectors = form if isinstance(form, List) else (form,)
    pairs: list[tuple[Any, Any]] = []
    for vector in vectors:
        if not isinstance(vector, Vector) or len(vector.items) % 2:
            raise AleError(f"bindings must be vectors of name and value: {_shown(form)}")
        pairs += zip(vector.items[::2], vector.items[1::2], strict=True)
    return [(str(name), value) for name, value in pairs]


def _lambda(parts: Sequence[Any], scope: Scope) -> Code:
    if parts and isinstance(parts[0], Vector):
        return _arities([parts[0].items], scope)
    if parts and all(_is_arity(part) for part in parts):
        return _arities([(part[0], *part[1:]) for part in parts], scope)
    return _arities([parts], scope)


def _is_arity(form: Any) -> bool:
    return isinstance(form, List) and bool(form) and isinstance(form[0], Vector | List)


def _arities(clauses: Sequence[Sequence[Any]], scope: Scope) -> Code:
    made = [_arity(names, body, scope) for names, *body in clauses]

    def run(env: Env) -> Any:
        def procedure(*arguments: Any) -> Any:
            for names, rest, body in made:
                if len(arguments) == len(names) or (rest and len(arguments) >= len(names)):
                    values = dict(zip(names, arguments, strict=False))
                    if rest:
                        values[rest] = List(arguments[len(names) :])
                    return _entered(env.inner(values), body)
            raise AleError(f"got {len(arguments)} arguments, expected another number")

        return procedure

    return run


def _arity(names: Any, body: Sequence[Any], scope: Scope) -> tuple[list[str], str, Code]:
    items = names.items if isinstance(names, Vector) else names
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
    target = parts[0]
    if isinstance(target, List):
        name = str(target[0])
        value = _arities([(List(target[1:]), *parts[1:])], scope)
    else:
        name, value = str(target), compile_form(parts[1], scope)

    def run(env: Env) -> Any:
        env.values[name] = value(env)
        return env.values[name]

    return run


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
    [(name, value)] = _bindings(parts[0])
    first = compile_form(value, scope)
    steps = [compile_form(step, scope.plus(name)) for step in parts[1:]]

    def run(env: Env) -> Any:
        current = first(env)
        for step in steps:
            current = step(env.inner({name: current}))
        return current

    return run


def _if_let(parts: Sequence[Any], scope: Scope) -> Code:
    [(name, value)] = _bindings(parts[0])
    condition, then = compile_form(value, scope), compile_form(parts[1], scope.plus(name))
    otherwise = compile_form(parts[2], scope) if len(parts) > 2 else (lambda _env: NULL)  # noqa: PLR2004

    def run(env: Env) -> Any:
        found = condition(env)
        return then(env.inner({name: found})) if is_true(found) else otherwise(env)

    return run


def _for(parts: Sequence[Any], scope: Scope) -> Code:
    """`for`: the body for every combination, the last name changing fastest."""
    made: list[tuple[str, Code]] = []
    for name, sequence in _bindings(parts[0]):
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


def _try(parts: Sequence[Any], scope: Scope) -> Code:
    plain = [part for part in parts if not _is_clause(part, "catch", "finally")]
    catches = [part for part in parts if _is_clause(part, "catch")]
    body = compile_body(plain, scope) if plain else (lambda _env: NULL)
    if not catches:
        return body
    names = catches[0][1]
    name = str((names.items if isinstance(names, Vector) else (names,))[-1])
    handler = compile_body(catches[0][2:], scope.plus(name))

    def run(env: Env) -> Any:
        try:
            return body(env)
        except AleError as error:
            return handler(env.inner({name: str(error)}))

    return run


def _is_clause(form: Any, *heads: str) -> bool:
    return isinstance(form, List) and bool(form) and str(form[0]) in heads


def _raise(parts: Sequence[Any], scope: Scope) -> Code:
    value = compile_form(parts[0], scope)

    def run(env: Env) -> Any:
        raise Raised(printed(value(env), quoted=False))

    return run


def _demand(what: str, parts: Sequence[Any], least: int, most: int) -> None:
    if not least <= len(parts) <= most:
        raise AleError(f"{what} takes {least} to {most} forms, got {len(parts)}")


def _shown(form: Any) -> str:
    return printed(as_datum(form))


SPECIAL |= {
    "quote": _quote,
    "if": _if,
    "when": _when,
    "unless": _unless,
    "cond": _cond,
    "case": _case,
    "and": _and,
    "or": _or,
    "let": _let,
    "let*": _let_star,
    "let-rec": _let_rec,
    "letfn": _let_rec,
    "lambda": _lambda,
    "fn": _lambda,
    "define": _define,
    "begin": _begin,
    "do": _begin,
    "->": _threaded(is_first=True),
    "->>": _threaded(is_first=False),
    "some->": _some,
    "let->": _let_thread,
    "if-let": _if_let,
    "for": _for,
    "try": _try,
    "raise": _raise,
}
