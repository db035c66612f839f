"""Who is refused a page or an act of the console, and that it is on record where it is grave."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from guardian.shortcuts import assign_perm

from events import context
from events.domain.principal import SYSTEM
from ledger import capabilities
from ledger.models import Entry
from ledger.services import seals
from tests.integration.console.conftest import Visitor
from tests.integration.ledger.approvals import put_into_force

pytestmark = pytest.mark.django_db(transaction=True)

# Always the same: several workers have to collect tests of the same names.
NOBODYS = "0f0e8a3e-0000-4000-8000-000000000000"


def tried() -> list[tuple[str, str]]:
    rows = Entry.objects.filter(status="denied").order_by("occurred_at")
    return list(rows.values_list("capability_id", "caller_type"))


@pytest.mark.parametrize(
    ("address", "capability"),
    [
        ("/ledger/seals/export", "ledger.export"),
        (f"/ledger/policies/{NOBODYS}/activate", "approval_policy.activate"),
        (f"/document-accesses/{NOBODYS}/revoke", "document_access.manage"),
        (f"/document-accesses/{NOBODYS}/undo", "ledger.reverse"),
    ],
)
def test_who_tries_what_is_grave_is_refused_on_record(
    visitor: Visitor, address: str, capability: str
) -> None:
    response = visitor().post(address, {"reason": "x"})

    assert response.status_code == 403
    assert tried() == [(capability, "session")]


def test_who_opens_a_page_that_is_not_theirs_leaves_nothing(visitor: Visitor) -> None:
    assert visitor().get("/ledger/policies").status_code == 403
    assert tried() == []


def test_who_holds_it_on_one_object_is_not_shown_what_is_about_everything(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_objects = {
        id_: replace(capabilities.get(id_), object_permission="auth.view_user")
        for id_ in ("ledger.export", "approval_policy.draft", "system.health")
    }
    monkeypatch.setattr(capabilities, "_DECLARED", {**capabilities._DECLARED, **on_objects})
    with context.acting(SYSTEM):
        put_into_force()
    seals.seal_entries()
    client = visitor("ledger.read", "approval_policy.read")
    ada = User.objects.get(username="ada")
    assign_perm("auth.view_user", ada, ada)

    sealed = client.get("/ledger/seals").content.decode()
    policies = client.get("/ledger/policies").content.decode()

    assert "test-approval" in policies
    assert "holds" in sealed
    assert "Download the proof" not in sealed
    assert 'href="/doctor"' not in sealed
    assert "What if" not in policies
    assert client.post("/ledger/seals/export", {"reason": "x"}).status_code == 403
