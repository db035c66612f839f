from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from pytest_django import Settings
from rest_framework.test import APIClient

from events import catalogue, context, recorder
from events.domain.catalogue import event_type
from events.domain.envelope import Category, Envelope
from events.domain.principal import Principal, PrincipalKind
from events.sourcing import states
from ledger import approval_policies as seeded
from ledger.services import approval_policies
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.flows.clients import (
    ADD,
    DOUBLE,
    EVERYTHING,
    STEPS,
    client_of,
    post,
)
from tests.live import sequence
from tests.support.step_server import StepServer, step_server
from workflows.egress import client
from workflows.flows import following
from workflows.flows.domain.flow import Flow
from workflows.flows.execution import engine
from workflows.work import runner
from workflows.work.models import Work

FLOW_KINDS = [
    "flow.invoke",
    "flow.compensate",
    "flow.look",
    "flow.time_out",
    "flow.tell_parent",
    "flow.stop_child",
    "flow.release_child",
    "flow.callback_timeout",
    "flow.waited",
    "flow.start",
    "flow.decided",
    "flow.withdraw",
]


@pytest.fixture
def open_engine(settings: Settings) -> None:
    """Have `/engine` ask for no credential."""
    settings.OPEN_ENGINE = True


@pytest.fixture
def peer(settings: Settings) -> Iterator[StepServer]:
    """A step server that the engine may reach."""
    settings.HTTP_ALLOW = ["127.0.0.0/8"]
    with step_server() as server:
        yield server
    client.forget_connections()


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that steps may wait for, and flows may start on."""
    declared = event_type(
        name="wind.rose",
        category=Category.DOMAIN,
        meaning="A test says so.",
        schema={"type": "object"},
        stream="wind",
    )
    monkeypatch.setitem(catalogue._types, declared.name, declared)


def wind(speed: int = 9) -> Envelope:
    """Let the wind rise."""
    with transaction.atomic():
        return recorder.emit("wind.rose", {"speed": speed}, stream=("wind", "north"))


def follow() -> None:
    """Let everybody who waits read the feed to its end."""
    sequence()
    while following.follow():
        pass


@pytest.fixture(autouse=True)
def _no_memory_of_other_tests() -> Iterator[None]:
    states.forget_all()
    yield
    states.forget_all()


def work_off(limit: int = 500) -> None:
    """Do what is due, and what becomes due by it, in this process."""
    for _ in range(limit):
        if not runner.work_off(worker="test", kinds=FLOW_KINDS):
            return
    raise AssertionError("the work does not end")


@dataclass(slots=True)
class Clock:
    """The clock of this process, so much ahead of PostgreSQL's, by which rows are due."""

    traveller: time_machine.Traveller
    ahead: timedelta = timedelta()
    moved: set[UUID] = field(default_factory=set)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The clock of this process, which `later` moves on."""
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        _clocks.append(Clock(traveller))
        yield traveller
        _clocks.clear()


_clocks: list[Clock] = []


def later(seconds: float) -> None:
    """Let time pass: for this process, and for the rows, which PostgreSQL's clock measures.

    A row that was scheduled since the last time is due by our clock: it is set back by what
    that was ahead, too, or it would come due so much too late.
    """
    clock, by = _clocks[0], timedelta(seconds=seconds)
    clock.traveller.shift(by)
    still_to_do = Work.objects.exclude(status__in=["done", "cancelled"])
    made_since = still_to_do.filter(status="scheduled").exclude(pk__in=clock.moved)
    made_since.update(due_at=F("due_at") - clock.ahead)
    still_to_do.update(due_at=F("due_at") - by)
    still_to_do.filter(status="scheduled").update(status="ready")
    clock.ahead += by
    clock.moved = {*still_to_do.values_list("pk", flat=True)}


def flow(flow_id: str) -> Flow:
    found = engine.flow(flow_id)
    assert found is not None
    return found


def decider(name: str) -> User:
    return grant(User.objects.create_user(name), "approval.decide")


@pytest.fixture
def ada(db: None) -> User:
    return decider("ada")


@pytest.fixture
def bob(db: None) -> User:
    return decider("bob")


@pytest.fixture
def ada_acts(ada: User, transactional_db: None) -> Iterator[None]:
    """Act as Ada, with the first policies of approvals in force."""
    approval_policies.install_policies(every=seeded.POLICIES)
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(ada.pk))):
        yield


@pytest.fixture
def operator() -> APIClient:
    return client_of("operator", *EVERYTHING)


@pytest.fixture
def sums(operator: APIClient) -> APIClient:
    for step in (ADD, DOUBLE):
        assert post(operator, STEPS, step).status_code == 201
    return operator


@pytest.fixture
def fetching(operator: APIClient, peer: StepServer) -> APIClient:
    """A step whose server says that it has no time."""
    peer.says["/fetch"] = (503, {})
    http = {"endpoint": peer.url("/fetch")}
    step = {"id": "fetch", "name": "Fetch", "type": "sync", "http": http}
    post(operator, STEPS, {**step, "attributes": {"page": {"role": "output"}}})
    return operator
