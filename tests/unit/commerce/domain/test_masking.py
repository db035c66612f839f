import pytest

from commerce.domain import masking


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("ada@example.com", "a•••@example.com"),
        ("a@b", "a•••@b"),
        ("@b", "@b"),
        ("ada", "a•••"),
        ("", ""),
    ],
)
def test_an_address_keeps_its_first_letter_and_domain(email: str, shown: str) -> None:
    assert masking.mask_email(email) == shown


def test_an_address_in_the_log_keeps_its_first_letter_only() -> None:
    assert masking.mask_address("ada@lovelace.example") == "a•••@•••"
    assert masking.mask_address("ada") == "a•••"


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+44 20 7946 0141", "•••41"), ("12345", "•••45"), ("1234", "•••"), ("", "")],
)
def test_a_number_keeps_two_digits_of_many(number: str, shown: str) -> None:
    assert masking.mask_number(number) == shown


def test_a_name_keeps_its_first_letter() -> None:
    assert masking.mask_text("Ada") == "A•••"
    assert masking.mask_text("") == ""
