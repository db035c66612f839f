import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest

from events import ids
from events.domain.ids import least_id, uuid7


@pytest.mark.parametrize(
    ("make", "prefix"), [(ids.new_event_id, "evt"), (ids.new_correlation_id, "cor")]
)
def test_names_of_events_and_stories_are_uuid7_and_differ(
    make: Callable[[], str], prefix: str
) -> None:
    before = time.time_ns() // 1_000_000
    made = [make() for _ in range(100)]

    assert all(re.fullmatch(f"{prefix}_[0-9a-f]{{32}}", each) for each in made)
    assert {UUID(each[4:]).version for each in made} == {7}
    assert len(set(made)) == 100
    assert before <= int(made[0][4:16], 16) <= before + 10_000


def test_ids_of_events_that_are_recorded_together_follow_one_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "getrandbits", lambda bits: 2**bits - 1)

    made = ids.new_event_ids(40)

    assert made == sorted(set(made))
    assert {UUID(each[4:]).version for each in made} == {7}
    assert {UUID(each[4:]).variant for each in made} == {RFC_4122}
    assert [len(each) for each in made] == [36] * 40


def test_ids_of_one_millisecond_sort_by_their_making(monkeypatch: pytest.MonkeyPatch) -> None:
    began = 1_700_000_000_000 * 1_000_000
    clock = iter(range(began, began + 1_000_000, 250))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))

    made = [ids.new_id() for _ in range(4_000)]

    assert made == sorted(made)
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {RFC_4122}
    assert {each.int >> 80 for each in made} == {1_700_000_000_000}


def test_the_least_id_of_a_moment_is_before_all_that_are_made_from_then_on() -> None:
    moment = datetime(2026, 1, 31, 18, tzinfo=UTC)
    at = int(moment.timestamp() * 1_000_000_000)
    made = [uuid7(unix_ns=ns, random_bits=0) for ns in (at - 1_000_000, at, at + 3_600 * 10**9)]

    assert made[0] < least_id(moment) <= made[1]
    assert made[1] < least_id(moment, later=timedelta(hours=1)) <= made[2]


@pytest.mark.parametrize("year", [1, 9999])
def test_there_is_a_least_id_of_every_moment(year: int) -> None:
    shifts = (timedelta(hours=-1), timedelta(0), timedelta(hours=1))

    found = [least_id(datetime(year, 12, 31, tzinfo=UTC), later=later) for later in shifts]

    assert found == sorted(found)
