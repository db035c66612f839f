from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models.functions import Now
from pytest_django import Settings

from events import catalogue, context, recorder
from events.domain.catalogue import event_type
from events.domain.envelope import Category, Envelope
from events.domain.principal import Principal, PrincipalKind
from tests.peers import Receiver, receiver
from workflows.egress import client
from workflows.webhooks.models import Delivery, Subscription
from workflows.webhooks.outbox import KIND
from workflows.webhooks.services import subscriptions
from workflows.work import runner
from workflows.work.models import Work

OPERATOR = Principal(kind=PrincipalKind.USER, id="7")

PARCEL = {
    "type": "object",
    "properties": {
        "parcelId": {"type": "string"},
        "weightGrams": {"type": "integer"},
        "reference": {"type": "string"},
    },
}


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Settings) -> Iterator[None]:
    settings.HTTP_ALLOW = ["127.0.0.0/8"]
    yield
    client.forget_connections()


@pytest.fixture(autouse=True)
def _events_of_a_parcel_service(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, "parcel.sent", external=True, redacted=("reference",))
    declare(monkeypatch, "parcel.lost", external=True)
    declare(monkeypatch, "parcel.weighed", external=False)


def declare(
    monkeypatch: pytest.MonkeyPatch, name: str, *, external: bool, redacted: tuple[str, ...] = ()
) -> None:
    """Put an event into the catalogue until the end of the test."""
    declared = event_type(
        name=name,
        category=Category.DOMAIN,
        meaning="A test says so.",
        schema=PARCEL,
        stream="parcel",
        external=external,
        redacted=redacted,
    )
    monkeypatch.setitem(catalogue._types, name, declared)


@pytest.fixture
def peer() -> Iterator[Receiver]:
    with receiver() as serving:
        yield serving


def subscribed(url: str, *events: str) -> tuple[Subscription, str]:
    """Subscribe as an operator would."""
    with context.acting(OPERATOR):
        return subscriptions.create_subscription(url=url, events=events or ("parcel.sent",))


def happens(name: str = "parcel.sent", parcel: str = "p1") -> Envelope:
    """Let something happen to a parcel."""
    data = {"parcelId": parcel, "weightGrams": 500, "reference": "PO 7", "note": "fragile"}
    with transaction.atomic():
        return recorder.emit(name, data, stream=("parcel", parcel))


def work_off() -> int:
    """Be the worker until nothing is due."""
    done = 0
    while made := runner.work_off(worker="tester", kinds=[KIND]):
        done += made
    return done


def let_time_pass() -> None:
    """Make everything due that waits."""
    Work.objects.waiting().update(due_at=Now())


def work_of(delivery_id: UUID) -> Work:
    return Work.objects.get(pk=delivery_id)


def the_delivery() -> Delivery:
    return Delivery.objects.get()
