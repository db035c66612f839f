"""Every item of docs/acceptance.md names tests, and every test that it names is there."""

import ast
import re

from tests.architecture.source import ROOT, tree_of

DOCUMENT = ROOT / "docs/acceptance.md"
_ROW = re.compile(r"^\| ([SA]?\d+) \| .+ \| (.+) \|$", re.MULTILINE)
_NAMED = re.compile(r"`(tests/[^`]+)`")
ITEMS = {
    *(str(number) for number in range(1, 36)),
    *(f"S{number}" for number in range(1, 9)),
    *(f"A{number}" for number in range(1, 35)),
}


def named() -> dict[str, list[str]]:
    """Return the tests that are named for each item."""
    return {item: _NAMED.findall(tests) for item, tests in _ROW.findall(DOCUMENT.read_text())}


def is_there(test: str) -> bool:
    """Return whether a test, as pytest names it, is written in its file."""
    file, *names = test.split("::")
    if not (ROOT / file).is_file():
        return False
    body: list[ast.stmt] = tree_of(ROOT / file).body
    for name in names:
        found = [each for each in body if getattr(each, "name", None) == name]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return names[-1].startswith("test_")


def test_every_item_names_a_test() -> None:
    assert {item for item, tests in named().items() if tests} == ITEMS


def test_every_test_that_is_named_is_there() -> None:
    missing = [test for tests in named().values() for test in tests if not is_there(test)]

    assert missing == []


def test_a_test_that_is_not_there_is_noticed() -> None:
    [first, *_] = named()["1"]

    assert is_there(first)
    assert not is_there(f"{first}_elsewhere")
    assert not is_there(first.replace("::", "::Another::", 1))
    assert not is_there("tests/nowhere.py::test_nothing")
