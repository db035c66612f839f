from collections.abc import Iterator

import pytest

from ledger.invariants.reversals import (
    requests_to_undo_are_open,
    reversals_are_sound,
    standings_follow_from_entries,
)
from tests.integration.ledger.beacon import Beacon


@pytest.fixture
def new_beacon(transactional_db: None) -> Iterator[None]:
    """Leave no beacon of another test; look at how all of them stand when this one is over."""
    Beacon.revision, Beacon.fails = 1, None
    yield
    # Whatever a test did, how it stands follows from the entries, and nobody waits in vain.
    assert standings_follow_from_entries() == []
    assert requests_to_undo_are_open() == []
    assert reversals_are_sound() == []
