"""The log filled by real commits, and kept for a whole module: positions only grow."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from ledger import grants, services
from tests import trips
from tests.live import Server

_numbers = count(1)


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database in which every commit of this module stays until its end."""
    with django_db_blocker.unblock():
        trips.declare()
        grants.provision()
        yield
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def _django_db_helper(committed: None) -> None:
    """In place of pytest-django's own, which would empty the log under running servers."""


@pytest.fixture(scope="module")
def server(committed: None) -> Iterator[Server]:
    server = Server(limits={"heartbeat_s": 0.3, "poll_s": 0.3, "recheck_s": 60})
    yield server
    server.stop()


def make_user(*capability_ids: str) -> User:
    """Return a new user who holds these capabilities."""
    user = User.objects.create_user(f"user-{next(_numbers)}", password="a-long-password")
    user.user_permissions.add(*Permission.objects.filter(codename__in=capability_ids))
    return user


def make_key(user: User, *, scopes: tuple[str, ...] = ("*",)) -> tuple[str, str]:
    """Return the secret and the id of a new key."""
    key, secret = services.issue_api_key(
        name="a key", owner=user, scopes=scopes, expires_at=timezone.now() + timedelta(days=1)
    )
    return secret.text, str(key.pk)


@pytest.fixture
def secret(committed: None) -> str:
    """A key that may read every trip and note."""
    return make_key(make_user(trips.READ))[0]
