"""Clerks who sell and cancel over HTTP, and ask again until they are answered."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from config.processes.stack import Stack
from tests.chaos.load import eventually, people_at_work

PATIENCE_S = 60.0
RESPONSE_LOST = "idempotency_response_lost"
_AGAIN = frozenset({409, 500, 502, 503, 504})
_PRICE_CENTS = 4_500
_MONEY = {"amount_cents": _PRICE_CENTS, "currency": "EUR", "method": "bank_transfer"}
_CONTACT = {"name": "Ada", "email": "ada@example.test"}


@dataclass(slots=True)
class Clerks:
    """`acknowledged` is the answer to each key under which something was asked for."""

    stack: Stack
    slot_id: str = ""
    acknowledged: dict[str, str] = field(default_factory=dict)
    failures: int = 0
    told_otherwise: list[str] = field(default_factory=list)
    """Keys under which a repeated request was answered with something else."""

    def open_shop(self) -> None:
        """Offer a trip with room for everybody."""
        with self.stack.client() as client:
            product = self.ask(
                client,
                "products",
                {
                    "name": "Ferry",
                    "currency": "EUR",
                    "sell_amount_cents": _PRICE_CENTS,
                    "status": "active",
                },
            )
            leaves = (datetime.now(UTC) + timedelta(days=21)).isoformat()
            slot = {"product_id": product["id"], "starts_at": leaves, "capacity": 10_000}
            self.slot_id = self.ask(client, "slots", slot)["id"]

    @contextmanager
    def at_work(self, *, threads: int) -> Iterator[None]:
        """Sell and cancel from several threads within the block."""

        def work(stop: threading.Event, number: int) -> None:
            deeds: deque[Callable[[httpx2.Client], object]]
            deeds = deque([self.sell, self.authorise, self.give_back, self.forget, self.drop])
            deeds.rotate(number)
            with self.stack.client() as client:
                while not stop.is_set():
                    deeds[0](client)
                    deeds.rotate()

        with people_at_work(work, count=threads):
            yield

    def so_far(self, count: int) -> None:
        """Return when `count` more requests are acknowledged than were when it was called."""
        wanted = len(self.acknowledged) + count
        eventually(lambda: len(self.acknowledged) >= wanted, seconds=PATIENCE_S)

    def sell(self, client: httpx2.Client) -> tuple[str, dict[str, Any]]:
        """Sell a seat; its voucher is the workers' to make. Return the booking and the payment."""
        booking = self._book(client)
        draft = self.ask(client, "invoices", {"booking_id": booking})
        invoice = self.ask(client, f"invoices/{draft['id']}/issue")
        payment = self.ask(client, f"invoices/{invoice['id']}/payments", _MONEY)
        self.ask(client, f"bookings/{booking}/confirm")
        return booking, payment

    def drop(self, client: httpx2.Client) -> None:
        """Hold a seat, write an invoice, and take both back."""
        booking = self._book(client)
        self.ask(client, f"bookings/{booking}/await-payment", {})
        draft = self.ask(client, "invoices", {"booking_id": booking})
        self.ask(client, f"invoices/{draft['id']}/issue")
        self.ask(client, f"invoices/{draft['id']}/void", {"reason": "Nobody came."})
        self.ask(client, f"bookings/{booking}/cancel", {"reason": "Nobody came."})

    def give_back(self, client: httpx2.Client) -> None:
        """Sell a seat, cancel it and give the money back."""
        booking, payment = self.sell(client)
        why = {"reason": "The sea was too rough."}
        self.ask(client, f"bookings/{booking}/cancel", why)
        back = {"amount_cents": _PRICE_CENTS, "currency": "EUR", **why}
        note = self.ask(client, "credit-notes", {**back, "invoice_id": payment["invoice_id"]})
        refund = {
            "payment_id": payment["id"],
            "credit_note_id": note["id"],
            "amount_cents": _PRICE_CENTS,
            "method": "bank_transfer",
            **why,
        }
        made = self.ask(client, "refunds", refund)
        self.ask(client, f"refunds/{made['id']}/settle", {})

    def authorise(self, client: httpx2.Client) -> None:
        """Let somebody and something act, and end both."""
        ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        named = {"name": f"clerk-{uuid4().hex[:12]}", "subtype": "tool_runner"}
        agent = self.ask(client, "ledger/agents", named)
        limits = {"agent_id": agent["id"], "scopes": ["booking.read"], "reason": "A test."}
        delegation = self.ask(client, "ledger/delegations", {**limits, "expires_at": ends})
        at = f"ledger/delegations/{delegation['id']}"
        self.ask(client, f"{at}/keys/issue", {})
        self.ask(client, f"{at}/revoke", {"reason": "It is over."})
        key = self.ask(client, "api-keys", {"name": "spare", "scopes": ["booking.read"]})
        self.ask(client, f"api-keys/{key['id']}/revoke")

    def forget(self, client: httpx2.Client) -> None:
        """Note somebody who travels, and forget who it was."""
        booking = self._book(client)
        person = {"category": "adult", "personal": {"first_name": "Ada", "last_name": "L"}}
        at = f"bookings/{booking}/travellers"
        traveller = self.ask(client, at, person)
        self.ask(client, f"{at}/{traveller['id']}/erase")

    def ask(self, client: httpx2.Client, path: str, body: Any = None) -> dict[str, Any]:
        """Have one thing done, however often that must be asked; then ask once more."""
        key = uuid4().hex
        answer = self._insist(client, path, body, key)
        self.acknowledged[key] = path
        again = self._insist(client, path, body, key)
        if again.get("id") != answer.get("id"):
            self.told_otherwise.append(key)
        return answer

    def _insist(self, client: httpx2.Client, path: str, body: Any, key: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while (answer := self._try(client, path, body, key)) is None:
            assert time.monotonic() < deadline, f"{path} is not acknowledged"
            time.sleep(0.02)
        acknowledged: dict[str, Any] = answer.json()
        if acknowledged.get("code") == RESPONSE_LOST:
            return {"id": acknowledged["reference"]}
        assert answer.status_code in {200, 201}, f"{path}: {answer.status_code} {answer.text}"
        return acknowledged

    def _try(self, client: httpx2.Client, path: str, body: Any, key: str) -> httpx2.Response | None:
        try:
            answer = client.post(f"/api/v1/{path}", json=body, headers={"Idempotency-Key": key})
        except httpx2.HTTPError:
            self.failures += 1
            return None
        # What is shown once is not shown again, but it is said what it was.
        if answer.status_code in _AGAIN and f'"{RESPONSE_LOST}"' not in answer.text:
            self.failures += 1
            return None
        return answer

    def _book(self, client: httpx2.Client) -> str:
        asked = {
            "items": [{"slot_id": self.slot_id, "quantity": 1}],
            "pax": 1,
            "contact": _CONTACT,
        }
        return str(self.ask(client, "bookings", asked)["id"])
