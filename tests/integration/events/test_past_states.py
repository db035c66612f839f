"""A state of the past, from the nearest that is known before it."""

from dataclasses import replace

import pytest

from events.domain.aggregate import Aggregate
from events.models import Snapshot
from events.sourcing import past_states, states
from events.sourcing.executor import execute
from tests.tally import TALLY, Add, Command, Event, Tally

STREAM = ("tally", "t1")

pytestmark = pytest.mark.django_db(transaction=True)


class Told:
    """The tally, and how many events were folded."""

    def __init__(self) -> None:
        self.count = 0
        self.tally: Aggregate[Tally, Command, Event] = replace(TALLY, evolve=self._evolve)

    def _evolve(self, tally: Tally, event: Event) -> Tally:
        self.count += 1
        return TALLY.evolve(tally, event)

    def at(self, sequence: int) -> tuple[int, int, int]:
        """Return total and sequence, and how many events were folded for them."""
        before = self.count
        found = past_states.reached(self.tally, STREAM, sequence)
        return found.state.total, found.sequence, self.count - before


@pytest.fixture
def past(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(past_states, "WAYPOINT_EVENTS", 3)
    for _ in range(10):
        execute(TALLY, STREAM, Add(number=1))
    states.forget_all()
    Snapshot.objects.all().delete()
    return Told()


def test_is_that_of_the_events_up_to_it(past: Told) -> None:
    assert [past.at(sequence)[:2] for sequence in range(1, 11)] == [
        (count, count) for count in range(1, 11)
    ]
    assert past.at(10**23)[:2] == (10, 10)


def test_leaves_states_on_its_way_that_the_next_begins_from(past: Told) -> None:
    assert past.at(10) == (10, 10, 10)

    assert past.at(8) == (8, 8, 2)
    assert past.at(3) == (3, 3, 0)
    assert past.at(2) == (2, 2, 2)


def test_begins_from_the_snapshot_that_lies_before_it(past: Told) -> None:
    every_four = replace(past.tally, snapshot_every=4)
    past.tally = every_four
    execute(every_four, STREAM, Add(number=1, times=2))
    states.forget_all()
    assert Snapshot.objects.get().sequence == 12
    execute(TALLY, STREAM, Add(number=1))
    states.forget_all()

    assert past.at(13) == (13, 13, 1)
    assert past.at(11) == (11, 11, 11)


def test_begins_from_what_is_remembered_of_now(past: Told) -> None:
    states.fresh(past.tally, STREAM)

    assert past.at(10) == (10, 10, 0)


def test_begins_anew_where_what_is_known_is_of_another_past(past: Told) -> None:
    past.at(10)
    waypoint = past_states._waypoints.before(past.tally, STREAM, 9)
    assert waypoint is not None
    of_another = waypoint._replace(event_id="evt_other", state=Tally(total=70))
    past_states._waypoints.put(past.tally, STREAM, of_another)

    assert past.at(9) == (9, 9, 9)
