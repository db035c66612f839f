"""A small business in which everything private has a mark that can be looked for."""

import re
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from commerce import vault
from commerce.models import Booking, Invoice, Rendition, Traveller
from commerce.services import deliveries, renditions, travellers
from ledger.domain.action import Action, Kind, Target
from ledger.domain.api_key import SCANNER_PATTERN
from ledger.domain.payload import PayloadKind
from ledger.models import AgentKey, ApiKey, Delegation, Payload
from ledger.recording import recorded
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import client_with, issue
from workflows.webhooks.services import subscriptions

CONTACT = {"name": "Mark-Wilhelmina", "email": "mark.one@example.com", "phone": "+44-mark-17-0"}
PERSONAL = {
    "first_name": "Mark-Theodora",
    "last_name": "Mark-Aurelia",
    "email": "mark.two@example.com",
    "phone": "+44-mark-18-0",
    "date_of_birth": "1907-05-13",
    "document_number": "MARK-PASSPORT-1",
    "special_requests": "Mark-wheelchair",
}
DOCUMENT = "mark-in-a-document"
PAYLOAD = "mark-in-a-payload"

STEP = {
    "id": "marked",
    "name": "A step",
    "type": "script",
    "script": {"language": "ale", "script": "{:a 1}"},
    "attributes": {"a": {"role": "output"}},
}


@dataclass(kw_only=True)
class World:
    root: User
    client: APIClient
    booking: Booking
    traveller: Traveller
    invoice: Invoice
    rendition: Rendition
    payload: Payload
    subscription_id: str
    other_key: ApiKey
    delegation: Delegation
    agent_key: AgentKey
    agent_secret: str
    marks: dict[str, str]

    def found_in(self, text: str) -> set[str]:
        """Return the names of the marks, and the fresh secrets, that a text gives away."""
        found = {name for name, mark in self.marks.items() if mark in text}
        if re.search(SCANNER_PATTERN, text) or re.search(r"whsec_[0-9A-Za-z+/]{20}", text):
            found.add("secret")
        return found


def build(booking: Booking, invoice: Invoice) -> World:
    """Fill the house. `booking` is of `CONTACT`."""
    root = User.objects.create_superuser("root", password="root-has-a-long-password")
    secret, _ = issue(root, ["*"])
    _, other = issue(root, ["product.read"], name="another")
    traveller = travellers.add_traveller(
        booking_id=booking.pk, category="adult", personal=PERSONAL, is_primary=True
    )
    rendition = renditions.generate_invoice_document(invoice_id=invoice.pk)
    content = vault.seal_bytes(
        DOCUMENT.encode(), subject=f"invoice/{invoice.pk}", of=str(rendition.pk)
    )
    Rendition.objects.filter(pk=rendition.pk).update(content_sealed=content)
    deliveries.send_booking_documents(booking_id=booking.pk)
    subscription, signing = subscriptions.create_subscription(
        url="http://127.0.0.1:9/hook", events=["invoice.issued"]
    )
    client = client_with(secret)
    _asked(client, "post", "steps", STEP)
    _asked(client, "post", "flows", {"id": "marked", "goals": ["marked"]})
    _asked(client, "put", "flow-starts/marked", {"goals": ["marked"], "event": "invoice.issued"})
    delegation = delegated(an_agent(root))
    agent_secret = key_of(delegation)
    return World(
        root=root,
        client=client,
        booking=booking,
        traveller=traveller,
        invoice=invoice,
        rendition=rendition,
        payload=_kept(traveller),
        subscription_id=str(subscription.pk),
        other_key=ApiKey.objects.get(pk=other),
        delegation=delegation,
        agent_key=AgentKey.objects.get(),
        agent_secret=agent_secret,
        marks={
            **{f"contact {name}": value for name, value in CONTACT.items()},
            **{f"traveller {name}": value for name, value in PERSONAL.items()},
            "document": DOCUMENT,
            "payload": PAYLOAD,
            "signing secret": signing,
            "own key": secret,
            "key of the agent": agent_secret,
        },
    )


def _asked(client: APIClient, method: str, path: str, body: dict[str, Any]) -> None:
    answer = getattr(client, method)(f"/api/v1/{path}", body, format="json")
    assert answer.status_code in {200, 201}, answer.content


def _kept(traveller: Traveller) -> Payload:
    action = Action(
        name="thing.paint",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
    )
    with recorded(action) as proof:
        proof.keeps(
            PayloadKind.BEFORE,
            {"was": PAYLOAD},
            schema_tag="thing/1",
            retention="pii-90d",
            subject=f"traveller/{traveller.pk}",
        )
    return Payload.objects.get(entry=proof.entry_id)


def text_of(response: Any) -> str:
    """Return the whole answer: what is in its body and in its headers."""
    body = b"".join(response) if getattr(response, "streaming", False) else response.content
    return f"{response.headers} {body.decode(errors='replace')}"


def tables_with(world: World) -> dict[str, set[str]]:
    """Return in which tables a mark can be read, and which."""
    found: dict[str, set[str]] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            rows = [_with_bytes_as_text(row) for (row,) in cursor.fetchall()]
            marks = set().union(*(world.found_in(row) for row in rows))
            if marks:
                found[table] = marks
    return found


def _with_bytes_as_text(row: str) -> str:
    """Return the text of a row, in which PostgreSQL writes bytes as hexadecimal digits."""
    return _BYTES.sub(lambda found: bytes.fromhex(found[1]).decode(errors="replace"), row)


_BYTES = re.compile(r"\\\\x((?:[0-9a-f]{2})+)")
