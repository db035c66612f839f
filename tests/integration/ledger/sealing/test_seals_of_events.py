"""Checkpoints sign the log of events too. To issue a key is one entry, and one event."""

import pytest
from django.contrib.auth.models import User

from events import sequencer
from ledger.invariants.seals import seals_hold
from ledger.models import Checkpoint
from ledger.sealing import seals
from ledger.services import seals as services
from tests.integration.ledger.conftest import issue
from tests.support.tampering import tamper

pytestmark = pytest.mark.django_db(transaction=True)


def issue_keys(owner: User, count: int = 1) -> None:
    for _ in range(count):
        issue(owner, ["*"])
    sequencer.sequence_once()


def signed() -> list[int | None]:
    found = Checkpoint.objects.order_by("number")
    return list(found.values_list("events_through", flat=True))


class TestACheckpoint:
    def test_signs_the_events_since_the_one_before(self, alice: User) -> None:
        for count in (2, 1):
            issue_keys(alice, count)
            services.seal_entries()

        assert signed() == [2, 3]
        assert seals_hold() == []

    def test_shows_an_event_that_was_changed_under_it(self, alice: User) -> None:
        for _ in range(2):
            issue_keys(alice)
            services.seal_entries()

        tamper("UPDATE events_event SET data = '{}' WHERE id = (SELECT max(id) FROM events_event)")

        assert seals_hold() == ["checkpoint 2: an event under it was changed"]

    def test_cannot_be_made_to_sign_other_events(self, alice: User) -> None:
        issue_keys(alice)
        services.seal_entries()

        for change in ("events_through = 0", "events_through = NULL, events_digest = NULL"):
            tamper(f"UPDATE ledger_checkpoint SET {change}")
            assert seals_hold() == ["checkpoint 1 is not signed by its key"]

    def test_signs_a_part_of_a_backlog(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seals, "EVENTS_MAX", 2)
        issue_keys(alice, 3)
        services.seal_entries()
        issue_keys(alice)
        services.seal_entries()

        assert signed() == [2, 4]
        assert seals_hold() == []

    def test_from_before_events_were_signed_has_the_shape_of_then(self, alice: User) -> None:
        issue_keys(alice)
        services.seal_entries()
        checkpoint = Checkpoint.objects.get()
        now = seals.statement_of(checkpoint)

        checkpoint.events_through = checkpoint.events_digest = None

        then = seals.statement_of(checkpoint)
        assert (now["format"], then["format"]) == ("daybook.checkpoint/2", "daybook.checkpoint/1")
        assert set(now) - set(then) == {"events"}
        assert seals.events_before(checkpoint) == 0
