"""Forms to closures. Names are resolved while compiling, so a typing error is found then.

Every call costs a step and a level; a program that takes too many is stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflows.flows.languages import allowance
from workflows.flows.languages.ale.arity import check_arity, check_lookup
from workflows.flows.languages.ale.library import LIBRARY, call
from workflows.flows.languages.ale.reader import Object, Set, Vector, read_body
from workflows.flows.languages.ale.values import (
    NULL,
    AleError,
    Form,
    Keyword,
    List,
    Pair,
    Symbol,
    first_counts,
    set_of,
)

STEPS_MAX = 200_000
LEVELS_MAX = 80


@dataclass(slots=True)
class Run:
    """What one run may still spend."""

    steps: int = STEPS_MAX
    levels: int = LEVELS_MAX
    symbols: int = 0

    def spend(self) -> None:
        allowance.tick()
        self.steps -= 1
        if self.steps < 0:
            raise AleError(f"too much work: more than {STEPS_MAX} calls")


@dataclass(slots=True)
class Env:
    """The values of the names of one scope."""

    run: Run
    values: dict[str, Any]
    outer: "Env | None" = None

    def find(self, name: str) -> Any:
        env: Env | None = self
        while env is not None:
            if name in env.values:
                return env.values[name]
            env = env.outer
        if name in LIBRARY:
            return LIBRARY[name]
        raise AleError(f"name is not bound in namespace: {name}")

    def inner(self, values: dict[str, Any]) -> "Env":
        return Env(self.run, values, self)


Code = Callable[[Env], Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that code may use where it stands."""

    names: frozenset[str] = field(default_factory=frozenset)

    def plus(self, *names: str) -> "Scope":
        return Scope(self.names | set(names))

    def knows(self, name: str) -> bool:
        return name in self.names or name in LIBRARY


UNBOUND = frozenset({"*args*", "*env*", "*err*", "*in*", "*out*"})
"""Declared in the original, and bound to nothing where scripts run."""

SpecialForm = Callable[[Sequence[Any], Scope], Code]
SPECIAL: dict[str, SpecialForm] = {}
"""Forms that do not evaluate all their parts. `special` puts them here."""


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled program with these parameters."""

    code: Code

    def run(self, arguments: Mapping[str, Any]) -> Any:
        """Return the value of the last form.

        :raises AleError: if the program fails, or takes more than it may.
        """
        try:
            return self.code(Env(Run(), dict(arguments)))
        except RecursionError as error:
            raise AleError(
                "nested too deep: there is room for some hundred forms within one another,"
                f" and {LEVELS_MAX} calls at most"
            ) from error


def compile_program(source: str, parameters: Sequence[str]) -> Program:
    """Compile `source` for these parameters.

    :raises AleError: if it is no program, or uses an undeclared name.
    """
    forms = read_body(source, parameters)
    if not forms:
        raise AleError("script empty")
    return Program(compile_body(forms, Scope(frozenset(parameters))))


def compile_body(forms: Sequence[Any], scope: Scope) -> Code:
    """Compile forms in a row; a definition is known to the following ones."""
    codes: list[Code] = []
    for form in forms:
        scope = scope.plus(*_defined_names(form))
        codes.append(compile_form(form, scope))
    if len(codes) == 1:
        return codes[0]

    def run(env: Env) -> Any:
        result: Any = NULL
        for code in codes:
            result = code(env)
        return result

    return run


def _defined_names(form: Any) -> Sequence[str]:
    if not isinstance(form, List) or len(form) < 2:  # noqa: PLR2004 (what, and a name)
        return ()
    if str(form[0]) in _DECLARING:
        return [str(name) for name in form[1:]]
    if str(form[0]) in _DEFINING:
        target = form[2] if form[1] == Keyword("private") and len(form) > 2 else form[1]  # noqa: PLR2004 (a name)
        return [str(target[0]) if isinstance(target, List | Pair) and target else str(target)]
    return ()


_DECLARING = frozenset({"declare", "private"})
"""What makes a name known before it is defined."""
_DEFINING = frozenset({"define", "define*", "define-lambda"})


def compile_form(form: Any, scope: Scope) -> Code:  # noqa: PLR0911 (one branch per form)
    allowance.tick()
    match form:
        case Symbol():
            return _name(form, scope)
        case Vector(items=items):
            codes = [compile_form(item, scope) for item in items]
            return lambda env: tuple(code(env) for code in codes)
        case Set(items=items):
            codes = [compile_form(item, scope) for item in items]
            return lambda env: set_of(code(env) for code in codes)
        case Object(pairs=pairs):
            made = [(compile_form(key, scope), compile_form(value, scope)) for key, value in pairs]
            return lambda env: first_counts((key(env), value(env)) for key, value in made)
        case Pair():
            left, right = compile_form(form[0], scope), compile_form(form[1], scope)
            return lambda env: Pair((left(env), right(env)))
        case List() if form:
            return _form(form, scope)
        case _:
            return lambda _env: form


_ROOT = "ale/"
"""The namespace of the library, with which expanded macros write its names."""


_NOT_HERE = frozenset({"define-macro", "macro", "go", "chan", "spawn"})
"""As in Argyll: reported before the faults of its parts."""


def _name(name: Symbol, scope: Scope) -> Code:
    text = str(name).removeprefix(_ROOT)
    namespace, slash, local = text.partition("/")
    if namespace and slash and local:
        raise AleError(f"namespace not found: {namespace}")
    if text in UNBOUND and text not in scope.names:
        return _unbound(text)
    if text in SPECIAL and not scope.knows(text):
        form = Form(text)
        return lambda _env: form
    if not scope.knows(text):
        raise AleError(f"name not declared in namespace: {text}")
    return lambda env: env.find(text)


def _unbound(text: str) -> Code:
    def run(_env: Env) -> Any:
        raise AleError(f"name is not bound in namespace: {text}")

    return run


def _form(form: List, scope: Scope) -> Code:
    head = form[0]
    if isinstance(head, Symbol) and str(head) not in scope.names:
        special = SPECIAL.get(str(head).removeprefix(_ROOT))
        if special is not None:
            return special(form[1:], scope)
        # A function of the library is known while a script compiles, and so what it takes.
        check_arity(text := str(head).removeprefix(_ROOT), LIBRARY.get(text), len(form) - 1)
        if text in _NOT_HERE:
            return _name(head, scope)
    elif isinstance(head, Keyword | int | str) and not isinstance(head, bool | Symbol):
        check_lookup(len(form) - 1)
    # The last first, and what is called at the end: it decides which of two faults is told.
    arguments = [compile_form(argument, scope) for argument in reversed(form[1:])]
    function = compile_form(head, scope)

    def run(env: Env) -> Any:
        env.run.spend()
        values = [argument(env) for argument in arguments]
        return call(function(env), *reversed(values))

    return run
