"""Forms of pages, and what hostile and clumsy hands send instead of what they ask for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import quote_plus, urlencode, urljoin

URLENCODED: Final = "application/x-www-form-urlencoded"
TOKEN: Final = "csrfmiddlewaretoken"
TYPED: Final = frozenset({"text", "number", "email", "url", "textarea"})
LARGE: Final = "x" * 1_000_000

IMPOSSIBLE: Final = {"NUL": "a%00b", "lone surrogate": "%ED%A0%80", "no UTF-8": "%FF%FE"}
"""As they are sent: what no text of the database has."""
ODD: Final = {
    "10^30": "1" + "0" * 30,
    "-0": "-0",
    "NaN": "NaN",
    "infinite": "1e999",
    "nobody's id": "0f0e8a3e-0000-4000-8000-000000000000",
    "no choice": "no-such-choice",
    "year 9999": "9999-12-31T23:59:59Z",
    "year 1": "0001-01-01",
    "deep": quote_plus("[" * 5_000),
    "lines": "a%0D%0Ab",
    "right to left": quote_plus("\N{RIGHT-TO-LEFT OVERRIDE}abc"),
}


@dataclass(slots=True)
class Form:
    """A form as a page shows it: where it is sent, and what it would send now.

    `fields` has what is not sent as it stands as well, with None: boxes that are not ticked.
    """

    page: str
    action: str
    fields: list[tuple[str, str | None]] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)

    @property
    def takes_text(self) -> bool:
        return bool({*self.kinds.values()} & {*TYPED, "password"})

    @property
    def typed(self) -> list[str]:
        """Return the names of what a person writes, and would not like to write again."""
        return [name for name, kind in self.kinds.items() if kind in TYPED]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.fields if name != TOKEN))

    @property
    def filled(self) -> list[tuple[str, str]]:
        return [(name, text) for name, text in self.fields if text is not None and name != TOKEN]

    def as_shown(self, *, without: str = "") -> str:
        """Return the body that a browser would send, or that without one of the fields."""
        return urlencode([pair for pair in self.filled if pair[0] != without])

    def full_of(self, text: str) -> str:
        """Return a body with `text` (as it is sent) in every field."""
        return "&".join(f"{quote_plus(name)}={text}" for name in self.names)

    def written_with(self, text: str) -> str:
        """Return the body that a browser would send, with `text` (as it is sent) typed all over."""
        typed = self.typed
        kept = urlencode([pair for pair in self.filled if pair[0] not in typed])
        return "&".join([kept, *(f"{quote_plus(name)}={text}" for name in typed)])

    def but_for(self, name: str, text: str) -> str:
        """Return the body that a browser would send, with `text` (as it is sent) in one field."""
        return f"{self.as_shown(without=name)}&{quote_plus(name)}={text}"

    def twice(self) -> str:
        """Return a body in which every field is sent a second time, as something else."""
        return f"{self.as_shown()}&{self.full_of('second')}"


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.found = page, list[Form]()
        self._form: Form | None = None
        self._select, self._chosen, self._text = "", "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name, value = attributes.get("name") or "", attributes.get("value")
        if tag == "form":
            self._form = Form(self.page, urljoin(self.page, attributes.get("action") or self.page))
            if (attributes.get("method") or "").lower() == "post":
                self.found.append(self._form)
        elif tag == "option" and self._select and (not self._chosen or "selected" in attributes):
            self._chosen = value or ""
        if self._form is None or not name:
            return
        # What stands for rows that are yet to be is in no form that a browser sends.
        if name != TOKEN and "__prefix__" not in name:
            self._form.kinds[name] = attributes.get("type") or "text" if tag == "input" else tag
        if tag == "select":
            self._select, self._chosen = name, ""
        elif tag == "textarea":
            self._text = name
            self._form.fields.append((name, ""))
        elif tag in {"input", "button"}:
            is_choice = attributes.get("type") in {"checkbox", "radio"}
            is_open = is_choice and "checked" not in attributes
            sent = "on" if is_choice and value is None else value or ""
            self._form.fields.append((name, None if is_open else sent))

    def handle_data(self, data: str) -> None:
        if self._text and self._form is not None:
            name, text = self._form.fields.pop()
            self._form.fields.append((name, f"{text or ''}{data}"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select and self._form is not None:
            self._form.fields.append((self._select, self._chosen))
            self._select = ""
        elif tag == "textarea":
            self._text = ""
        elif tag == "form":
            self._form = None


def forms_on(page: str, markup: str) -> list[Form]:
    """Return the forms of a page that change something: those that are sent by POST."""
    reader = _Reader(page)
    reader.feed(markup)
    return reader.found


def each_kind_with_some(
    forms: Sequence[Form], texts: Mapping[str, str]
) -> Iterator[tuple[Form, str, str]]:
    """Return few bodies, in which every text meets every other kind of field, in the fewest forms,
    and every kind every other text.

    Kinds of the admin and of the console are two: they are made by other hands.
    """
    kinds = sorted({kind for form in forms for kind in _kinds_of(form)})
    for turn, (what, text) in enumerate(texts.items()):
        unmet = set(kinds[turn % 2 :: 2])
        while unmet:
            form = max(forms, key=lambda each: (len(unmet & _kinds_of(each)), -len(each.names)))
            unmet -= _kinds_of(form)
            yield form, what, form.full_of(text)


def _kinds_of(form: Form) -> set[tuple[bool, str]]:
    kinds = {*form.kinds.values()} - {"submit", "button"}
    return {(form.page.startswith("/admin/"), kind) for kind in kinds}


def clumsy(form: Form) -> Iterator[tuple[str, str]]:
    """Return bodies that slips and old pages send: nothing, a field missing, a field twice."""
    yield "nothing", ""
    yield "each twice", form.twice()
    for name in form.names:
        yield f"without {name}", form.as_shown(without=name)


def hostile(form: Form) -> Iterator[tuple[str, str]]:
    """Return bodies full of what none of the fields asks for."""
    for what, text in {**IMPOSSIBLE, **ODD}.items():
        yield what, form.full_of(text)
    if form.names:
        yield "large", form.but_for(form.names[0], LARGE)


def hostile_in_each(form: Form, *, at_most: int) -> Iterator[tuple[str, str]]:
    """Return what `hostile` does, in one field at a time: the others as they stand.

    Of the fields of a form with more than `at_most`, some are passed over, evenly.
    """
    for name in form.names[:: 1 + len(form.names) // at_most]:
        for what, text in {**IMPOSSIBLE, **ODD}.items():
            yield f"{what} as {name}", form.but_for(name, text)
