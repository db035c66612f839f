"""Text to forms. Linear, with positions in what is refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workflows.flows.languages.ale.values import AleError, Keyword, List, Pair, Symbol

SOURCE_CHARS_MAX = 64 << 10
DEPTH_MAX = 100

_TOKEN = re.compile(
    r"""
    (?P<space>[\s]+|;[^\n]*)
  | (?P<open>\#\{|\#b\[|[\(\[\{])
  | (?P<close>[\)\]\}])
  | (?P<text>"(?:\\.|[^"\\])*")
  | (?P<mark>'|`|,@|,)
  | (?P<word>[^\s()\[\]{}"'`,;]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(?:0x[0-9a-fA-F]+|0b[01]+|\d+/\d+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "s": " "}
_MARKS = {"'": "quote", "`": "quasi-quote", ",": "unquote", ",@": "splice"}
_CLOSING = {"(": ")", "[": "]", "{": "}", "#{": "}", "#b[": "]"}
_WHAT = {"(": "list", "[": "vector", "{": "object", "#{": "set", "#b[": "bytes"}
_CONSTANTS = {"#t": True, "#f": False, "true": True, "false": False, "null": List()}


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector as written: its elements are evaluated."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Object:
    """An object as written: keys and values are evaluated."""

    pairs: tuple[tuple[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Set:
    """A set as written."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int


def read(source: str, *, column: int = 0) -> list[Any]:
    """Return the forms of a program; its first line begins after `column` columns.

    :raises AleError: if it is not one.
    """
    if len(source) > SOURCE_CHARS_MAX:
        raise AleError(f"program too long: more than {SOURCE_CHARS_MAX} characters")
    tokens = list(_tokens(source, column))
    reader = _Reader(tokens)
    forms = []
    while reader.has_more:
        forms.append(reader.form(0))
    return forms


def _tokens(source: str, column: int) -> Iterator[_Token]:
    at, line, start = 0, 1, -column
    while at < len(source):
        if source.startswith("#|", at):
            end = _comment_end(source, at)
            if end < 0:
                raise AleError(f"comment not closed (line {line}, column {at - start + 1})")
            line += source.count("\n", at, end)
            start = max(start, source.rfind("\n", at, end) + 1)
            at = end + 2
            continue
        found = _TOKEN.match(source, at)
        if found is None:
            what = "string not closed" if source[at] == '"' else f"unexpected {source[at]}"
            raise AleError(f"{what} (line {line}, column {at - start + 1})")
        kind = found.lastgroup or ""
        if kind != "space":
            yield _Token(kind, found[0], line, at - start + 1)
        if "\n" in found[0]:
            line += found[0].count("\n")
            start = at + found[0].rindex("\n") + 1
        at = found.end()


def _comment_end(source: str, at: int) -> int:
    """Return where the comment that begins at `at` ends, with those within it."""
    depth = 0
    for mark in _COMMENT_MARK.finditer(source, at):
        depth += 1 if mark[0] == "#|" else -1
        if depth == 0:
            return mark.start()
    return -1


_COMMENT_MARK = re.compile(r"#\||\|#")


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    @property
    def has_more(self) -> bool:
        return self._next < len(self._tokens)

    def form(self, depth: int) -> Any:
        if depth > DEPTH_MAX:
            raise AleError(f"nested too deep: more than {DEPTH_MAX} levels")
        token = self._take()
        match token.kind:
            case "open":
                return self._collection(token, depth)
            case "close":
                raise AleError(f"unmatched {token.text} (line {token.line}, column {token.column})")
            case "text":
                return _text(token.text)
            case "mark":
                if not self.has_more:
                    at = f"line {token.line}, column {token.column}"
                    raise AleError(f"nothing to {_MARKS[token.text]} ({at})")
                return List((Symbol(_MARKS[token.text]), self.form(depth + 1)))
            case _:
                return _atom(token.text)

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _collection(self, opened: _Token, depth: int) -> Any:
        items: list[Any] = []
        while True:
            if not self.has_more:
                last = self._tokens[-1]
                column = last.column + len(last.text)
                what = _WHAT[opened.text]
                raise AleError(f"{what} not closed (line {last.line}, column {column})")
            if self._tokens[self._next].text == _CLOSING[opened.text]:
                self._next += 1
                return _made(opened.text, items)
            items.append(self.form(depth + 1))


def _made(opened: str, items: list[Any]) -> Any:
    match opened:
        case "[":
            return Vector(tuple(items))
        case "#{":
            return Set(tuple(items))
        case "#b[":
            return List((Symbol("bytes"), *items))
        case "{":
            if len(items) % 2:
                raise AleError("map does not contain an even number of elements")
            return Object(tuple(zip(items[::2], items[1::2], strict=True)))
        case _ if len(items) == 3 and items[1] == Symbol("."):  # noqa: PLR2004 (a pair)
            return Pair((items[0], items[2]))
        case _:
            return List(items)


def _text(token: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token[1:-1])


def _atom(word: str) -> Any:
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if word.startswith(":") and len(word) > 1:
        return Keyword(word[1:])
    if _NUMBER.fullmatch(word):
        return _number(word)
    return Symbol(word)


def _number(word: str) -> Any:
    if "/" in word:
        try:
            ratio = Fraction(word)
        except ZeroDivisionError:
            raise AleError(f"value is not a ratio: {word}") from None
        return ratio.numerator if ratio.denominator == 1 else ratio
    unsigned = word.lstrip("+-")
    if unsigned[:2] in {"0x", "0b"}:
        return int(word, 0)
    if unsigned.isdigit():
        return int(word, 8) if len(unsigned) > 1 and unsigned[0] == "0" else int(word)
    return float(word)
