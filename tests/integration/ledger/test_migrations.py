from importlib import import_module

import pytest
from django.db import connection

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.domain.action import Action, Kind, Target
from ledger.domain.reversals import Declaration, ReversalKind
from ledger.models import Mutation
from ledger.recording import recorded

pytestmark = pytest.mark.django_db

CLERK = Principal(kind=PrincipalKind.USER, id="7")


def test_what_changes_add_moves_into_their_entries_and_back() -> None:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
        risk_facts={"amount_cents": 5},
    )
    with context.acting(CLERK), recorded(action) as proof:
        proof.says("Did it.")
        proof.can_be_undone(
            Declaration(
                kind=ReversalKind.REVERT,
                command="thing.undo",
                version=1,
                follow_ups=("Tell them.",),
            )
        )
    [told] = Mutation.objects.values()
    assert (told["summary"], told["reversal_follow_ups"]) == ("Did it.", ["Tell them."])
    move = import_module("ledger.migrations.0121_a_change_is_told_in_its_entry").MutationsMove()

    kinds = []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for way in (move.database_backwards, move.database_forwards):
            with connection.schema_editor(atomic=False) as editor:
                way("ledger", editor)
            assert list(Mutation.objects.values()) == [told]
            cursor.execute("SELECT relkind FROM pg_class WHERE relname = 'ledger_mutation'")
            kinds += cursor.fetchall()

    assert kinds == [("r",), ("v",)]
