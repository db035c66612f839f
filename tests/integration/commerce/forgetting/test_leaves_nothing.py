"""Who is forgotten is left in no row of any table, in no log line, and opens nowhere."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from commerce import jobs, timetable
from commerce.models import Invoice, Rendition, Slot
from commerce.services import renditions
from commerce.services.renditions import DocumentForgotten
from config.logs import LineFormatter
from events import context
from ledger import verifier
from ledger.domain.payload import Redaction
from ledger.erasing import erasure
from ledger.models import Entry, Payload, SubjectKey
from ledger.privacy import subjects
from ledger.privacy.subjects import SubjectForgotten
from ledger.sealing import exporting
from ledger.services import seals
from tests.integration.commerce.acting import CLERK
from tests.integration.commerce.api.conftest import Keyed
from tests.integration.commerce.forgetting.story import API, Story, contact_of, post, tell
from tests.integration.commerce.peers import Peers
from tests.peers import receiver
from tests.support.checkup import violations
from tests.support.everywhere import found_in_database, found_in_valkey
from workflows.egress import client as egress
from workflows.webhooks.services import subscriptions

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = ("booking.confirmed", "booking.cancelled", "invoice.payment.recorded")
IN_CLEAR = {
    "ledger.notes": "public.ledger_payload.content",
    "ledger.remarks": "public.ledger_remark.text",
    "ledger.replies": "public.ledger_idempotencykey.response_body",
    "work.jobs": "public.work.input",
    "commerce.recipients": "public.commerce_delivery.recipient_masked",
}
"""Places in which something can be read without a key, and one of their columns."""


@pytest.fixture
def story(admin: APIClient, keyed: Keyed, slot: Slot, peers: Peers, settings: Any) -> Any:
    """A person known to the whole product, and a receiver of webhooks that heard of them."""
    settings.HTTP_ALLOW = ["127.0.0.0/8"]
    with receiver() as peer:
        with context.acting(CLERK):
            subscriptions.create_subscription(url=peer.url, events=EVENTS)
        yield tell(admin, keyed("booking.read", "traveller.read", name="guest"), slot, peers)
        assert peer.received
    egress.forget_connections()


def forget(client: APIClient, story: Story) -> dict[str, Any]:
    body = {"subject": f"contact/{story.booking}", "reason": "Request 12"}
    return dict(post(client, "/ledger/erasures", body))


def travelling(client: APIClient, slot: Slot) -> tuple[str, str]:
    """Have somebody book and travel, and return both by their ids."""
    items = [{"slot_id": str(slot.pk), "quantity": 1}]
    contact = {"name": "Ada Lovelace", "email": "ada@example.com"}
    booking = post(client, "/bookings", {"items": items, "pax": 1, "contact": contact})["id"]
    personal = {"first_name": "Ada", "last_name": "Lovelace"}
    body = {"category": "adult", "personal": personal}
    return booking, post(client, f"/bookings/{booking}/travellers", body)["id"]


def open_ones(sealed: dict[str, bytes]) -> list[str]:
    """Return what of it still opens."""
    opened = []
    for name, content in sealed.items():
        try:
            subjects.unseal(content, of=name)
        except SubjectForgotten:
            continue
        opened.append(name)
    return opened


def test_nothing_of_a_person_is_left_anywhere(
    story: Story, admin: APIClient, tmp_path: Path
) -> None:
    texts = story.person.texts
    assert set(IN_CLEAR.values()) <= found_in_database(texts)
    assert sorted(open_ones(story.sealed)) == sorted(story.sealed)

    certificate = forget(admin, story)

    assert found_in_database(texts) == set()
    assert found_in_valkey(texts) == set()
    assert open_ones(story.sealed) == []
    assert {each["place"] for each in certificate["places"]} >= set(IN_CLEAR)
    assert f"traveller/{story.traveller}" in certificate["subjects"]
    _everything_is_on_record()
    _seals_hold(tmp_path)
    assert violations() == {}
    assert contact_of(admin, story.booking) == {}


def _everything_is_on_record() -> None:
    erased = {
        (entry.target_type, entry.target_id)
        for entry in Entry.objects.filter(action_name="subject.erase")
    }
    for key in SubjectKey.objects.filter(wrapped=None):
        assert ("subject", key.subject) in erased
    for payload in Payload.objects.exclude(redaction=Redaction.NONE.value):
        assert payload.redacted_by is not None
        assert payload.redacted_by.action_name == "subject.erase"


def _seals_hold(tmp_path: Path) -> None:
    out = tmp_path / "export.jsonl"
    seals.seal_entries()
    out.write_bytes(b"".join(exporting.export_run()))
    assert verifier.verify(str(out)).entries == Entry.objects.count()


def test_places_that_are_left_out_are_found(
    story: Story, admin: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in IN_CLEAR:
        monkeypatch.delitem(erasure._PLACES, place)

    forget(admin, story)

    assert found_in_database(story.person.texts) == set(IN_CLEAR.values())


def test_documents_are_kept_as_long_as_records_are_and_then_open_no_more(
    story: Story, admin: APIClient
) -> None:
    certificate = forget(admin, story)

    [line] = [
        each
        for each in certificate["places"]
        if (each["place"], each["means"]) == ("commerce.documents", "kept")
    ]
    assert line["rows"] == len(story.documents) == 3
    assert "have to be kept" in line["because"]
    assert open_ones(story.documents) == list(story.documents)
    assert _forget_documents() == {"forgotten": 0}

    Invoice.objects.update(issued_at=timezone.now() - timedelta(days=3654))
    assert _forget_documents() == {"forgotten": 1}

    assert open_ones(story.documents) == []
    for document in Rendition.objects.all():
        with pytest.raises(DocumentForgotten):
            renditions.content_of(document)


def _forget_documents() -> Any:
    class Unhurried:
        def check(self) -> None:
            """Go on."""

    assert timetable.FORGET_DOCUMENTS in timetable.EVERY
    with context.acting(CLERK):
        return jobs.forget_documents(Unhurried())  # type: ignore[arg-type]


def test_a_second_request_is_answered_with_the_first_certificate(
    admin: APIClient, slot: Slot
) -> None:
    booking, traveller = travelling(admin, slot)
    body = {"subject": f"contact/{booking}", "reason": "Request 12"}
    first = post(admin, "/ledger/erasures", body)
    assert post(admin, "/ledger/erasures", body) == first

    url = f"{API}/bookings/{booking}/travellers/{traveller}/erase"
    answer, again = (admin.post(url, headers={"Idempotency-Key": str(uuid4())}) for _ in range(2))

    assert answer.json()["personal"] == {}
    assert again["Link"] == answer["Link"]
    certificate = admin.get(answer["Link"].partition(">")[0].strip("<")).json()
    assert certificate["places"] == first["places"]
    assert any(each["rows"] for each in first["places"])
    assert Entry.objects.filter(action_name="traveller.erase").count() == 0


def test_no_line_of_a_log_names_a_person(
    caplog: pytest.LogCaptureFixture,
    admin: APIClient,
    keyed: Keyed,
    slot: Slot,
    peers: Peers,
) -> None:
    caplog.set_level(logging.INFO)

    history = tell(admin, keyed("booking.read", "traveller.read", name="guest"), slot, peers)
    forget(admin, history)

    lines = [LineFormatter().format(record) for record in caplog.records]
    assert any("An attempt failed" in line for line in lines)
    # Before anything is redacted: the net behind it has to catch nothing.
    assert [line for line in lines if any(text in line for text in history.person.texts)] == []


def test_the_reason_of_an_erasure_may_not_name_who_is_forgotten(
    admin: APIClient, slot: Slot
) -> None:
    items = [{"slot_id": str(slot.pk), "quantity": 1}]
    contact = {"name": "Ada Lovelace", "email": "ada@example.com"}
    booking = post(admin, "/bookings", {"items": items, "pax": 1, "contact": contact})["id"]

    answer = admin.post(
        f"{API}/ledger/erasures",
        {"subject": f"contact/{booking}", "reason": "Ada Lovelace wrote to us"},
        headers={"Idempotency-Key": str(uuid4())},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "reason_names_subject")
    assert contact_of(admin, booking)["name"] == "Ada Lovelace"


class TestWhoIsStillNeeded:
    def test_is_kept_while_an_invoice_is_open(self, admin: APIClient, slot: Slot) -> None:
        booking, traveller, invoice = self.owing(admin, slot)
        body = {"subject": f"contact/{booking}", "reason": "Request 12"}

        partly = post(admin, "/ledger/erasures", {**body, "subject": f"traveller/{traveller}"})
        refused = admin.post(
            f"{API}/ledger/erasures", body, headers={"Idempotency-Key": str(uuid4())}
        )

        assert (refused.status_code, refused.json()["code"]) == (409, "subject_still_needed")

        [line] = [each for each in partly["places"] if each["place"] == "commerce.contacts"]
        assert (line["means"], line["rows"], line["until"]) == ("kept", 1, None)
        assert line["because"] == f"Invoice {invoice['number']} is not settled"
        contact = contact_of(admin, booking)
        assert contact["name"] == "Ada Lovelace"
        post(admin, f"/invoices/{invoice['id']}/void", {"reason": "Wrong"})
        assert post(admin, "/ledger/erasures", body)["entry_id"] != partly["entry_id"]

    def test_is_kept_while_a_court_may_ask(self, admin: APIClient, slot: Slot) -> None:
        booking, traveller, _ = self.owing(admin, slot)
        hold = {"subject": f"contact/{booking}", "reason": "Case 4711"}
        post(admin, "/ledger/legal-holds", hold)
        url = f"{API}/bookings/{booking}/travellers/{traveller}"

        for answer in (
            admin.post(f"{url}/erase", headers={"Idempotency-Key": str(uuid4())}),
            admin.post(f"{API}/ledger/erasures/preview", {"subject": f"traveller/{traveller}"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "subject_on_hold")
        assert (
            admin.get(url, headers={"Access-Reason": "a call"}).json()["personal"]["last_name"]
            == "Lovelace"
        )

    def owing(self, admin: APIClient, slot: Slot) -> tuple[str, str, dict[str, Any]]:
        booking, traveller = travelling(admin, slot)
        invoice = post(admin, "/invoices", {"booking_id": booking})
        return booking, traveller, post(admin, f"/invoices/{invoice['id']}/issue")


def test_others_under_the_same_address_are_named_and_left(admin: APIClient, slot: Slot) -> None:
    items = [{"slot_id": str(slot.pk), "quantity": 1}]
    made = {}
    for name in ("Ada Lovelace", "Byron Lovelace"):
        contact = {"name": name, "email": "family@example.com"}
        made[name] = post(admin, "/bookings", {"items": items, "pax": 1, "contact": contact})["id"]

    body = {"subject": f"contact/{made['Ada Lovelace']}", "reason": "Request 12"}
    certificate = post(admin, "/ledger/erasures", body)

    assert certificate["others"] == [f"contact/{made['Byron Lovelace']}"]
    left = {"contact": contact_of(admin, made["Byron Lovelace"])}
    assert left["contact"]["name"] == "Byron Lovelace"
    assert UUID(made["Byron Lovelace"])
