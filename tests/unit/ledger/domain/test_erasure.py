from collections.abc import Iterator
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.erasure import (
    ERASED,
    Finding,
    Means,
    Need,
    Person,
    lines_of,
    masked_text,
    masked_value,
)

LATER = datetime(2036, 1, 1, tzinfo=UTC)
ADA = frozenset({"Ada Lovelace", "ada@example.com", "Ada"})
NEEDED = {"contact/2": Need(because="Invoice 7 is not settled")}
BY_LAW = {"invoice/3": Need(because="A law", until=LATER)}

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
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

    @given(documents, st.text(min_size=5))
    def test_leaves_nothing_of_a_value_in_any_document(self, document: object, value: str) -> None:
        masked = masked_value([document, value, {value: f"-{value}-"}], (value,))

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
