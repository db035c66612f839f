import pytest
from django.db import connection

from events import context
from events.domain.principal import SYSTEM
from ledger import doctor
from ledger.domain.action import Action, Kind, Target
from ledger.recording import recorded

pytestmark = pytest.mark.django_db


def record() -> str:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
    )
    with context.acting(SYSTEM), recorded(action) as proof:
        return str(proof.entry_id)


class TestTheLedger:
    def test_is_healthy_after_an_action(self) -> None:
        record()

        assert doctor.entries_and_changes_go_together() == []

    def test_shows_an_entry_that_lost_its_detail(self) -> None:
        entry_id = record()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("DELETE FROM ledger_mutation")
            cursor.execute("SET LOCAL session_replication_role = origin")

        assert doctor.entries_and_changes_go_together() == [f"entry {entry_id} has no detail"]

    def test_shows_a_trigger_that_sleeps(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ledger_apikey DISABLE TRIGGER ledger_change_is_on_record")

        assert doctor.entries_and_changes_go_together() == [
            "ledger_apikey: the trigger ledger_change_is_on_record sleeps"
        ]
