"""What is sent to every address that takes something: bodies that get past their validation.

And the rows that a walk finds at addresses with ids, so that a request comes to what it is about.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from commerce import example_data
from commerce.domain.refunds import RefundMethod
from commerce.models import (
    Booking,
    Invoice,
    Payment,
    PaymentMethod,
    Traveller,
)
from commerce.services import payments, refunds, travellers
from ledger.models import Agent
from ledger.services import erasures
from tests.integration.commerce.api.marked import CONTACT, PERSONAL, STEP, World
from tests.integration.ledger.approvals import asked, put_into_force
from workflows.work import registry
from workflows.work.registry import WorkKind

WHY = {"reason": "a walk"}
PASSER_BY = {"first_name": "Grace", "last_name": "Hopper"}
PUBLIC_JOB = "lab.walked"
RULES = [{"days_before": 0, "refund_bp": 0, "refund_type": "none"}]
AT_THE_DOOR = {400, 404, 405, 415, 428}
"""What says that a request did not come to what it is about."""
STOPPED_THERE = {
    # A signature, or a token of a work item that waits, is what lets one in.
    "POST webhook/(?P<flow_id>[/]+)/(?P<step_id>[/]+)/(?P<token>[/]+)",
    # Nothing answers there, whatever is said.
    "POST engine/ws",
    # The same step was taken away under its other address.
    "DELETE engine/step/(?P<step_id>[/]+)",
}
_BOOKING = "api/v1/bookings/<uuid:pk>"
_TRAVELLERS = "api/v1/bookings/<uuid:booking_id>/travellers"
_FLOW = "api/v1/flows/<str:pk>"


def furnish(world: World) -> None:
    """Have at least one row of everything that an address can be about."""
    example_data.create_example()
    invoice = Invoice.objects.filter(status="issued").exclude(pk=world.invoice.pk).first()
    assert invoice is not None
    payments.record_payment(
        invoice_id=invoice.pk,
        amount_cents=100,
        currency=invoice.currency,
        method=PaymentMethod.CASH,
        is_pending=True,
    )
    paid = Payment.objects.filter(status="completed", provider="").latest("pk")
    refunds.request_refund(
        payment_id=paid.pk,
        amount_cents=100,
        method=RefundMethod.CASH,
        reason="A window stuck.",
        with_credit_note=True,
    )
    forgotten, held = (
        travellers.add_traveller(booking_id=each.pk, category="adult", personal=PASSER_BY)
        for each in Booking.objects.order_by("-pk")[:2]
    )
    erasures.erase_subject(subject=f"traveller/{forgotten.pk}", reason="They asked.")
    erasures.place_hold(subject=f"traveller/{held.pk}", reason="A court asked.")
    put_into_force(condition="target_type == 'thing'")
    asked("waits")


@contextmanager
def with_a_public_job() -> Iterator[None]:
    """Have a kind of work that may be asked for by name: the product has none of its own."""
    registry.register(WorkKind(name=PUBLIC_JOB, handler=lambda _claim: None, public=True))
    yield
    registry.forget(PUBLIC_JOB)


def bodies(world: World) -> dict[str, Any]:
    """Return bodies by method and route. What is not here needs none."""
    return {
        **_of_the_trade(world),
        **_of_money(world),
        **_of_the_ledger(world),
        **_of_work(),
        "POST ledger/seals/export": WHY,
    }


def _later(days: int = 1) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


def _of_the_trade(world: World) -> dict[str, Any]:
    item = world.booking.items.get()
    wanted = [{"slot_id": str(item.slot_id), "quantity": 1}]
    policy = "api/v1/cancellation-policies"
    return {
        "POST api/v1/bookings": {"items": wanted, "pax": 1, "contact": CONTACT},
        f"PATCH {_BOOKING}": {"external_ref": "x"},
        f"POST {_BOOKING}/cancel": WHY,
        f"POST {_BOOKING}/override": {**WHY, "to": "confirmed"},
        f"POST {_TRAVELLERS}": {"category": "adult", "personal": PERSONAL},
        f"PATCH {_TRAVELLERS}/<uuid:pk>": {"category": "child"},
        f"POST {policy}": {"name": "Strict", "currency": "EUR", "rules": RULES},
        f"POST {policy}/<uuid:pk>/versions": {"currency": "EUR", "rules": RULES},
        "POST api/v1/products": {"name": "Walk", "currency": "EUR", "sell_amount_cents": 1},
        "PATCH api/v1/products/<uuid:pk>": {"description": "Longer."},
        "POST api/v1/slots": {
            "product_id": str(item.product_id),
            "starts_at": _later(),
            "capacity": 3,
        },
        "PATCH api/v1/slots/<uuid:pk>": {"capacity": 50},
        "POST api/v1/documents/<uuid:pk>/access": {
            "grantee": f"user:{world.root.pk}",
            "purpose": "a walk",
        },
        "POST api/v1/document-accesses/<uuid:pk>/revoke": WHY,
    }


def _of_money(world: World) -> dict[str, Any]:
    refundable = Payment.objects.filter(status="completed").order_by("-pk").first()
    one = {"amount_cents": 1, "currency": "EUR"}
    return {
        "POST api/v1/invoices": {"booking_id": str(world.booking.pk)},
        "POST api/v1/invoices/<uuid:pk>/void": WHY,
        "POST api/v1/invoices/<uuid:pk>/payments": {**one, "method": "cash"},
        "POST api/v1/payments/<uuid:pk>/fail": WHY,
        "POST api/v1/credit-notes": {**one, **WHY, "invoice_id": str(world.invoice.pk)},
        "POST api/v1/refunds": {
            **WHY,
            "payment_id": str(refundable.pk if refundable else uuid4()),
            "amount_cents": 1,
            "method": "cash",
        },
        "POST api/v1/refunds/<uuid:pk>/fail": WHY,
        "POST api/v1/chargebacks/<uuid:pk>/review": WHY,
        "POST api/v1/chargebacks/<uuid:pk>/resolve": {**WHY, "status": "won"},
        "POST api/v1/chargebacks/<uuid:pk>/refund-surplus": {
            **WHY,
            "amount_cents": 1,
            "method": "cash",
        },
    }


def _of_the_ledger(world: World) -> dict[str, Any]:
    travels = {"subject": f"traveller/{Traveller.objects.latest('pk').pk}"}
    policy = {
        "name": "walked-approval",
        "meaning": "For a walk.",
        "capabilities": ["api_key.issue"],
        "ttl_seconds": 3600,
    }
    of_delegation = "api/v1/ledger/delegations/<uuid:pk>"
    of_approval = "api/v1/ledger/approvals/<uuid:pk>"
    return {
        "POST api/v1/api-keys": {"name": "new", "scopes": ["product.read"]},
        "POST api/v1/ledger/agents": {"name": "another", "subtype": "tool_runner"},
        **{
            f"POST api/v1/ledger/agents/{which}/{what}": WHY
            for which in ("<uuid:pk>", "switch")
            for what in ("stop", "resume")
        },
        "POST api/v1/ledger/delegations": {
            **WHY,
            "agent_id": str(Agent.objects.earliest("pk").pk),
            "scopes": ["product.read"],
            "expires_at": _later(),
        },
        f"POST {of_delegation}/keys/revoke": {"key_id": str(world.agent_key.pk)},
        f"POST {of_delegation}/revoke": WHY,
        "POST api/v1/ledger/approvals": {
            "command": "booking.cancel",
            "target_id": str(world.booking.pk),
            "input": WHY,
        },
        f"POST {of_approval}/decide": {"decision": "approve", "comment": "Fine."},
        f"POST {of_approval}/delegate": {"to": world.root.username},
        "POST api/v1/ledger/policies": policy,
        "POST api/v1/ledger/entries/<uuid:pk>/amendments": WHY,
        "POST api/v1/ledger/entries/<uuid:entry_id>/reversals": {**WHY, "token": "of no preview"},
        "POST api/v1/ledger/erasures": {**WHY, **travels},
        "POST api/v1/ledger/erasures/preview": travels,
        "POST api/v1/ledger/legal-holds": {**WHY, "subject": f"traveller/{uuid4()}"},
        "POST api/v1/ledger/legal-holds/<uuid:pk>/lift": WHY,
        "POST api/v1/ledger/payloads/<uuid:payload_id>/redact": {**WHY, "mode": "tombstoned"},
    }


def _of_work() -> dict[str, Any]:
    step = {**STEP, "id": "walked"}
    start = {"goals": [STEP["id"]], "event": "invoice.issued"}
    of_step = "api/v1/flows/<str:flow_id>/steps/<str:step_id>"
    schedule = {"job": PUBLIC_JOB, "every": "1h"}
    return {
        "PUT api/v1/flow-starts/<str:pk>": start,
        "POST api/v1/flows": {"id": "walked", "goals": [STEP["id"]]},
        "POST api/v1/plans": {"goals": [STEP["id"]]},
        f"POST {of_step}/force": {"outputs": {"a": 1}, **WHY},
        f"POST {of_step}/retry": {"token": str(uuid4()), **WHY},
        f"POST {of_step}/skip": WHY,
        f"POST {_FLOW}/cancel": WHY,
        f"POST {_FLOW}/fork": {"id": "forked", "from_step": STEP["id"]},
        f"POST {_FLOW}/pause": WHY,
        "PUT api/v1/job-schedules/<str:pk>": schedule,
        "POST api/v1/jobs": {"name": schedule["job"]},
        "POST api/v1/jobs/<uuid:pk>/discard": WHY,
        "POST api/v1/steps": step,
        "PUT api/v1/steps/<str:pk>": STEP,
        "POST api/v1/webhooks/subscriptions": {
            "url": "http://127.0.0.1:9/other",
            "events": ["invoice.issued"],
        },
        "POST api/v1/webhooks/subscriptions/<uuid:pk>/replay": {
            "since": _later(-1),
            "until": _later(),
        },
        "PATCH api/v1/webhooks/subscriptions/<uuid:pk>": {"events": ["invoice.issued"]},
        "POST engine/step": step,
        "PUT engine/step/(?P<step_id>[/]+)": STEP,
        "POST engine/plan": {"goals": [STEP["id"]], "init": {}},
        "POST engine/flow": {"id": "engined", "goals": [STEP["id"]], "init": {}},
        "POST engine/flow/query": {},
    }
