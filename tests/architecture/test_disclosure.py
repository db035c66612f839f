"""Who may open what is sealed, and how agents' reads get on record, can be read off the code."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.access.authority import AUTHENTICATED
from tests.architecture.source import ROOT, mentions, tree_of
from tests.architecture.test_routes import ROUTES, cls

OPENERS = {"unseal", "open", "content_of", "kept_by", "live_secrets"}
"""The names of what returns private values in clear."""

OPEN_SEALED_THINGS = {
    # The vaults themselves, and what binds them to a row.
    "commerce/vault.py",
    "ledger/privacy/payloads.py",
    "ledger/privacy/subjects.py",
    # Shown masked, or after the entry.
    "commerce/api/serializers/bookings.py",
    "ledger/api/views/payloads.py",
    "commerce/api/views/documents.py",
    # What is asked for and how its target was found: without personal values, for who decides.
    "ledger/approving/asking.py",
    "ledger/approving/staleness.py",
    "ledger/api/serializers/approvals.py",
    "ledger/services/approvals.py",
    "console/views/approvals.py",
    # Certificates of erasures: what was forgotten where, without what it was.
    "ledger/services/erasures.py",
    # Used and not shown: to send, to sign, to merge, to mask, to undo, to find and forget.
    "commerce/documents.py",
    "commerce/services/name_screening.py",
    "commerce/people.py",
    "ledger/places.py",
    "commerce/services/deliveries.py",
    "commerce/services/travellers.py",
    "ledger/reversing/previews.py",
    "workflows/webhooks/selectors.py",
    "workflows/webhooks/delivery.py",
    # Opened to see whether it can be.
    "workflows/webhooks/vault.py",
    "ledger/services/payloads.py",
}
WITH_ENTRIES_OF_THEIR_OWN = {"SocketTickets.post", "ApprovalViewSet.cancel"}
"""Agents get no tickets; withdrawing appends an entry."""


def product_files() -> Iterator[Path]:
    for app in ("commerce", "config", "console", "events", "ledger", "workflows"):
        files = (ROOT / app).rglob("*.py")
        yield from (path for path in files if path.parent.name != "migrations")


def opens_something(path: Path) -> bool:
    """Return whether a module calls one of the openers as somebody's attribute or by name."""
    if not mentions(path, OPENERS):
        return False
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and called.attr in OPENERS - {"open"}:
                return True
            if isinstance(called, ast.Name) and called.id in OPENERS - {"open"}:
                return True
        if isinstance(node, ast.Attribute) and node.attr == "open" and _is_envelope(node):
            return True
    return False


def _is_envelope(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in {"personal", "contact", "envelope"}


def test_what_opens_sealed_things_is_known() -> None:
    found = {str(path.relative_to(ROOT)) for path in product_files() if opens_something(path)}

    assert found == OPEN_SEALED_THINGS


def test_the_walk_finds_a_module_that_opens_something(tmp_path: Path) -> None:
    path = tmp_path / "leak.py"
    path.write_text("def leak(row):\n    return vault.unseal(row.sealed, of='x')\n")

    assert opens_something(path)


def declared_by(view: Any) -> dict[str, str]:
    declared = getattr(view, "capabilities", None)
    return declared if isinstance(declared, dict) else {}


OPEN_TO_ALL = {
    cls(view) for view in ROUTES.values() if AUTHENTICATED in declared_by(cls(view)).values()
}


@pytest.mark.parametrize("view", sorted(OPEN_TO_ALL, key=str), ids=lambda view: view.__name__)
def test_what_any_agent_may_ask_for_says_how_it_gets_on_record(view: type) -> None:
    open_to_all = {name for name, needs in declared_by(view).items() if needs == AUTHENTICATED}
    noted = {*getattr(view, "noted_as", {}), *getattr(view, "discloses", ())}
    known = {each.split(".")[1] for each in WITH_ENTRIES_OF_THEIR_OWN if view.__name__ in each}

    assert open_to_all == noted | known
