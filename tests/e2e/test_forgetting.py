"""Who is forgotten stands in no log file of a running Daybook."""

from uuid import uuid4

import httpx2
import pytest

from config.stack import Stack
from tests.chaos.load import eventually
from tests.e2e.trading import API, booked, invoiced, post
from tests.integration.commerce.forgetting.everywhere import found_in_files
from tests.integration.commerce.forgetting.story import Marked

pytestmark = pytest.mark.e2e


def told(client: httpx2.Client, person: Marked) -> tuple[str, str]:
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
    # Failed: there is no mail service.
    invoice = invoiced(client, booking)
    post(client, f"/invoices/{invoice['id']}/documents", {"format": "json"})
    post(client, f"/bookings/{booking}/documents/send", {"recipient": person.email})
    return booking, traveller["id"]


def has_tried_to_send(stack: Stack, booking: str) -> bool:
    found = stack.sql(
        "SELECT count(*) FROM work_attempt a JOIN commerce_delivery d ON d.work_id = a.work_id"
        " WHERE d.booking_id = %s",
        booking,
    )
    return bool(found[0][0])


def test_no_log_file_names_who_is_forgotten(stack: Stack) -> None:
    person = Marked()
    with stack.client() as client:
        booking, traveller = told(client, person)
        eventually(lambda: has_tried_to_send(stack, booking))
        # Who booked is kept until the invoice is settled, and is in no log all the same.
        asked = {"subject": f"traveller/{traveller}", "reason": "Request 12"}
        certificate = post(client, "/ledger/erasures", asked)

    assert f"traveller/{traveller}" in certificate["subjects"]
    # What is looked through is written to: the booking itself is named.
    assert "web.log" in found_in_files(stack.state.logs, [booking])
    assert found_in_files(stack.state.logs, person.texts) == set()
