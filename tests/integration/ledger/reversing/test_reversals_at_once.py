"""What is done to an original while it is being undone, and two who undo parts of a chain."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection

from events import context
from events.domain.principal import SYSTEM
from ledger import verifier
from ledger.models import Entry, Mutation
from ledger.sealing import exporting
from ledger.services import seals
from ledger.services.amendments import amend_entry
from tests.integration.commerce.acting import DONE, race
from tests.integration.ledger.approvals import acting
from tests.integration.ledger.at_once import ending
from tests.integration.ledger.beacon import standing_of, turn, turn_back
from tests.integration.ledger.conftest import grant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("new_beacon")]

REFUSALS = {"reversal_preview_stale", "reversal_exceeds_original", "reversal_already_reversed"}


@pytest.fixture
def chief(alice: User) -> User:
    return grant(alice, "ledger.reverse", "api_key.revoke", "ledger.amend")


def turned(by: User, cents: int) -> UUID:
    with acting(by):
        return turn(amount_cents=cents)


def undone_cents(entry_id: UUID) -> int:
    rows = Mutation.objects.filter(reverses=entry_id)
    return sum(rows.values_list("reversed_cents", flat=True))


class TestPartsAtOnce:
    def test_never_give_back_more_than_there_was(self, chief: User) -> None:
        entry_id = turned(chief, 100)

        ends = race(*[lambda: turn_back(entry_id, chief, amount_cents=40)] * 4)

        assert set(ends) <= {DONE, *REFUSALS}
        assert 1 <= ends.count(DONE) <= 2
        assert standing_of(entry_id).done_cents == undone_cents(entry_id) == 40 * ends.count(DONE)

    def test_of_an_original_and_of_what_undid_it_are_two_accounts(self, chief: User) -> None:
        entry_id = turned(chief, 100)
        first = turn_back(entry_id, chief, amount_cents=60).reversal_id

        ends = race(
            lambda: turn_back(entry_id, chief, amount_cents=30),
            lambda: turn_back(entry_id, chief, amount_cents=30),
            lambda: turn_back(first, chief, amount_cents=40),
            lambda: turn_back(first, chief, amount_cents=40),
        )

        assert set(ends) <= {DONE, *REFUSALS}
        assert DONE in ends
        of_original, of_first = standing_of(entry_id), standing_of(first)
        assert of_original.done_cents == undone_cents(entry_id) <= 100
        assert of_first.done_cents == undone_cents(first) <= 60
        assert ends.count(DONE) == of_original.steps - 1 + of_first.steps


def test_a_correction_of_the_original_does_not_wait_for_its_reversal(
    chief: User, tmp_path: Path
) -> None:
    entry_id = turned(chief, 100)
    corrections: list[str] = []

    def correct() -> None:
        with acting(chief):
            amend_entry(entry_id=entry_id, reason="It was the other beacon.")

    def beforehand(execute: Any, sql: str, *rest: Any) -> Any:
        # The reversal has locked the standing of the original, and is about to change it.
        if sql.startswith('UPDATE "ledger_reversalstanding"') and not corrections:
            with ThreadPoolExecutor(1) as another:
                corrections.append(another.submit(ending, correct).result(60))
        return execute(sql, *rest)

    with connection.execute_wrapper(beforehand):
        done = turn_back(entry_id, chief, amount_cents=100)

    assert corrections == ["done"]
    correction = Entry.objects.get(action_name="ledger.amend")
    assert correction.amends_id == entry_id
    assert (done.state, done.outcome) == ("completed", "full")
    out = tmp_path / "export.jsonl"
    with context.acting(SYSTEM):
        seals.seal_entries()
    out.write_bytes(b"".join(exporting.export_run()))
    assert verifier.verify(str(out)).entries == Entry.objects.count()
