from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.test import APIClient

from events import context
from events.domain.principal import SYSTEM
from ledger.services import api_keys

Grant = Callable[..., User]
Keyed = Callable[..., APIClient]


def grant(user: User, *capability_ids: str) -> User:
    """Give `user` capabilities, as the admin would."""
    found = Permission.objects.filter(content_type__app_label="ledger", codename__in=capability_ids)
    assert len(found) == len(capability_ids)
    user.user_permissions.add(*found)
    return User.objects.get(pk=user.pk)


def issue(owner: User, scopes: Sequence[str], *, name: str = "a key") -> tuple[str, str]:
    """Issue a key and return (secret, id)."""
    with context.acting(SYSTEM):
        key, secret = api_keys.issue_api_key(
            name=name, owner=owner, scopes=scopes, expires_at=timezone.now() + timedelta(days=30)
        )
    return secret.text, str(key.pk)


def client_with(secret: str) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="alice-has-a-long-password")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password="bob-has-a-long-password")


@pytest.fixture
def carol(db: None) -> User:
    """Somebody who may decide approvals, and dave another."""
    return grant(User.objects.create_user("carol"), "approval.decide")


@pytest.fixture
def dave(db: None) -> User:
    return grant(User.objects.create_user("dave"), "approval.decide")


@pytest.fixture
def alice_key(alice: User) -> APIClient:
    """A client with a key of alice's, who may do everything with keys."""
    grant(alice, "api_key.read", "api_key.issue", "api_key.revoke")
    return client_with(issue(alice, ["*"])[0])
