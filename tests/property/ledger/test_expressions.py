"""Closures say what the library's own evaluator says, of any expression and any document."""

from functools import cache
from typing import Any

import celpy
from celpy.adapter import json_to_cel
from celpy.celparser import CELParser
from celpy.celtypes import BoolType
from celpy.evaluation import CELEvalError
from hypothesis import given
from hypothesis import strategies as st

from ledger.expressions import macros  # noqa: F401 (registers them)
from ledger.expressions.program import Program
from ledger.expressions.refusals import Unanswered

ENVIRONMENT = celpy.Environment()
NO_ANSWER = "no answer"


def made_of(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda chosen: template.format(*chosen))


@cache
def expressions(kind: str, depth: int) -> st.SearchStrategy[str]:
    """Return texts of a kind of value, some of which have no answer over some documents."""
    leaves = st.sampled_from(LEAVES[kind])
    if depth == 0:
        return leaves
    number, truth, text, items = (
        expressions(each, depth - 1) for each in ("number", "truth", "text", "items")
    )
    plain_text = st.sampled_from(LEAVES["text"])
    choice = made_of("({} ? {} : {})", truth, *[expressions(kind, depth - 1)] * 2)
    compared = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    forms = {
        "number": [
            made_of("({} {} {})", number, st.sampled_from(["+", "-", "*", "/", "%"]), number),
            made_of("-({})", number),
            made_of("size({})", items | text),
            made_of("{}[{}]", items, st.sampled_from("013")),  # It takes -1 for the last one.
        ],
        "truth": [
            made_of("({} {} {})", truth, st.sampled_from(["&&", "||"]), truth),
            made_of("!({})", truth),
            made_of("({} {} {})", number, compared, number),
            made_of("({} {} {})", text, compared, text),
            made_of("({} {} {})", items, st.sampled_from(["==", "!="]), items),
            made_of("({} in {})", number, items),
            made_of("{}.{}(i, {})", items, st.sampled_from(["all", "exists", "exists_one"]), truth),
            # Its sums of texts have no methods.
            made_of("{}.{}({})", plain_text, st.sampled_from(["contains", "startsWith"]), text),
        ],
        "text": [made_of("({} + {})", text, text), made_of("string({})", number)],
        "items": [
            made_of("({} + {})", items, items),
            made_of("[{}, {}]", number, number),
            made_of("{}.filter(i, {})", items, truth),
            made_of("{}.map(i, {})", items, number),
        ],
    }
    return st.one_of(leaves, choice, *forms[kind])


LEAVES = {
    "number": ["0", "1", "3", "n", "order.n", "order.missing", "i", "order['n']"],
    "truth": ["true", "false", "b", "has(order.n)", "has(order.missing)", "'n' in order", "nobody"],
    "text": ["'a'", "'é'", "s", "order.s"],
    "items": ["[]", "l", "order.l"],
}
small = st.integers(-2, 3)
lists = st.lists(small, max_size=3)
documents = st.fixed_dictionaries(
    {
        "n": small,
        "b": st.booleans(),
        "s": st.sampled_from(["", "a", "ab"]),
        "l": lists,
        "order": st.fixed_dictionaries({"n": small, "s": st.just("b"), "l": lists}),
    }
)


@given(st.sampled_from(list(LEAVES)).flatmap(lambda kind: expressions(kind, 3)), documents)
def test_are_answered_as_by_the_library(source: str, document: dict[str, Any]) -> None:
    assert ours(source, document) == the_librarys(source, document)


def ours(source: str, document: dict[str, Any]) -> Any:
    try:
        return plain(Program(CELParser().parse(source)).evaluate(document))
    except Unanswered:
        return NO_ANSWER


def the_librarys(source: str, document: dict[str, Any]) -> Any:
    program = ENVIRONMENT.program(ENVIRONMENT.compile(source))
    try:
        return plain(program.evaluate({name: json_to_cel(each) for name, each in document.items()}))
    except CELEvalError:
        return NO_ANSWER


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(each) for each in value]
    return next(kind(value) for kind in (BoolType, int, str) if isinstance(value, kind))
