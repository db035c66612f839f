"""What was approved and not used in time lapses: once, and only if it was to undo something."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from ledger.approving import steps
from ledger.models import Approval, Entry
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say
from tests.integration.ledger.beacon import (
    Beacon,
    ask_first,
    asked_to_turn_back,
    standing_of,
    turn,
    turn_back_under,
)
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

LATER = timedelta(hours=2)


@pytest.fixture(autouse=True)
def _a_new_beacon() -> None:
    STATE.clear()
    Beacon.revision, Beacon.fails = 1, None


@pytest.fixture
def alice(alice: User) -> User:
    return grant(alice, "ledger.reverse", "api_key.revoke")


@pytest.fixture
def turned(alice: User, transactional_db: None) -> Iterator[UUID]:
    """A turn of the beacon that was free; turning it back takes approval."""
    with acting(alice):
        entry_id = turn()
        ask_first()
        yield entry_id


def lapses(approval: Approval, after: timedelta = LATER) -> bool:
    """Have it noted, as the sweep does with what it had found a moment ago."""
    before = Entry.objects.count()
    with time_machine.travel(timezone.now() + after, tick=False), transaction.atomic():
        noted = steps.lapse(steps.locked(approval.pk))
    assert Entry.objects.count() == before + noted
    return noted


class TestAnApproval:
    def test_that_is_over_lapses_once(self, turned: UUID, alice: User, carol: User) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)

        assert lapses(approval)
        assert standing_of(turned).requests == []
        assert not lapses(approval)

    def test_that_may_still_be_used_does_not(self, turned: UUID, alice: User, carol: User) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)

        assert not lapses(approval, timedelta())
        assert standing_of(turned).requests == [approval.pk]

    def test_that_nobody_gave_does_not(self, turned: UUID, alice: User) -> None:
        assert not lapses(asked_to_turn_back(turned, alice))

    def test_that_was_used_does_not(self, turned: UUID, alice: User, carol: User) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)
        turn_back_under(approval, turned, alice)

        assert not lapses(approval)

    def test_that_undoes_nothing_does_not(self, turned: UUID, carol: User) -> None:
        put_into_force()

        assert not lapses(say(asked(), carol))

    def test_beside_which_another_waits_lapses_alone(
        self, turned: UUID, alice: User, bob: User, carol: User
    ) -> None:
        grant(bob, "ledger.reverse", "api_key.revoke")
        hers = say(asked_to_turn_back(turned, alice), carol)
        his = asked_to_turn_back(turned, User.objects.get(pk=bob.pk))

        assert lapses(hers)
        assert standing_of(turned).requests == [his.pk]
        assert not lapses(hers)
