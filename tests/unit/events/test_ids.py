import re
import time
from uuid import RFC_4122, UUID

import pytest

from events import ids


def test_event_ids_are_uuid7_and_differ() -> None:
    before = time.time_ns() // 1_000_000
    made = [ids.new_event_id() for _ in range(100)]

    assert all(re.fullmatch("evt_[0-9a-f]{32}", each) for each in made)
    assert {UUID(each[4:]).version for each in made} == {7}
    assert len(set(made)) == 100
    assert before <= int(made[0][4:16], 16) <= before + 10_000


def test_ids_of_one_millisecond_sort_by_their_making(monkeypatch: pytest.MonkeyPatch) -> None:
    began = 1_700_000_000_000 * 1_000_000
    clock = iter(range(began, began + 1_000_000, 250))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))

    made = [ids.new_id() for _ in range(4_000)]

    assert made == sorted(made)
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {RFC_4122}
    assert {each.int >> 80 for each in made} == {1_700_000_000_000}
