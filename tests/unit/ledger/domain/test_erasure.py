from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.erasure import (
    ERASED,
    VALUE_CHARS_MIN,
    Certificate,
    Finding,
    Means,
    Need,
    Person,
    lines_of,
    masked_text,
    masked_value,
    with_needs,
)

LATER = datetime(2036, 1, 1, tzinfo=UTC)
ADA = frozenset({"Ada Lovelace", "ada@example.com", "Ada"})
NEEDED = {"contact/2": Need(because="Invoice 7 is not settled")}
BY_LAW = {"invoice/3": Need(because="A law", until=LATER)}

# Of two letters, so that a value is found again, and overlaps with itself.
texts = st.text(max_size=8) | st.text("ab", max_size=12)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


class TestAPerson:
    def test_goes_as_far_as_nothing_needs_them(self) -> None:
        person = Person(subjects=("traveller/1", "contact/2"), needs=NEEDED)

        assert person.going == ("traveller/1",)
        assert person.ids("contact") == []
        assert person.ids("contact", kept=True) == ["2"]

    def test_is_sought_by_what_is_long_enough_the_longest_first(self) -> None:
        person = Person(subjects=("traveller/1",), values=ADA)

        assert person.sought == ("ada@example.com", "Ada Lovelace")

    def test_is_not_sought_while_something_open_needs_them(self) -> None:
        assert Person(subjects=("contact/2",), values=ADA, needs=NEEDED).sought == ()
        assert Person(subjects=("invoice/3",), values=ADA, needs=BY_LAW).sought


def texts_of(document: object) -> Iterator[str]:
    """Yield every text and name, and none of JSON's own words."""
    match document:
        case dict():
            for name, value in document.items():
                yield from (name, *texts_of(value))
        case list():
            for value in document:
                yield from texts_of(value)
        case str():
            yield document


class TestMasking:
    def test_finds_values_within_texts_names_and_numbers_in_any_case(self) -> None:
        value = {"ADA LOVELACE": ["call Ada Lovelace", 12345678, 1.5, True, None]}

        assert masked_value(value, ("Ada Lovelace", "12345678")) == {
            ERASED: [f"call {ERASED}", ERASED, 1.5, True, None]
        }

    def test_takes_what_is_sought_for_no_pattern(self) -> None:
        assert masked_text("a+b aab", ("a+b",)) == f"{ERASED} aab"

    @given(documents, st.text(min_size=5, max_size=12) | st.text("ab", min_size=5, max_size=6))
    def test_leaves_nothing_of_a_value_in_any_document(self, document: object, value: str) -> None:
        masked = masked_value([document, value, {value: f"-{value}-{value}"}], (value,))

        # What stands on either side of a mask is no value that was put together again.
        left = [part for text in texts_of(masked) for part in text.split(ERASED)]
        assert not [part for part in left if value in part]


class TestACertificate:
    def test_names_a_place_where_nothing_was(self) -> None:
        [line] = lines_of("jobs", "Jobs", [Finding(means=Means.MASKED, rows=0)])

        assert line.as_json()["means"] == "nothing_found"

    def test_says_of_each_part_of_a_place_what_became_of_it(self) -> None:
        found = [
            Finding(means=Means.MASKED, rows=2),
            Finding(means=Means.KEPT, rows=1, because="A law", until=LATER),
        ]

        masked, kept = (line.as_json() for line in lines_of("jobs", "Jobs", found))
        assert (masked["means"], masked["rows"]) == ("masked", 2)
        assert (kept["because"], kept["until"]) == ("A law", LATER.isoformat())


KEPT = Finding(means=Means.KEPT, rows=2, because="The law wants it.", until=LATER, ids=("1", "2"))
GONE = Finding(means=Means.DELETED, rows=1)


class TestThePerson:
    def test_is_named_by_whom_was_asked_for_and_goes_where_nothing_needs_them(self) -> None:
        person = Person(subjects=("traveller/1", "traveller/2", "contact/3"))
        needed = with_needs(person, {"traveller/2": Need(because="A booking.")})
        both = with_needs(needed, {"contact/3": Need(because="An invoice.", until=LATER)})

        assert (person.subject, person.going) == ("traveller/1", person.subjects)
        assert both.going == ("traveller/1",)
        assert needed.ids("traveller") == ["1"]
        assert needed.ids("traveller", kept=True) == ["2"]
        assert set(both.needs) == {"traveller/2", "contact/3"}

    def test_is_searched_for_by_what_is_long_enough_the_longest_first(self) -> None:
        short = "x" * (VALUE_CHARS_MIN - 1)
        values = frozenset({short, "x" * VALUE_CHARS_MIN, " Lovelace ", "Ada Lovelace"})
        person = Person(subjects=("traveller/1",), values=values)

        assert person.sought == ("Ada Lovelace", "Lovelace", "x" * VALUE_CHARS_MIN)

    def test_is_not_searched_for_while_it_is_not_known_how_long_they_are_needed(self) -> None:
        person = Person(subjects=("traveller/1",), values=frozenset({"Lovelace"}))

        until = with_needs(person, {"traveller/1": Need(because="-", until=LATER)})
        for_ever = with_needs(person, {"traveller/1": Need(because="-")})

        assert (until.sought, for_ever.sought) == (("Lovelace",), ())


class TestWhatACertificateSays:
    def test_says_of_each_place_what_became_of_it(self) -> None:
        nothing = lines_of("notes", "Notes", [Finding(means=Means.EMPTIED, rows=0)])
        lines = (*lines_of("bookings", "Names", [KEPT, GONE]), *nothing)
        certificate = Certificate(
            subject="traveller/1",
            subjects=("traveller/1",),
            others=("traveller/2",),
            erased_at=LATER,
            lines=lines,
        )

        document = certificate.as_json()

        kept = {
            "place": "bookings",
            "holds": "Names",
            "means": "kept",
            "rows": 2,
            "because": "The law wants it.",
            "until": LATER.isoformat(),
            "ids": ["1", "2"],
        }
        assert document.pop("places") == [
            kept,
            {**kept, "means": "deleted", "rows": 1, "because": "", "until": None, "ids": []},
            {
                "place": "notes",
                "holds": "Notes",
                "means": "nothing_found",
                "rows": 0,
                "because": "",
                "until": None,
                "ids": [],
            },
        ]
        assert document == {
            "subject": "traveller/1",
            "subjects": ["traveller/1"],
            "others": ["traveller/2"],
            "erased_at": LATER.isoformat(),
        }
        assert certificate.kept == [lines[0]]
        assert certificate.takes_away()
        assert not certificate.takes_away(but_from=["bookings"])

    def test_takes_nothing_away_where_all_is_kept_or_nothing_was(self) -> None:
        assert [each for each in Means if not each.takes_away] == [Means.KEPT, Means.NOTHING_FOUND]


@pytest.mark.parametrize(
    ("value", "left"), [(4711, ERASED), (47.5, ERASED), (True, True), (4712, 4712), (None, None)]
)
def test_a_number_that_is_sought_is_masked(value: object, left: object) -> None:
    assert masked_value([{"n": value}], ["4711", "47.5", "True"]) == [{"n": left}]
