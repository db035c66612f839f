from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger import capabilities
from ledger.access import grants
from tests.integration.api import sample
from tests.integration.ledger.conftest import client_with, grant, issue


@pytest.fixture
def _gadgets(settings: object, db: None) -> Iterator[None]:
    """The sample API is part of the site, its capabilities are declared and grantable."""
    settings.ROOT_URLCONF = sample.__name__  # type: ignore[attr-defined]
    for id_, permission in sample.CAPABILITIES.items():
        resource, action = id_.split(".")
        capabilities.declare(
            id_, meaning=id_, resource=resource, action=action, object_permission=permission
        )
    grants.provision()
    yield
    for id_ in sample.CAPABILITIES:
        capabilities._DECLARED.pop(id_)
    sample.inside.clear()
    sample.after.clear()


@pytest.fixture
def alice(_gadgets: None) -> User:
    return User.objects.create_user("alice", password="alice-has-a-long-password")


@pytest.fixture
def bob(_gadgets: None) -> User:
    return User.objects.create_user("bob", password="bob-has-a-long-password")


@pytest.fixture
def secret(alice: User) -> str:
    """A key of alice's, who may do everything with gadgets."""
    grant(alice, *sample.CAPABILITIES)
    return issue(alice, ["gadget.*"])[0]


@pytest.fixture
def client(secret: str) -> APIClient:
    """A client with that key."""
    return client_with(secret)
