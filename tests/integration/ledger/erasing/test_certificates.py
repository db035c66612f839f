"""A certificate is of one person: whoever asks for another gets another."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from events import context
from ledger.domain.action import Action, Kind, Target
from ledger.erasing import erasure
from ledger.recording import recorded
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


def test_of_another_kind_is_another_one_though_its_id_is_the_same() -> None:
    do_to_a_person("guest/1")
    erased = Action(
        name="guest.erase",
        kind=Kind.EXECUTE,
        target=Target(type="guest", id="1"),
        capability=erasure.CAPABILITY,
    )
    with recorded(erased) as proof:
        first = erasures.issue_in_transaction("guest/1", proof, at=timezone.now())

    again = erasures.erase_subject(subject="guest/1", reason="")
    other = erasures.erase_subject(subject="host/1", reason="")

    assert (again.is_new, again.certificate) == (False, first.certificate)
    assert other.is_new
    assert other.certificate["subject"] == "host/1"
    for subject, issued in (("guest/1", first), ("host/1", other)):
        found = erasures.about(subject, erasures.certificates())
        assert issued.entry_id in set(found.values_list("pk", flat=True))
        assert {f"{e.target_type}/{e.target_id}" for e in found} <= {subject, f"subject/{subject}"}


def test_is_found_by_its_entry() -> None:
    issued = [erasures.erase_subject(subject=f"traveller/{number}", reason="") for number in (1, 2)]

    for each in issued:
        assert erasures.certificate_of(each.entry_id) == each.certificate
