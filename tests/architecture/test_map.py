"""The map of the README and the guarantees of docs/architecture.md lead to what is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

_QUOTED = re.compile(r"`([^`\s]+)`")
_NAME_OF_A_PLACE = re.compile(r"(<app>/)?[\w./-]+(/|\.py|\.md)")


def _rows(document: str, heading: str) -> Iterator[str]:
    section = (ROOT / document).read_text().split(f"\n## {heading}", maxsplit=1)[1]
    for line in section.split("\n## ", maxsplit=1)[0].splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield line


def _lost(row: str) -> Iterator[str]:
    """Yield the places of a row that are not there; a short name is beside the one before it."""
    beside = ROOT
    for name in _QUOTED.findall(row):
        if not _NAME_OF_A_PLACE.fullmatch(name):
            continue
        if name.startswith("<app>/"):
            rest = name.removeprefix("<app>/")
            beside = ROOT
            if not [*ROOT.glob(f"*/{rest}"), *ROOT.glob(f"*/*/{rest}")]:
                yield name
        elif (ROOT / name).exists():
            beside = (ROOT / name).parent
        elif not any(_is_below(name, folder) for folder in (beside, beside.parent)):
            yield name


def _is_below(name: str, folder: Path) -> bool:
    return any(folder.glob(name)) if folder != ROOT else any(ROOT.glob(f"*/{name}"))


@pytest.mark.parametrize(
    ("document", "heading"),
    [("README.md", "The map"), ("docs/architecture.md", "Guarantees, and what proves them")],
)
def test_every_place_that_is_named_is_there(document: str, heading: str) -> None:
    rows = list(_rows(document, heading))

    assert len(rows) > 20
    assert [name for row in rows for name in _lost(row)] == []


def test_a_place_that_is_not_there_is_found() -> None:
    row = "| x | `events/domain/envelope.py`, `nowhere.py`, `<app>/nowhere.py`, `events/nothing/` |"

    assert list(_lost(row)) == ["nowhere.py", "<app>/nowhere.py", "events/nothing/"]
