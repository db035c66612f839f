import re
import time
from uuid import UUID

from events import ids


def test_event_ids_are_uuid7_and_differ() -> None:
    before = time.time_ns() // 1_000_000
    made = [ids.new_event_id() for _ in range(100)]

    assert all(re.fullmatch("evt_[0-9a-f]{32}", each) for each in made)
    assert {UUID(each[4:]).version for each in made} == {7}
    assert len(set(made)) == 100
    assert before <= int(made[0][4:16], 16) <= before + 10_000
