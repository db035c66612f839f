"""A preview knows what came after, and what was asked for, of its own entry only."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger.disclosure import disclosing
from ledger.domain.action import Read, Target
from ledger.reversing import previews
from tests.integration.ledger.approvals import acting
from tests.integration.ledger.beacon import Beacon, ask_first, asked_to_turn_back, turn
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(alice: User) -> User:
    return grant(alice, "ledger.reverse", "api_key.revoke")


@pytest.fixture
def turned(alice: User, transactional_db: None) -> Iterator[UUID]:
    Beacon.revision, Beacon.fails = 1, None
    with acting(alice):
        yield turn()


def later(entry_id: UUID) -> list[UUID]:
    return [each.entry_id for each in previews.preview(entry_id).original.later]


def test_what_was_done_to_the_same_thing_after_it_but_no_look(turned: UUID) -> None:
    target = Target(type="beacon", id="b1")
    look = Read(name="beacon.read", target=target, capability="api_key.read", fields=("all",))

    disclosing.disclosed(look, lambda: None)
    turn(id_="b2")
    again = turn()

    assert later(turned) == [again]


def test_takes_as_many_queries_however_much_was_done_after_it(turned: UUID) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            previews.preview(turned)
        return len(queries)

    few = count()
    for _ in range(3):
        turn()

    assert (len(later(turned)), count()) == (3, few)


def test_the_requests_to_undo_it_and_no_other(turned: UUID, alice: User) -> None:
    other = turn(id_="b2")
    ask_first()
    of_other = asked_to_turn_back(other, alice)
    of_this = asked_to_turn_back(turned, alice)

    assert previews.preview(turned).requests == (of_this,)
    assert previews.preview(other).requests == (of_other,)
