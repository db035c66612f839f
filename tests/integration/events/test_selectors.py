import pytest
from django.db import transaction

from events import recorder, selectors, sequencer
from events.domain.envelope import Stream
from events.domain.patterns import PatternMalformed
from events.domain.streams import StreamMalformed

pytestmark = pytest.mark.django_db

FACTS: list[tuple[str, Stream]] = [
    ("tally.added", ("tally", "a")),
    ("tally.closed", ("tally", "a", "deep/er")),
    ("tally.added", ("tally", "ab")),
    ("tally.closed", ("tall", "a")),
]


@pytest.fixture(autouse=True)
def _facts() -> None:
    with transaction.atomic():
        for name, stream in FACTS:
            recorder.emit(name, {"number": 1}, stream=stream)
    sequencer.sequence_once()


def positions(**wanted: object) -> list[int | None]:
    return [each.position for each in selectors.feed(**{"after": 0, **wanted})]  # type: ignore[arg-type]


class TestFeed:
    def test_pages_by_position(self) -> None:
        assert positions(limit=3) == [1, 2, 3]
        assert positions(after=3) == [4]
        assert positions(after=4) == []

    @pytest.mark.parametrize(
        ("streams", "expected"),
        [
            ([("tally",)], [1, 2, 3]),
            ([("tally", "a")], [1, 2]),
            ([("tally", "a", "deep/er")], [2]),
            ([("tally", "a", "deep")], []),
            ([("tall",), ("tally", "ab")], [3, 4]),
            ([], []),
            (None, [1, 2, 3, 4]),
        ],
    )
    def test_keeps_to_streams_by_prefix_of_their_path(
        self, streams: list[Stream] | None, expected: list[int]
    ) -> None:
        assert positions(streams=streams) == expected

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["tally.added"], [1, 3]),
            (["tally.*"], [1, 2, 3, 4]),
            (["tally.closed", "nothing.*"], [2, 4]),
            (["*"], [1, 2, 3, 4]),
            (["tally.open"], []),
            ([], []),
        ],
    )
    def test_keeps_to_names(self, names: list[str], expected: list[int]) -> None:
        assert positions(names=names) == expected

    def test_keeps_to_both(self) -> None:
        assert positions(streams=[("tally",)], names=["tally.closed"]) == [2]

    def test_refuses_what_can_match_nothing(self) -> None:
        with pytest.raises(StreamMalformed):
            positions(streams=[()])
        with pytest.raises(PatternMalformed):
            positions(names=["Tally!"])


class TestPage:
    def pages(self, **wanted: object) -> list[tuple[list[int | None], int]]:
        found, after = [], 0
        while after < len(FACTS):
            events, after = selectors.page(**{"after": after, "head": 4, "limit": 9, **wanted})  # type: ignore[arg-type]
            found.append(([each.position for each in events], after))
        return found

    def test_tells_up_to_where_nothing_else_matches(self) -> None:
        assert self.pages(limit=2) == [([1, 2], 2), ([3, 4], 4)]
        assert self.pages(limit=2, names=["tally.closed"]) == [([2, 4], 4)]
        assert self.pages(streams=[("tally",)]) == [([1, 2, 3], 4)]
        assert self.pages(names=[]) == [([], 4)]

    def test_ends_after_so_many_positions_though_nothing_matched(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors, "SCANNED_POSITIONS_MAX", 2)

        assert self.pages(streams=[("tall",)]) == [([], 2), ([4], 4)]
        assert self.pages(streams=[("tally", "ab")], limit=1) == [([], 2), ([3], 3), ([], 4)]

    def test_passes_over_nothing_that_was_not_committed_before(self) -> None:
        assert selectors.page(after=0, head=1, limit=9, names=["tally.open"]) == ([], 1)
        assert selectors.page(after=0, head=1, limit=9).reached == 4


class TestStreamEvents:
    def test_pages_by_sequence(self) -> None:
        with transaction.atomic():
            for _ in range(3):
                recorder.emit("tally.added", {"number": 1}, stream=("tally", "a"))

        page = selectors.stream_events(("tally", "a"), after=1, limit=2)

        assert [each.sequence for each in page] == [2, 3]


def test_an_event_is_found_by_its_id() -> None:
    [first, *_] = selectors.stream_events(("tally", "a"))

    assert selectors.event(first.event_id) == first
    assert selectors.event("evt_unheard_of") is None
