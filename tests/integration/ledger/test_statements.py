import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.domain.action import Action, Kind, Target, plain
from ledger.domain.reversals import Declaration, ReversalKind
from ledger.models import Entry
from ledger.recording import recorded

pytestmark = pytest.mark.django_db(transaction=True)

CLERK = Principal(kind=PrincipalKind.USER, id="7")
OF_THE_ROW = {"created_at", "transaction_id", "body", "digest", "entry_id", "organization_id"}


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK, correlation_id="cor_test"):
        yield


def an_action(**facts: Any) -> Action:
    return Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
        **facts,
    )


def assert_columns_say_what_the_body_says(entry_id: UUID) -> None:
    entry = Entry.objects.select_related("mutation").get(pk=entry_id)
    body = json.loads(bytes(entry.body))
    for row in (entry, entry.mutation):
        for name in {field.attname for field in row._meta.fields} - OF_THE_ROW:
            empty = ReversalKind.NONE if name == "reversal_kind" else None
            assert plain(getattr(row, name) or empty) == body.get(name, empty), name


class TestTheColumnsOfAnEntry:
    def test_say_what_its_body_says_and_are_empty_otherwise(self) -> None:
        with recorded(an_action(risk_facts={"amount_cents": 5})) as proof:
            proof.says("Did it.")

        assert_columns_say_what_the_body_says(proof.entry_id)

    def test_say_so_too_of_what_can_be_undone(self) -> None:
        way_back = Declaration(kind=ReversalKind.REVERT, command="thing.undo", version=1)
        with recorded(an_action(reason="because", workflow_run_id="trip")) as proof:
            proof.can_be_undone(way_back)
            proof.weighs(amount_cents=7)

        assert_columns_say_what_the_body_says(proof.entry_id)
        assert Entry.objects.get(pk=proof.entry_id).mutation.risk_facts == {"amount_cents": 7}
