"""Who is forgotten stands in no log file of a running Daybook."""

from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest

from config.processes.stack import Stack
from tests.chaos.load import eventually
from tests.e2e.trading import API, booked, invoiced, post
from tests.integration.commerce.forgetting.story import Marked
from tests.support.everywhere import found_in_files

pytestmark = pytest.mark.e2e


def recorded_everywhere(client: httpx2.Client, person: Marked) -> tuple[str, str]:
    """Have a person in all that is done, refused and failed at; return booking and traveller."""
    booking = booked(client, person.contact())
    here = f"{API}/bookings/{booking}"
    about = {"category": "adult", "personal": person.personal()}
    traveller = post(client, f"/bookings/{booking}/travellers", about)
    # Refused: with what was typed in the body, in a reason, and in the address.
    bad = {"category": "adult", "personal": {**person.personal(), "email": person.last}}
    assert client.post(f"{here}/travellers", json=bad).status_code == 400
    key = {"Idempotency-Key": str(uuid4())}
    naming = {"reason": f"{person.name} fell ill"}
    assert client.post(f"{here}/cancel", json=naming, headers=key).status_code == 422
    assert client.get(f"{API}/bookings", params={"external_ref": person.email}).is_success
    assert client.get(here, headers={"Access-Reason": f"{person.email} wrote"}).is_success
    # Failed: the mail service does not take it, and says whom it does not know.
    invoice = invoiced(client, booking)
    post(client, f"/invoices/{invoice['id']}/documents", {"format": "json"})
    post(client, f"/bookings/{booking}/documents/send", {"recipient": person.email})
    return booking, traveller["id"]


def how_it_went(stack: Stack, booking: str) -> list[str]:
    """Return how the attempts to send ended; by then they have written all that they write."""
    found = stack.sql(
        "SELECT a.outcome FROM work_every_attempt a"
        " JOIN commerce_delivery d ON d.work_id = a.work_id WHERE d.booking_id = %s",
        booking,
    )
    return [outcome for (outcome,) in found]


@pytest.fixture
def mail_that_is_refused(stack: Stack) -> Iterator[None]:
    """Have the mail service refuse whatever it is sent, naming to whom it was to go."""
    control = f"{stack.instance.environment['COMMERCE_MAIL_URL']}/control"
    assert httpx2.post(control, json={"refuse_by_name": True}, timeout=60).is_success
    yield
    assert httpx2.post(control, json={"refuse_by_name": False}, timeout=60).is_success


def test_no_log_file_names_who_is_forgotten(stack: Stack, mail_that_is_refused: None) -> None:
    person = Marked()
    with stack.client() as client:
        booking, traveller = recorded_everywhere(client, person)
        eventually(lambda: how_it_went(stack, booking))
        assert set(how_it_went(stack, booking)) == {"failed"}
        # Who booked is kept until the invoice is settled, and is in no log all the same.
        asked = {"subject": f"traveller/{traveller}", "reason": "Request 12"}
        certificate = post(client, "/ledger/erasures", asked)

    assert f"traveller/{traveller}" in certificate["subjects"]
    # What is looked through is written to: the booking itself is named.
    assert "web.log" in found_in_files(stack.state.logs, [booking])
    assert found_in_files(stack.state.logs, person.texts) == set()
