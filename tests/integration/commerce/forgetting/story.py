"""A person whose name and addresses stand nowhere else, and all that the product does with them."""

import secrets
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from rest_framework.test import APIClient

from commerce import selectors
from commerce.models import Booking, Delivery, Rendition, Slot, TravellerPersonal
from commerce.services import content
from events import context
from events.sequencer import sequence_once
from ledger.approving import reference
from ledger.domain.action import Action, Kind, Target
from ledger.domain.payload import PayloadKind
from ledger.models import Payload
from ledger.recording import recorded
from ledger.services import approvals, seals
from tests import worklab  # noqa: F401 - importing registers its kinds of jobs.
from tests.integration.commerce.acting import CLERK, work_off_all
from tests.integration.commerce.peers import Peers
from tests.integration.ledger.approvals import acting, put_into_force
from tests.integration.ledger.conftest import grant
from workflows.work import services as work

API = "/api/v1"


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A person of whom every value can be told from all others."""

    first: str = field(default_factory=lambda: f"Fi{secrets.token_hex(6)}")
    last: str = field(default_factory=lambda: f"La{secrets.token_hex(6)}")
    mailbox: str = field(default_factory=lambda: f"mb{secrets.token_hex(6)}")
    domain: str = field(default_factory=lambda: f"do{secrets.token_hex(6)}.example")
    phone: str = field(default_factory=lambda: f"+49{secrets.randbelow(10**13):013d}")
    paper: str = field(default_factory=lambda: f"PA{secrets.token_hex(6)}")

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        return f"{self.mailbox}@{self.domain}"

    @property
    def texts(self) -> tuple[str, ...]:
        """What must not be found any more."""
        return (self.first, self.last, self.mailbox, self.domain, self.phone, self.paper)

    def contact(self) -> dict[str, str]:
        return {"name": self.name, "email": self.email, "phone": self.phone}

    def personal(self) -> dict[str, str]:
        return {
            "first_name": self.first,
            "last_name": self.last,
            "email": self.email,
            "phone": self.phone,
            "document_number": self.paper,
        }


@dataclass(frozen=True, kw_only=True)
class Story:
    """What came of it. `sealed` are sealed bytes by the name of what they belong to."""

    person: Marked
    booking: str
    traveller: str
    invoice: str
    sealed: dict[str, bytes]
    documents: dict[str, bytes]


def tell(client: APIClient, guest: APIClient, slot: Slot, peers: Peers) -> Story:
    """Drive a person through the product by its own ways."""
    person = Marked()
    booking = _booked(client, slot, person)
    traveller = post(
        client,
        f"/bookings/{booking}/travellers",
        {"category": "adult", "is_primary": True, "personal": person.personal()},
    )
    _booked_again(client, slot, person)
    _looked_at(client, guest, booking, traveller["id"], person)
    invoice = _paid(client, booking, person)
    _sent(client, booking, person, peers)
    _worked_on(client, traveller["id"], person)
    with context.acting(CLERK):
        content.mirror_product(system="payload-cms", product_id=slot.product_id)
    _cancelled(client, booking)
    sequence_once()
    seals.seal_entries()
    return Story(
        person=person,
        booking=booking,
        traveller=traveller["id"],
        invoice=invoice,
        sealed=_sealed(),
        documents={str(r.pk): bytes(r.content_sealed) for r in Rendition.objects.all()},
    )


def post(client: APIClient, path: str, body: Any = None) -> Any:
    """Do it as an integrator does, under a key."""
    key = {"Idempotency-Key": str(uuid4())}
    answer = client.post(f"{API}{path}", body or {}, format="json", headers=key)
    assert answer.status_code < 300, answer.content
    return answer.json() if answer.content else None


def contact_of(client: APIClient, booking: object) -> Any:
    """Return who booked, as somebody sees it who says why they look."""
    shown = client.get(f"{API}/bookings/{booking}", headers={"Access-Reason": "a call"})
    return shown.json()["contact"]


def _booked(client: APIClient, slot: Slot, person: Marked) -> str:
    body = {
        "items": [{"slot_id": str(slot.pk), "quantity": 1}],
        "pax": 1,
        "contact": person.contact(),
    }
    made = str(post(client, "/bookings", body)["id"])
    assert contact_of(client, made)["name"] == person.name
    return made


def _booked_again(client: APIClient, slot: Slot, person: Marked) -> None:
    again = _booked(client, slot, person)
    post(client, f"/bookings/{again}/hold")


def _looked_at(
    client: APIClient, guest: APIClient, booking: str, traveller: str, person: Marked
) -> None:
    url = f"{API}/bookings/{booking}/travellers/{traveller}"
    why = {"Access-Reason": "a call"}
    assert client.get(url, headers=why).json()["personal"]["last_name"] == person.last
    assert person.last not in guest.get(url).content.decode()
    patch = {"personal": {"phone": person.phone}}
    changed = client.patch(
        url, patch, format="json", headers={"If-Match": '"1"', "Idempotency-Key": str(uuid4())}
    )
    assert changed.status_code == 200, changed.content
    # Refused, with what was typed in the body: nothing of that is to be told anybody.
    bad = {"category": "adult", "personal": {**person.personal(), "email": person.last}}
    assert (
        client.post(f"{API}/bookings/{booking}/travellers", bad, format="json").status_code == 400
    )


def _paid(client: APIClient, booking: str, person: Marked) -> str:
    invoice = post(client, "/invoices", {"booking_id": booking})
    post(client, f"/invoices/{invoice['id']}/issue")
    for format_ in ("html", "json", "pdf"):
        made = post(client, f"/invoices/{invoice['id']}/documents", {"format": format_})
        shown = client.get(made["url"])
        assert format_ == "pdf" or person.name in shown.content.decode()
    post(
        client,
        f"/invoices/{invoice['id']}/payments",
        {
            "amount_cents": invoice["total_cents"],
            "currency": invoice["currency"],
            "method": "cash",
        },
    )
    post(client, f"/bookings/{booking}/confirm")
    work_off_all()
    return str(invoice["id"])


def _sent(client: APIClient, booking: str, person: Marked, peers: Peers) -> None:
    """To whoever booked, to who travels, and once to a service that refuses and says whom."""
    post(client, f"/bookings/{booking}/documents/send")
    post(client, f"/bookings/{booking}/documents/send", {"recipient": person.email})
    work_off_all()
    assert [message["to"] for message in peers.messages] == [person.email] * 2
    peers.tell(peers.mail, refuse_by_name=True)
    post(client, f"/bookings/{booking}/documents/send")
    work_off_all()
    assert Delivery.objects.filter(status="failed").count() == 1


def _worked_on(client: APIClient, traveller: str, person: Marked) -> None:
    """By a job of others, and by an action that keeps what it was about."""
    with context.acting(CLERK):
        work.enqueue("lab.light", {"note": f"Call {person.name}, {person.phone}", "n": 1})
        action = Action(
            name="thing.note",
            kind=Kind.EXECUTE,
            target=Target(type="thing", id="t1"),
            capability="api_key.read",
            reason=f"{person.name} asked for it",
        )
        with recorded(action) as proof:
            proof.keeps(
                PayloadKind.BEFORE,
                person.personal(),
                schema_tag="traveller/1",
                retention="pii-90d",
                subject=f"traveller/{traveller}",
            )
            proof.keeps(
                PayloadKind.COMMAND_INPUT,
                {"asked by": person.email},
                schema_tag="thing.note/1",
                retention="ops-400d",
            )
    work_off_all()


def _cancelled(client: APIClient, booking: str) -> None:
    """With the approval of somebody else, who is shown how the booking was found."""
    with context.acting(CLERK):
        put_into_force(capabilities=("booking.cancel",), condition="target_type == 'booking'")
    url, body, key = f"{API}/bookings/{booking}/cancel", {"reason": "Fell ill"}, str(uuid4())
    headers = {"Idempotency-Key": key}
    asked = client.post(url, body, format="json", headers=headers).json()["approval"]
    manager = grant(User.objects.create_user("manager"), "approval.decide")
    with acting(manager) as caller:
        approvals.decide_approval(
            approval_id=UUID(asked["id"]),
            decision="approve",
            decider=caller,
            is_fresh=True,
        )
    headers[reference.HEADER] = asked["id"]
    answer = client.post(url, body, format="json", headers=headers)
    assert answer.json()["status"] == "cancelled", answer.content
    work_off_all()


def _sealed() -> dict[str, bytes]:
    personal = {str(p.pk): bytes(p.sealed) for p in TravellerPersonal.objects.all()}
    contacts = {
        str(b.pk): bytes(b.contact.sealed) for b in Booking.objects.select_related("contact")
    }
    sent = {str(d.pk): bytes(d.recipient_sealed) for d in Delivery.objects.all()}
    # A payload has the key in a column, where the others have it in front.
    about = Payload.objects.select_related("key").filter(key__isnull=False)
    kept = {str(p.pk): p.key.pk.bytes + bytes(p.content or b"") for p in about if p.key}
    assert selectors.contact_of(Booking.objects.earliest("number").pk)
    return {**personal, **contacts, **sent, **kept}
