"""Whatever changes something can be answered for: by capability, and by entry."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib import admin

from ledger import capabilities
from ledger.domain.capability import PEOPLE
from tests.architecture.source import Function, functions, name_of, service_files
from workflows.work import registry

UNRECORDED = {"idempotency.transaction()", "transaction.atomic(durable=True)"}
WITH_A_RECORD_OF_THEIR_OWN = {
    # Whatever a flow does is in its journal: every event names who and why.
    "workflows/flows/services.py",
    # The row of work is the record of who wanted it; what it does has an entry of its own.
    "workflows/work/services.py",
    # A seal is made of entries, and an approval appends an entry at each of its steps.
    "ledger/services/seals.py",
    "ledger/services/approvals.py",
    # Each step of a reversal appends an entry; what is made anew follows from entries.
    "ledger/services/reversals.py",
}
FOR_PEOPLE_ONLY = (
    "api_key.",
    "agent.create",
    "agent.stop",
    "agent.administer",
    "delegation.",
    "document_access.manage",
    "approval.decide",
    "approval_policy.draft",
    "approval_policy.activate",
)


def with_statements(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.With):
            for item in node.items:
                yield ast.unparse(item.context_expr)


def unrecorded(path: Path) -> set[str]:
    """Return the functions that change something in a transaction that records nothing."""
    return {
        function.name for function in functions(path) if UNRECORDED & set(with_statements(function))
    }


@pytest.mark.parametrize(
    "path",
    [path for path in service_files() if name_of(path) not in WITH_A_RECORD_OF_THEIR_OWN],
    ids=name_of,
)
def test_every_service_that_changes_something_puts_it_on_record(path: Path) -> None:
    assert unrecorded(path) == set()


def test_the_walk_finds_a_service_that_records_nothing(tmp_path: Path) -> None:
    path = tmp_path / "services.py"
    path.write_text("def sell():\n    with idempotency.transaction():\n        pass\n")

    assert unrecorded(path) == {"sell"}


def actions_of_the_admin() -> Iterator[tuple[str, object]]:
    for model, page in admin.site._registry.items():
        for action in page.actions or ():
            function = action if callable(action) else getattr(page, action)
            yield f"{model.__name__}.{function.__name__}", function


@pytest.mark.parametrize(
    "action",
    [each for _, each in actions_of_the_admin()],
    ids=[name for name, _ in actions_of_the_admin()],
)
def test_every_admin_action_names_a_capability(action: object) -> None:
    known = {capability.id for capability in capabilities.every()}

    assert getattr(action, "needs", None) in known


def test_every_kind_of_work_names_a_capability() -> None:
    known = {capability.id for capability in capabilities.every()}
    # Those of tests are registered in the same process.
    kinds = [kind for kind in registry.all_kinds() if not kind.name.startswith(("lab.", "tale."))]

    assert kinds
    assert {kind.name for kind in kinds if kind.capability not in known} == set()


def test_what_is_for_people_is_never_for_agents() -> None:
    found = [each for each in capabilities.every() if each.id.startswith(FOR_PEOPLE_ONLY)]

    assert {each.id for each in found if "agent" in each.principals} == {"api_key.read"}
    assert "agent" not in PEOPLE


def test_capabilities_ask_for_others_that_there_are() -> None:
    known = {capability.id for capability in capabilities.every()}

    for capability in capabilities.every():
        assert capability.all_of | capability.any_of <= known, capability.id
        assert capability.reversal in known | {""}, capability.id
