import pytest

from commerce.domain.identity import identity_of, is_named_in, is_same_person, values_of

BOOKED = {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+44 20 7946 0141"}
TRAVELS = {"first_name": "Ada", "last_name": "LOVELACE", "email": "Ada@Example.com"}


def same(one: dict[str, str], other: dict[str, str], **where: bool) -> bool:
    at = {"in_one_booking": False, "both_travel": False, **where}
    return is_same_person(identity_of(one), identity_of(other), **at)


class TestIsSamePerson:
    def test_knows_a_name_with_its_address_anywhere(self) -> None:
        assert same(BOOKED, TRAVELS)
        assert same(BOOKED, TRAVELS, both_travel=True)

    def test_knows_a_name_with_its_number_however_it_is_written(self) -> None:
        assert same(BOOKED, {"name": "ada  lovelace", "phone": "+442079460141"})

    def test_knows_who_booked_among_those_who_travel_by_name(self) -> None:
        nameless = {"first_name": "Ada", "last_name": "Lovelace"}

        assert same(BOOKED, nameless, in_one_booking=True)
        assert not same(BOOKED, nameless)

    def test_takes_nobody_for_another_by_a_shared_address(self) -> None:
        byron = {**BOOKED, "name": "Byron Lovelace"}

        assert not same(BOOKED, byron)
        assert not same(BOOKED, byron, in_one_booking=True)

    def test_takes_two_travellers_of_one_booking_for_two(self) -> None:
        assert not same(TRAVELS, TRAVELS, in_one_booking=True, both_travel=True)

    def test_knows_nobody_without_a_name(self) -> None:
        nameless = {"email": "ada@example.com"}

        assert not same(nameless, nameless, in_one_booking=True)


class TestValuesOf:
    def test_names_what_can_be_searched_for(self) -> None:
        personal = {
            **TRAVELS,
            "phone": "",
            "document_number": "X123",
            "date_of_birth": "1815-12-10",
        }

        assert values_of(personal) == {
            "Ada LOVELACE",
            "LOVELACE, Ada",
            "Ada@Example.com",
            "X123",
        }


class TestIsNamedIn:
    @pytest.mark.parametrize(
        "text",
        [
            "Ada Lovelace called",
            "ADA  LOVELACE called",
            "Mrs Lovelace called",
            "she wrote from ada@example.com",
            "call +44 20 7946 0141",
        ],
    )
    def test_knows_a_name_and_an_address_in_a_text(self, text: str) -> None:
        assert is_named_in(text, BOOKED)

    @pytest.mark.parametrize("text", ["", "Fell ill", "Ada is a language", "Lovelaces are many"])
    def test_takes_nothing_else_for_a_name(self, text: str) -> None:
        assert not is_named_in(text, BOOKED)

    def test_knows_nobody_without_a_name(self) -> None:
        assert not is_named_in("Fell ill", {"name": "", "email": ""})
