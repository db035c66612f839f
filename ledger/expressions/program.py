"""Compiles the parse tree of the library to closures that check their own time limit.

The library's evaluator walks ten levels of grammar for each name, and must be watched at every
call. One closure per node of the tree is some hundred times faster.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from celpy.celtypes import BoolType, DoubleType, IntType, ListType, MapType, UintType
from celpy.evaluation import celbytes, celstr

from ledger.expressions import operators, spending
from ledger.expressions.given import given
from ledger.expressions.operators import NO, YES, binary, no_overload, type_name
from ledger.expressions.refusals import NoProgram, Unanswered

Names = dict[str, Any]
Code = Callable[[Names], Any]
DEPTH_MAX = 100
Macro = Callable[[Code, Sequence[Any], int], Code]
MACROS: dict[str, Macro] = {}
"""Methods that run a part of the program for each item. `macros` puts them here."""
_ROOT = "."
"""Under which every scope keeps the outermost one. No name can be written so."""

_BINARY = {
    "relation_lt": "_<_",
    "relation_le": "_<=_",
    "relation_gt": "_>_",
    "relation_ge": "_>=_",
    "relation_eq": "_==_",
    "relation_ne": "_!=_",
    "relation_in": "_in_",
    "addition_add": "_+_",
    "addition_sub": "_-_",
    "multiplication_mul": "_*_",
    "multiplication_div": "_/_",
    "multiplication_mod": "_%_",
}


class Program:
    """A compiled expression."""

    def __init__(self, tree: Any) -> None:
        self._code = compiled(tree, 0)

    def evaluate(self, arguments: dict[str, Any]) -> Any:
        """Return the value of the expression with these names (JSON).

        :raises Unanswered: if it has none.
        """
        names: Names = dict(arguments)
        names[_ROOT] = names
        return self._code(names)


def compiled(tree: Any, depth: int) -> Code:
    """Return the closure of a part of the tree.

    :raises NoProgram: if it has none.
    """
    while len(tree.children) == 1 and tree.data in _TRANSPARENT:
        tree = tree.children[0]
    if depth > DEPTH_MAX:
        raise NoProgram("nested too deep")
    return _COMPILE[str(tree.data)](tree, depth + 1)


_TRANSPARENT = frozenset(
    {
        "expr",
        "conditionalor",
        "conditionaland",
        "relation",
        "addition",
        "multiplication",
        "unary",
        "member",
        "primary",
        "paren_expr",
    }
)
"""Levels of the grammar that mean nothing with one part."""


def _condition(tree: Any, depth: int) -> Code:
    test, then, otherwise = (compiled(child, depth) for child in tree.children)

    def run(names: Names) -> Any:
        return then(names) if truth(test(names), "_?_:_") else otherwise(names)

    return run


def truth(value: Any, name: str) -> bool:
    """Return what a condition says.

    :raises Unanswered: if it is none.
    """
    if not isinstance(value, BoolType | bool):
        raise no_overload(name, (value,))
    return bool(value)


def _chain(tree: Any) -> list[Any]:
    """Return the operands of `a || b || c`, from left to right."""
    kind, operands = tree.data, []
    while tree.data == kind and len(tree.children) == 2:  # noqa: PLR2004 (left and right)
        tree, right = tree.children
        operands.append(right)
    return [tree, *reversed(operands)]


def _logic(name: str, *, decides: bool) -> Callable[[Any, int], Code]:
    """`&&` and `||`: one operand that decides does so, whatever the others are."""

    def form(tree: Any, depth: int) -> Code:
        codes = [compiled(operand, depth) for operand in _chain(tree)]

        return lambda names: decided(codes, names, name, decides=decides)

    return form


def decided(codes: Iterable[Code], names: Names, name: str, *, decides: bool) -> BoolType:
    """Return what several conditions say together, of which one that `decides` is enough.

    :raises Unanswered: if none decides, and one has no answer.
    """
    failure: Unanswered | None = None
    for code in codes:
        try:
            if truth(code(names), name) is decides:
                return BoolType(decides)
        except Unanswered as unanswered:
            failure = failure or unanswered
    if failure is not None:
        raise failure
    return BoolType(not decides)


def _binary(tree: Any, depth: int) -> Code:
    """A chain of operators of one level, evaluated from the left in a loop."""
    steps: list[tuple[str, Any]] = []
    while len(tree.children) == 2 and str(tree.children[0].data) in _BINARY:  # noqa: PLR2004
        head, right = tree.children
        steps.append((_BINARY[str(head.data)], right))
        tree = head.children[0]
    first = compiled(tree, depth)
    made = [(name, compiled(right, depth)) for name, right in reversed(steps)]

    def run(names: Names) -> Any:
        value = first(names)
        for name, code in made:
            value = binary(name, value, code(names))
        return value

    return run


def _unary(tree: Any, depth: int) -> Code:
    code = compiled(tree.children[1], depth)
    if tree.children[0].data == "unary_not":
        return lambda names: BoolType(not truth(code(names), "!_"))
    return lambda names: operators.negated(code(names))


def _member_dot(tree: Any, depth: int) -> Code:
    code, name = compiled(tree.children[0], depth), str(tree.children[1])

    def run(names: Names) -> Any:
        target = code(names)
        if not isinstance(target, MapType):
            raise Unanswered(f"{type_name(target)} has no members: '{name}'")
        try:
            return target[name]
        except KeyError:
            raise Unanswered(f"no such member in mapping: '{name}'") from None

    return run


def _member_index(tree: Any, depth: int) -> Code:
    code, index = (compiled(child, depth) for child in tree.children)
    return lambda names: operators.item_of(code(names), index(names))


def _method(tree: Any, depth: int) -> Code:
    name, arguments = str(tree.children[1]), _arguments(tree.children[2:])
    if name in MACROS:
        return MACROS[name](compiled(tree.children[0], depth), arguments, depth)
    return _called(name, [tree.children[0], *arguments], depth)


def _arguments(rest: Sequence[Any]) -> list[Any]:
    return list(rest[0].children) if rest and rest[0] is not None else []


def _function(tree: Any, depth: int) -> Code:
    name, arguments = str(tree.children[0]), _arguments(tree.children[1:])
    if name in {"has", "dyn"} and len(arguments) != 1:
        raise NoProgram(f"{name}() takes one argument")
    if name == "has":
        return _has(compiled(arguments[0], depth))
    if name == "dyn":
        return compiled(arguments[0], depth)
    return _called(name, arguments, depth)


def _has(code: Code) -> Code:
    def run(names: Names) -> Any:
        try:
            code(names)
        except Unanswered:
            return NO
        return YES

    return run


def _called(name: str, arguments: Sequence[Any], depth: int) -> Code:
    codes, function = [compiled(one, depth) for one in arguments], operators.FUNCTIONS.get(name)

    def run(names: Names) -> Any:
        if function is None:
            raise Unanswered(f"undeclared reference to '{name}'")
        spending.tick()
        return operators.apply(name, function, *(code(names) for code in codes))

    return run


def _ident(tree: Any, _depth: int) -> Code:
    name, is_rooted = str(tree.children[0]), tree.data == "dot_ident"
    own = operators.TYPES.get(name, _NOTHING)

    def run(names: Names) -> Any:
        value = (names[_ROOT] if is_rooted else names).get(name, own)
        if value is _NOTHING:
            raise Unanswered(f"undeclared reference to '{name}'")
        return given(value)

    return run


_NOTHING = object()


def kept(value: Any) -> Any:
    """Return what becomes a part of a value, charged for if it is a text: each is a copy."""
    if isinstance(value, str | bytes):
        spending.made(len(value))
    return value


def _list(tree: Any, depth: int) -> Code:
    codes = [compiled(one, depth) for one in _arguments(tree.children)]
    return lambda names: ListType([kept(code(names)) for code in codes])


def _map(tree: Any, depth: int) -> Code:
    codes = [compiled(one, depth) for one in _arguments(tree.children)]
    pairs = list(zip(codes[::2], codes[1::2], strict=True))

    def run(names: Names) -> Any:
        found = MapType()
        for key_code, code in pairs:
            key = key_code(names)
            if not MapType.valid_key_type(key):
                raise Unanswered(f"unsupported key type: {type_name(key)}")
            if key in found:
                raise Unanswered("duplicate key")
            found[key] = kept(code(names))
        return found

    return run


def _literal(tree: Any, _depth: int) -> Code:
    token = tree.children[0]
    try:
        value = _LITERALS[token.type](token)
    except ValueError as error:
        raise NoProgram(f"invalid literal: {token}") from error
    return lambda _names: value


_LITERALS: dict[str, Callable[[Any], Any]] = {
    "FLOAT_LIT": lambda token: DoubleType(token.value),
    "INT_LIT": lambda token: IntType(token.value),
    "UINT_LIT": lambda token: UintType(token.value[:-1]),
    "MLSTRING_LIT": celstr,
    "STRING_LIT": celstr,
    "BYTES_LIT": celbytes,
    "BOOL_LIT": lambda token: BoolType(token.value == "true"),
    "NULL_LIT": lambda _token: None,
}


def _no_messages(_tree: Any, _depth: int) -> Code:
    raise NoProgram("there are no message types")


_COMPILE: dict[str, Callable[[Any, int], Code]] = {
    "expr": _condition,
    "conditionalor": _logic("_||_", decides=True),
    "conditionaland": _logic("_&&_", decides=False),
    "relation": _binary,
    "addition": _binary,
    "multiplication": _binary,
    "unary": _unary,
    "member_dot": _member_dot,
    "member_dot_arg": _method,
    "member_index": _member_index,
    "member_object": _no_messages,
    "ident": _ident,
    "dot_ident": _ident,
    "ident_arg": _function,
    "dot_ident_arg": _function,
    "list_lit": _list,
    "map_lit": _map,
    "literal": _literal,
}
