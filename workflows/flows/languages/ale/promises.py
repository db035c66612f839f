"""What is evaluated when somebody asks for it: promises, and sequences made as far as needed.

There are no threads: a `future` is evaluated when it is first asked for, which in a pure
program nobody can tell from its having been evaluated before.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from workflows.flows.languages.ale.compiler import SPECIAL, Code, Env, Scope, compile_body
from workflows.flows.languages.ale.library import LIBRARY, call
from workflows.flows.languages.ale.values import (
    NULL,
    Chained,
    Lazy,
    Promise,
    items_of,
)

Thunk = Callable[[], Any]


class Delayed(Lazy):
    """The sequence that a procedure without arguments gives when it is asked."""

    def __init__(self, thunk: Any) -> None:
        super().__init__(self._items())
        self.thunk = thunk

    def _items(self) -> Iterator[Any]:
        """Yield the items of a chain of such, one after the other and not within one another."""
        value = self.asked()
        while isinstance(value, Chained):
            yield value.head
            value = value.tail
            if isinstance(value, Delayed):
                value = value.asked()
        yield from items_of(value)

    def asked(self) -> Any:
        """Return what the procedure gives, or what that gives if it is such a sequence too."""
        value = call(self.thunk)
        while isinstance(value, Delayed):
            value = call(value.thunk)
        return value


def _thunk(parts: Sequence[Any], scope: Scope) -> Callable[[Env], Thunk]:
    body = compile_body(parts or (NULL,), scope)

    def make(env: Env) -> Thunk:
        def evaluate() -> Any:
            env.run.spend()
            return body(env)

        return evaluate

    return make


def _delay(parts: Sequence[Any], scope: Scope) -> Code:
    make = _thunk(parts, scope)
    return lambda env: Promise(make(env))


def _lazy_seq(parts: Sequence[Any], scope: Scope) -> Code:
    make = _thunk(parts, scope)
    return lambda env: Delayed(make(env))


def _delayed(force: Callable[[Any], Any]) -> Callable[[Sequence[Any], Scope], Code]:
    """`delay-force` and `lazy`: a promise of what the value of the body promises."""

    def form(parts: Sequence[Any], scope: Scope) -> Code:
        make = _thunk(parts, scope)

        def run(env: Env) -> Any:
            evaluate = make(env)
            return Promise(lambda: force(evaluate()))

        return run

    return form


def _forced(value: Any) -> Any:
    return value() if isinstance(value, Promise) else value


def _forced_wholly(value: Any) -> Any:
    while isinstance(value, Promise):
        value = value()
    return value


SPECIAL |= {
    "delay": _delay,
    "future": _delay,
    "delay-force": _delayed(_forced),
    "lazy": _delayed(_forced_wholly),
    "lazy-seq": _lazy_seq,
}
LIBRARY.update(
    {
        "delay*": lambda thunk: Promise(lambda: call(thunk)),
        "force": _forced,
        "force!": _forced_wholly,
        "lazy-seq*": Delayed,
    }
)
