"""A certificate is of one person: whoever asks for another gets another."""

from collections.abc import Iterator

import pytest

from events import context
from ledger.services import erasures
from tests.integration.ledger.privacy.test_payloads import CLERK, do_to_a_person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK):
        yield


def test_of_somebody_of_whom_there_is_nothing_is_not_that_of_somebody_else() -> None:
    do_to_a_person("traveller/1")
    first = erasures.erase_subject(subject="traveller/1", reason="")

    other = erasures.erase_subject(subject="traveller/2", reason="")

    assert other.is_new
    assert (first.certificate["subject"], other.certificate["subject"]) == (
        "traveller/1",
        "traveller/2",
    )


def test_is_found_by_its_entry() -> None:
    issued = [erasures.erase_subject(subject=f"traveller/{number}", reason="") for number in (1, 2)]

    for each in issued:
        assert erasures.certificate_of(each.entry_id) == each.certificate
