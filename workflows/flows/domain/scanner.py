"""Locates the error in a malformed JSON document, with the message of Argyll's decoder.

It runs only on a document that is known to be malformed, so it may be slow. It scans byte by
byte, as the original does, with a stack of open brackets.
"""

from dataclasses import dataclass, field

BLANK = " \t\r\n"

_CLOSING = {"{": "}", "[": "]"}
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_ESCAPES = frozenset('"\\/bfnrt')
_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")
_FIRST_PRINTABLE = " "
_ASCII_MAX = 0x7F


class _Broken(Exception):
    pass


class _Ended(Exception):
    """The document ends in the middle."""


def fault(raw: bytes, *, is_whole: bool = False) -> str:
    """Return what is wrong with `raw`; with `is_whole` it must be one value and no more."""
    text = raw.decode("latin-1")
    scan = _Scan(text)
    try:
        scan.value()
        if is_whole:
            scan.end()
    except _Broken as broken:
        return str(broken)
    except _Ended:
        if is_whole:
            return "unexpected end of JSON input"
        return "unexpected EOF" if text.strip(BLANK) else "EOF"
    return "invalid JSON"


@dataclass(slots=True)
class _Scan:
    text: str
    at: int = 0
    open: list[str] = field(default_factory=list)

    def value(self) -> None:
        """Read one value, and all that it contains."""
        self._begin()
        while self.open:
            self._skip_blank()
            if self.open[-1] == "{":
                self._after_member()
            else:
                self._after_element()

    def end(self) -> None:
        """Find nothing more."""
        self._skip_blank()
        if self._peek():
            self.at += 1
            raise self._broken("after top-level value")

    def _begin(self) -> None:
        """Read a value up to where something may follow; brackets only open here."""
        self._skip_blank()
        first = self._next()
        while first in _CLOSING:
            self._skip_blank()
            if self._peek() == _CLOSING[first]:
                self.at += 1
                return
            self.open.append(first)
            if first == "{":
                self._key()
                self._skip_blank()
            first = self._next()
        if first == '"':
            self._string()
        elif first == "-" or first in _DIGITS:
            self._number(first)
        elif first in _LITERALS:
            self._literal(_LITERALS[first])
        else:
            raise self._broken("looking for beginning of value")

    def _key(self) -> None:
        self._skip_blank()
        if self._next() != '"':
            raise self._broken("looking for beginning of object key string")
        self._string()
        self._skip_blank()
        if self._next() != ":":
            raise self._broken("after object key")

    def _after_member(self) -> None:
        match self._next():
            case ",":
                self._key()
                self._begin()
            case "}":
                self.open.pop()
            case _:
                raise self._broken("after object key:value pair")

    def _after_element(self) -> None:
        match self._next():
            case ",":
                self._begin()
            case "]":
                self.open.pop()
            case _:
                raise self._broken("after array element")

    def _string(self) -> None:
        while (character := self._next()) != '"':
            if character < _FIRST_PRINTABLE:
                raise self._broken("in string literal")
            if character == "\\":
                self._escape()

    def _escape(self) -> None:
        character = self._next()
        if character == "u":
            for _ in range(4):
                if self._next() not in _HEX:
                    raise self._broken("in \\u hexadecimal character escape")
        elif character not in _ESCAPES:
            raise self._broken("in string escape code")

    def _number(self, first: str) -> None:
        if first == "-":
            first = self._next()
            if first not in _DIGITS:
                raise self._broken("in numeric literal")
        if first != "0":
            self._digits()
        if self._peek() == ".":
            self.at += 1
            if self._next() not in _DIGITS:
                raise self._broken("after decimal point in numeric literal")
            self._digits()
        if self._peek() in {"e", "E"}:
            self.at += 1
            if self._peek() in {"+", "-"}:
                self.at += 1
            if self._next() not in _DIGITS:
                raise self._broken("in exponent of numeric literal")
            self._digits()

    def _digits(self) -> None:
        while self._peek() in _DIGITS:
            self.at += 1

    def _literal(self, literal: str) -> None:
        for expected in literal[1:]:
            if self._next() != expected:
                raise self._broken(f"in literal {literal} (expecting {_quoted(expected)})")

    def _skip_blank(self) -> None:
        while self._peek() and self._peek() in BLANK:
            self.at += 1

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _next(self) -> str:
        character = self._peek()
        if not character:
            raise _Ended
        self.at += 1
        return character

    def _broken(self, where: str) -> _Broken:
        return _Broken(f"invalid character {_quoted(self.text[self.at - 1])} {where}")


def _quoted(character: str) -> str:
    if character == "'":
        return r"'\''"
    if ord(character) > _ASCII_MAX and not character.isprintable():
        return f"'\\u{ord(character):04x}'"
    return repr(character)
