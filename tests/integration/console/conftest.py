"""Visitors, and a little history for them to look at."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client

from events import catalogue, recorder, sequencer
from events.domain.envelope import Category, Envelope, Stream
from tests.integration.console.flow_pages import FUNCTIONS, register, start
from tests.integration.workflows.flows.conftest import weather  # noqa: F401 - a fixture.
from workflows.flows.steps import callables

Tell = Callable[..., Envelope]
Visitor = Callable[..., Client]


@pytest.fixture
def visitor() -> Visitor:
    """A logged-in client whose user holds the named capabilities."""

    def make(*capabilities: str, name: str = "ada") -> Client:
        user = User.objects.create_user(name)
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="ledger", codename__in=capabilities)
        )
        assert user.user_permissions.count() == len(capabilities), "a capability is not declared"
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Record an event of a made-up family: `tale` is for readers of jobs, `secret` is not."""
    monkeypatch.setattr(catalogue, "_types", dict(catalogue._types))
    monkeypatch.setattr(catalogue, "_streams", dict(catalogue._streams))
    catalogue.declare_stream("tale", meaning="One tale.", read="job.read")
    catalogue.declare_stream("secret", meaning="One secret.", read="api_key.administer")
    for name, category in (
        ("tale.begun", Category.DOMAIN),
        ("tale.ended", Category.DOMAIN),
        ("tale.noted", Category.INTERNAL),
        ("secret.kept", Category.DOMAIN),
    ):
        catalogue.declare(
            name,
            category=category,
            meaning=f"{name}, for a test.",
            schema={"type": "object"},
            stream=name.split(".")[0],
        )

    def record(name: str, stream: Stream = ("tale", "1"), /, **data: object) -> Envelope:
        with transaction.atomic():
            event = recorder.emit(name, data, stream=stream)
        while sequencer.sequence_once():
            pass
        return event

    return record


@pytest.fixture
def step_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions of python steps: one holds, one wants to be tried again, one fails."""
    monkeypatch.setattr(callables, "_registered", dict(FUNCTIONS))


@pytest.fixture
def trip(step_functions: None) -> str:
    """A flow that held a seat and waits to try again to pay."""
    register("hold", seat="output")
    register("pay", seat="required", card="required", receipt="output")
    register("ticket", receipt="required")
    start("trip", "ticket", card="4242")
    return "trip"
