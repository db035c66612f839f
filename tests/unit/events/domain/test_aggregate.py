import pytest

from events.domain.aggregate import Projection
from tests import tally
from tests.tally import Added, Tally


def test_folds_events_onto_a_state() -> None:
    events = [Added(number=1), Added(number=2)]

    assert tally.TALLY.fold(Tally(total=4), events) == Tally(total=7, latest=(1, 2))


def test_wants_to_compare_and_to_drop_what_it_projects() -> None:
    with pytest.raises(AssertionError, match="come together"):
        tally.aggregate(project=tally.project)


def test_a_rebuild_calls_nobody_back() -> None:
    projection = Projection(
        stream=("tally", "t"), before=Tally(), after=Tally(), envelopes=(), is_rebuild=True
    )

    projection.on_success(lambda: None)

    assert projection.callbacks == []
