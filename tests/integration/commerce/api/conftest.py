"""People with keys, as integrators have them."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.integration.ledger.conftest import client_with, grant, issue

Keyed = Callable[..., APIClient]


@pytest.fixture
def keyed(transactional_db: None) -> Keyed:
    """Return a function that makes a client whose owner holds these capabilities."""

    def make(
        *capabilities: str, name: str = "integrator", scopes: tuple[str, ...] = ("*",)
    ) -> APIClient:
        owner = User.objects.filter(username=name).first() or User.objects.create_user(name)
        return client_with(issue(grant(owner, *capabilities), scopes)[0])

    return make


@pytest.fixture
def admin(transactional_db: None) -> APIClient:
    """A client that may do everything."""
    owner = User.objects.create_superuser("root", password="root-has-a-long-password")
    return client_with(issue(owner, ["*"])[0])
