"""The macros: they evaluate a part of the program for each item of a list, or key of a map."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from celpy.celtypes import BoolType, ListType, MapType

from ledger.expressions import spending
from ledger.expressions.operators import binary, type_name
from ledger.expressions.program import MACROS, Code, Macro, Names, compiled, decided, kept, truth
from ledger.expressions.refusals import NoProgram, Unanswered


def _items(value: Any) -> Any:
    if not isinstance(value, ListType | MapType):
        raise Unanswered(f"{type_name(value)} has no items")
    return value


def _variable(tree: Any) -> str:
    names = list(tree.find_data("ident"))
    if len(names) != 1:
        raise NoProgram("a macro names its variable first")
    return str(names[0].children[0])


def _macro(counts: Sequence[int], run: Callable[..., Any]) -> Macro:
    """Return a macro of a variable and code: `run(items, name, names, *codes)` evaluates it."""

    def form(target: Code, arguments: Sequence[Any], depth: int) -> Code:
        if len(arguments) not in counts:
            raise NoProgram(f"a macro takes {counts[0]} arguments")
        name = _variable(arguments[0])
        codes = [compiled(one, depth) for one in arguments[1:]]

        def evaluate(names: Names) -> Any:
            items, inner = _items(target(names)), dict(names)
            return run(_bound(items, name, inner), inner, *codes)

        return evaluate

    return form


def _bound(items: Any, name: str, inner: Names) -> Any:
    """Yield each item, with the variable standing for it."""
    for item in items:
        spending.tick()
        inner[name] = item
        yield item


def _mapped(items: Any, inner: Names, *codes: Code) -> Any:
    *tests, code = codes
    found = [kept(code(inner)) for _ in items if all(truth(test(inner), "map") for test in tests)]
    spending.made_items(len(found))
    return ListType(found)


def _filtered(items: Any, inner: Names, test: Code) -> Any:
    found = [item for item in items if truth(test(inner), "filter")]
    spending.made_items(len(found))
    return ListType(found)


def _quantified(*, decides: bool, name: str) -> Callable[..., Any]:
    """`exists` and `all`: an item that decides does so, whatever fails for the others."""

    def run(items: Any, inner: Names, test: Code) -> Any:
        return decided((test for _ in items), inner, name, decides=decides)

    return run


def _one(items: Any, inner: Names, test: Code) -> Any:
    return BoolType(sum(truth(test(inner), "exists_one") for _ in items) == 1)


def _reduced(target: Code, arguments: Sequence[Any], depth: int) -> Code:
    """`reduce(so_far, item, start, code)`, which the library has beyond the language."""
    if len(arguments) != 4:  # noqa: PLR2004 (as above)
        raise NoProgram("reduce() takes 4 arguments")
    so_far, item = (_variable(one) for one in arguments[:2])
    start, code = (compiled(one, depth) for one in arguments[2:])

    def run(names: Names) -> Any:
        items, inner = _items(target(names)), dict(names)

        def step(value: Any, _item: Any) -> Any:
            inner[so_far] = value
            return code(inner)

        return reduce(step, _bound(items, item, inner), start(names))

    return run


def _least(target: Code, arguments: Sequence[Any], _depth: int) -> Code:
    if arguments:
        raise NoProgram("min() takes no arguments")

    def run(names: Names) -> Any:
        items = list(_items(target(names)))
        if not items:
            raise Unanswered("the least of an empty list")
        return reduce(lambda a, b: b if binary("_<_", b, a) else a, items)

    return run


MACROS |= {
    "map": _macro((2, 3), _mapped),
    "filter": _macro((2,), _filtered),
    "exists": _macro((2,), _quantified(decides=True, name="exists")),
    "all": _macro((2,), _quantified(decides=False, name="all")),
    "exists_one": _macro((2,), _one),
    "reduce": _reduced,
    "min": _least,
}
