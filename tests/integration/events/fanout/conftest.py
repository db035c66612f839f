"""The log filled by real commits, and kept for a whole module: positions only grow."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from config.testing.flush import put_all_right
from events import catalogue
from events.domain.envelope import Stream
from events.sourcing import executor
from ledger import capabilities
from ledger.access import grants
from ledger.services import api_keys
from tests import trips
from tests.live import PATIENCE_S, Server, sequence

_numbers = count(1)


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database in which every commit of this module stays until its end."""
    with django_db_blocker.unblock():
        put_all_right()
        with _trips_declared():
            grants.provision()
            yield
        put_all_right()


@contextmanager
def _trips_declared() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (catalogue, "_types"),
            (catalogue, "_streams"),
            (executor, "_aggregates"),
            (capabilities, "_DECLARED"),
        ):
            patch.setattr(module, name, dict(getattr(module, name)))
        trips.declare()
        yield


@pytest.fixture
def _django_db_helper(committed: None) -> None:
    """In place of pytest-django's own, which would empty the log under running servers."""


@pytest.fixture(scope="module")
def server(committed: None) -> Iterator[Server]:
    """A server that looks often, with queues too short for whoever dawdles.

    It waits for them as long as a busy machine needs: not the time is to let them go.
    """
    server = Server(
        limits={
            "heartbeat_s": 0.2,
            "poll_s": 0.2,
            "recheck_s": 600,
            "queue_frames": 40,
            "send_timeout_s": PATIENCE_S,
        },
        write_seconds_max=3 * PATIENCE_S,
    )
    yield server
    server.stop()


@pytest.fixture
def secret(committed: None) -> str:
    """A key that may read every trip and note."""
    return make_key(make_user(trips.READ))[0]


@pytest.fixture
def stream() -> Stream:
    """A stream of notes that nobody else writes."""
    return ("note", f"n{next(_numbers)}")


def make_user(*capability_ids: str) -> User:
    """Return a new user who holds these capabilities."""
    user = User.objects.create_user(f"user-{next(_numbers)}", password="a-long-password")
    user.user_permissions.add(*Permission.objects.filter(codename__in=capability_ids))
    return user


def make_key(user: User) -> tuple[str, UUID]:
    """Return the secret and the id of a new key."""
    key, secret = api_keys.issue_api_key(
        name="a key", owner=user, scopes=["*"], expires_at=timezone.now() + timedelta(days=1)
    )
    sequence()  # That a key was issued is an event too.
    return secret.text, key.pk
