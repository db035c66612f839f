"""The code of docs/an-action-that-needs-approval.md does what the page says, as it stands there."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import include, path
from pytest_django import Settings
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient

from commerce.models import Product
from config import urls
from events import context
from events.domain.principal import SYSTEM
from ledger import capabilities
from ledger.access import grants
from ledger.models import Approval, Entry
from ledger.services import approval_policies
from tests.architecture.source import ROOT
from tests.integration.ledger.approvals import say
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = ROOT / "docs/an-action-that-needs-approval.md"
WHY = {"reason": "Salmonella"}

urlpatterns: list[Any] = []
"""The addresses of Daybook, and the one of the page."""


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> dict[str, Any]:
    """What the page defines, in force."""
    monkeypatch.setattr(capabilities, "_DECLARED", dict(capabilities._DECLARED))
    made: dict[str, Any] = {"__name__": __name__}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(code, made)  # noqa: S102 - it is ours, and run here so that it stays true.
    router = SimpleRouter(trailing_slash=False, use_regex_path=False)
    router.register("product-recalls", made["RecallViewSet"], basename="product-recall")
    monkeypatch.setattr(
        f"{__name__}.urlpatterns", [path("api/v1/", include(router.urls)), *urls.urlpatterns]
    )
    settings.ROOT_URLCONF = __name__
    grants.provision()
    with context.acting(SYSTEM):
        draft = approval_policies.draft_policy(terms=made["RECALLS"])
        approval_policies.activate_policy(policy_id=draft.pk, is_fresh=True)
    return made


@pytest.fixture
def seller(recipe: dict[str, Any]) -> APIClient:
    user = grant(User.objects.create_user("seller"), "product.recall", "product.read")
    return client_with(issue(user, ["product.*"])[0])


def recall(client: APIClient, product: Product, under: Approval | None = None, **asked: str) -> Any:
    named = {"Idempotency-Key": f"recall-{product.pk}-{asked or ''}"}
    if under is not None:
        named["Action-Approval-Id"] = str(under.pk)
    address = f"/api/v1/product-recalls/{product.pk}/recall"
    return client.post(address, {**WHY, **asked}, format="json", headers=named)


def test_an_action_waits_is_agreed_to_and_done_once(seller: APIClient, product: Product) -> None:
    decider = grant(User.objects.create_user("decider"), "approval.decide")

    asked = recall(seller, product)
    assert asked.status_code == 202, asked.content
    approval = Approval.objects.get()
    product.refresh_from_db()
    assert product.status == "active"

    say(approval, decider)
    assert recall(seller, product, approval, reason="A whim").status_code == 409
    done = recall(seller, product, approval)

    assert done.status_code == 200, done.content
    assert done.json()["status"] == "archived"
    entry = Entry.objects.get(action_name="product.recall", status="succeeded")
    assert entry.approval_id == approval.pk
    again = recall(seller, product, approval)
    assert again.status_code in {200, 409}
    assert Entry.objects.filter(action_name="product.recall", status="succeeded").count() == 1


def test_it_is_refused_in_its_own_words_and_on_record(seller: APIClient, product: Product) -> None:
    nobody = grant(User.objects.create_user("nobody"), "product.read")
    client = client_with(issue(nobody, ["product.*"])[0])
    assert recall(client, product).status_code == 403
    assert Entry.objects.filter(capability_id="product.recall", status="denied").count() == 1

    Product.objects.filter(pk=product.pk).update(status="archived")
    refused = recall(seller, product)
    assert (refused.status_code, refused.json()["code"]) == (409, "product_recalled_already")
