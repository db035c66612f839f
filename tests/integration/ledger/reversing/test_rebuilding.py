"""What is known of reversals follows from the entries, and can be made anew from them."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from events import context
from ledger import recording
from ledger.domain.reversals import ReversalKind, StepKind
from ledger.invariants.reversals import reversals_are_sound, standings_follow_from_entries
from ledger.models import ReversalStanding
from ledger.services import reversals
from tests.integration.ledger.lamp import switch_off, switching
from tests.integration.ledger.reversing.test_standings import CLERK, COUNTED, done, undo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK, correlation_id="cor_test"):
        yield


class TestRebuilding:
    def test_gives_what_is_there(self) -> None:
        undo(done())
        entry_id = done(COUNTED)
        undo(entry_id, amount_cents=60, step=StepKind.BEGUN, kind=ReversalKind.COMPENSATE)
        undo(entry_id, amount_cents=60, step=StepKind.RETURNED)
        undo(entry_id, amount_cents=30)
        switch_off(until=timezone.now() - timedelta(seconds=1))
        reversals.expire_reversals()
        before = list(ReversalStanding.objects.order_by("pk").values())

        assert reversals.rebuild_reversals() == []
        assert standings_follow_from_entries() == []
        assert reversals_are_sound() == []

        ReversalStanding.objects.all().delete()
        assert len(reversals.rebuild_reversals()) == len(before)
        assert list(ReversalStanding.objects.order_by("pk").values()) == before

    def test_mends_what_somebody_has_written_over(self) -> None:
        another = done(COUNTED)
        for _ in range(2):
            undo(another, amount_cents=50)
        entry_id = done(COUNTED)
        undo(entry_id, amount_cents=60)
        ReversalStanding.objects.filter(entry=entry_id).update(done_cents=10)

        with pytest.raises(CommandError):
            call_command("ledger_rebuild_reversals", "--dry-run", stdout=StringIO())
        assert standings_follow_from_entries() == [
            f"entry {entry_id}: said to be completed after 1 steps, is completed"
        ]
        call_command("ledger_rebuild_reversals", stdout=StringIO())

        assert ReversalStanding.objects.get(entry=entry_id).done_cents == 60

    def test_takes_away_what_no_entry_says(self) -> None:
        with recording.recorded(switching("lamp.off")) as proof:
            pass
        ReversalStanding.objects.create(entry_id=proof.entry_id, state="available")

        assert reversals.rebuild_reversals() == [
            f"entry {proof.entry_id}: cannot be undone, and has a standing"
        ]
        assert not ReversalStanding.objects.exists()
