"""A state is what its events say, by whatever shortcut it was reached."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests import tally
from tests.tally import TALLY, Add, Close, Tally, TallyIsClosed

commands = st.lists(
    st.builds(Add, number=st.integers(-9, 9), times=st.integers(1, 3)) | st.builds(Close),
    max_size=12,
)


def history(given_commands: list[tally.Command]) -> list[tally.Event]:
    state = Tally()
    events: list[tally.Event] = []
    for command in given_commands:
        try:
            decided = tally.decide(state, command)
        except TallyIsClosed:
            continue
        events += decided
        state = TALLY.fold(state, decided)
    return events


@given(commands, st.data())
def test_a_fold_may_be_cut_and_continued_from_a_snapshot_anywhere(
    given_commands: list[tally.Command], data: st.DataObject
) -> None:
    events = history(given_commands)
    cut = data.draw(st.integers(0, len(events)))

    until = TALLY.fold(Tally(), events[:cut])
    restored = TALLY.load(json.loads(json.dumps(TALLY.dump(until))))

    assert restored == until
    assert TALLY.fold(restored, events[cut:]) == TALLY.fold(Tally(), events)


@given(commands)
def test_events_survive_a_trip_through_json(given_commands: list[tally.Command]) -> None:
    for event in history(given_commands):
        name, data = TALLY.encode(event, ("tally", "t"))

        assert TALLY.decode(name, 1, json.loads(json.dumps(data))) == event
