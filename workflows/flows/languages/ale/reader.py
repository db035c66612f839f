"""Text to forms. Linear, with positions in what is refused."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

from workflows.flows.languages.ale.values import AleError, Keyword, List, Pair, Symbol

SOURCE_CHARS_MAX = 64 << 10
DEPTH_MAX = 100

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|;[^\n]*)
  | (?P<open>\#\{|\#b\[|[\(\[\{])
  | (?P<close>[\)\]\}])
  | (?P<text>"(?:\\.|[^"\\])*")
  | (?P<mark>'|`|,@|,)
  | (?P<word>[^\s()\[\]{}"'`,@;][^\s()\[\]{}"]*)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_RATIO = re.compile(r"[+-]?(?:0|[1-9]\d*)/\d+", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)", re.ASCII)
_INTEGER = re.compile(r"[+-]?(?:0[bB]\d+|0[xX][\da-fA-F]+|\d+)", re.ASCII)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "s": " ", "t": "\t"}
_MARKS = {"'": "quote", "`": "quasi-quote", ",": "unquote", ",@": "splice"}
_MARK_NAMES = {"'": "quote", "`": "syntax-quote", ",": "unquote", ",@": "unquote-splicing"}
_CLOSING = {"(": ")", "[": "]", "{": "}", "#{": "}", "#b[": "]"}
_WHAT = {"(": "list", "[": "vector", "{": "object", "#{": "set", "#b[": "vector"}
_ENDS = {")": "list", "]": "vector", "}": "object"}
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


def read(source: str) -> list[Any]:
    """Return the forms of a text.

    :raises AleError: if it is not one.
    """
    reader = _Reader(_tokens(source, column=0))
    forms = []
    while reader.peek() is not None:
        forms.append(reader.form(0))
    return forms


def read_body(source: str, parameters: Sequence[str]) -> list[Any]:
    """Return the forms of a program with these parameters.

    The original reads it in the midst of a lambda, so its columns begin behind `(lambda (...) `,
    and a bracket that the program does not close meets the one that closes the lambda.

    :raises AleError: if it is not one.
    """
    names = f"({' '.join(parameters)})"
    column = len(f"(lambda {names} ".encode())
    lines = source.split("\n")
    end = len(lines[-1].encode(errors="replace")) + (column if len(lines) == 1 else 0) + 1
    closing = _Token("close", ")", len(lines), end)
    reader = _Reader(chain(_tokens(source, column=column), [closing]))
    forms: list[Any] = []
    while (token := reader.peek()) is not None:
        if token is closing:
            return forms
        if token.text == ")" and token.kind == "close":
            if not forms:
                raise AleError(f"no parameter case body: {names}")
            raise _located("unmatched list end", closing)
        forms.append(reader.form(0))
    raise _located("list not closed", closing)


def _located(message: str, token: _Token) -> AleError:
    return AleError(f"{message} (line {token.line}, column {token.column})")


def _tokens(source: str, *, column: int) -> Iterator[_Token]:
    """Yield what a text consists of, up to its first fault. Columns count bytes, from 1."""
    if len(source) > SOURCE_CHARS_MAX:
        raise AleError(f"program too long: more than {SOURCE_CHARS_MAX} characters")
    at, line, column = 0, 1, column + 1
    while at < len(source):
        kind, text = _next_token(source, at)
        if kind != "space":
            yield _Token(kind, text, line, column)
        at += len(text)
        line += text.count("\n")
        behind = text.rsplit("\n", 1)[-1]
        column = len(behind.encode(errors="replace")) + (1 if "\n" in text else column)


def _next_token(source: str, at: int) -> tuple[str, str]:
    """Return the kind and the text of a token; of a fault, what it is."""
    if source.startswith("|#", at):
        return "fault", "encountered '|#' with no open block comment"
    if source.startswith("#|", at):
        end = _comment_end(source, at)
        return ("space", source[at:end]) if end > 0 else ("fault", "comment has no closing marker")
    found = _TOKEN.match(source, at)
    if found is not None:
        return found.lastgroup or "", found[0]
    if source[at] == '"':
        return "fault", "string has no closing quote"
    return "fault", f"unexpected characters: {source[at]}"


def _comment_end(source: str, at: int) -> int:
    """Return where the comment that begins at `at` ends, with those within it; else -1."""
    depth = 0
    for mark in _COMMENT_MARK.finditer(source, at):
        depth += 1 if mark[0] == "#|" else -1
        if depth == 0:
            return mark.end()
    return -1


_COMMENT_MARK = re.compile(r"#\||\|#")


class _Reader:
    def __init__(self, tokens: Iterator[_Token]) -> None:
        self._tokens = tokens
        self._ahead: _Token | None = None
        self._last: _Token | None = None
        self._marks = 0

    def peek(self) -> _Token | None:
        """Return the next token without taking it; None at the end."""
        if self._ahead is None:
            self._ahead = next(self._tokens, None)
        return self._ahead

    def form(self, depth: int) -> Any:
        if depth > DEPTH_MAX:
            raise AleError(f"nested too deep: more than {DEPTH_MAX} levels")
        token = self._take()
        match token.kind:
            case "open":
                return self._collection(token, depth)
            case "close":
                raise self._fault(f"unmatched {_ENDS[token.text]} end")
            case "fault":
                raise self._fault(token.text)
            case "text":
                return _text(token.text)
            case "mark":
                return self._marked(token.text, depth)
            case _ if token.text == ".":
                raise self._fault("unexpected dot")
            case _:
                return self._atom(token.text)

    def _take(self) -> _Token:
        token = self.peek()
        assert token is not None, "asked only if there is one"
        self._ahead, self._last = None, token
        return token

    def _fault(self, message: str) -> AleError:
        """Return an error with the place of the token taken last: once more for each mark before
        it, as the original tells it."""
        assert self._last is not None, "a fault is found in what was taken"
        place = f" (line {self._last.line}, column {self._last.column})"
        return AleError(message + place * (1 + self._marks))

    def _marked(self, mark: str, depth: int) -> Any:
        if self.peek() is None:
            raise self._fault(f"end of file before completing: ale/{_MARK_NAMES[mark]}")
        self._marks += 1
        form = self.form(depth + 1)
        self._marks -= 1
        return List((Symbol(_MARKS[mark]), form))

    def _collection(self, opened: _Token, depth: int) -> Any:
        items: list[Any] = []
        dots = 0
        while (token := self.peek()) is not None:
            if token.kind == "close" and token.text == _CLOSING[opened.text]:
                self._take()
                return self._closed(opened.text, items, dots)
            if opened.text == "(" and token.text == "." and token.kind == "word":
                self._take()
                dots += 1
                if not items or dots > 1:
                    raise self._fault("invalid list syntax")
                items.append(Symbol("."))
                continue
            items.append(self.form(depth + 1))
        raise self._fault(f"{_WHAT[opened.text]} not closed")

    def _closed(self, opened: str, items: list[Any], dots: int) -> Any:
        if dots and (len(items) < 3 or items[-2] != Symbol(".")):  # noqa: PLR2004 (a pair)
            raise self._fault("invalid list syntax")
        if opened == "{" and len(items) % 2:
            raise self._fault("map does not contain an even number of elements")
        return _made(opened, items)

    def _atom(self, word: str) -> Any:
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if word.startswith(":") and len(word) > 1:
            return Keyword(word[1:])
        for pattern, what, number in _NUMBERS:
            if found := pattern.match(word):
                if found[0] != word or (value := number(word)) is None:
                    raise self._fault(f"value is not {what}: {word}")
                return value
        return Symbol(word)


def _made(opened: str, items: list[Any]) -> Any:
    match opened:
        case "[":
            return Vector(tuple(items))
        case "#{":
            return Set(tuple(items))
        case "#b[":
            return List((Symbol("bytes"), *items))
        case "{":
            return Object(tuple(zip(items[::2], items[1::2], strict=True)))
        case _ if len(items) == 3 and items[1] == Symbol("."):  # noqa: PLR2004 (a pair)
            return Pair((items[0], items[2]))
        case _:
            return List(items)


def _text(token: str) -> str:
    escaped = re.compile(r"\\(.)", re.DOTALL)
    return escaped.sub(lambda found: _ESCAPES.get(found[1], found[1]), token[1:-1])


def _ratio(word: str) -> int | Fraction | None:
    try:
        ratio = Fraction(word)
    except ZeroDivisionError:
        return None
    return ratio.numerator if ratio.denominator == 1 else ratio


def _integer(word: str) -> int | None:
    digits = word.lstrip("+-")
    try:
        if len(digits) > 1 and digits.isdigit() and digits[0] == "0":
            return int(word, 8)
        return int(word, 0)
    except ValueError:
        return None


_NUMBERS: tuple[tuple[re.Pattern[str], str, Callable[[str], Any]], ...] = (
    (_RATIO, "a ratio", _ratio),
    (_FLOAT, "a float", float),
    (_INTEGER, "an integer", _integer),
)
