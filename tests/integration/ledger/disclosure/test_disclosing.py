from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger import entries
from ledger.disclosure import disclosing
from ledger.domain.action import Read, Target
from ledger.domain.disclosure import LedgerUnavailable
from ledger.models import Entry
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

CLERK = Principal(kind=PrincipalKind.USER, id="7")


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK, correlation_id="cor_test", causation_id="req_1"):
        yield


class TestDisclosed:
    READ = Read(
        name="traveller.read_personal",
        target=Target(type="traveller", id="t1"),
        capability="traveller.read_personal",
        fields=("phone", "email"),
        reason="a call",
    )

    def test_is_on_record_before_the_value_leaves(self) -> None:
        def reveal() -> int:
            assert not connection.in_atomic_block
            return Entry.objects.count()

        assert disclosing.disclosed(self.READ, reveal) == 1
        entry = Entry.objects.select_related("disclosure").get()
        assert entry.action_kind == "read"
        assert entry.disclosure.disclosed_fields == ["email", "phone"]
        assert entry.disclosure.reason_code == "a call"

    def test_withholds_the_value_when_it_cannot_be_recorded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_draft: object) -> None:
            raise DatabaseError

        monkeypatch.setattr(entries, "append", fail)

        with pytest.raises(LedgerUnavailable):
            disclosing.disclosed(self.READ, lambda: pytest.fail("it was revealed"))


def test_words_that_are_not_shown_find_no_look(alice: User, bob: User) -> None:
    why = "Asked by ada@example.org."
    target = Target(type="thing", id="t1")
    read = Read(
        name="thing.look", target=target, capability="api_key.read", fields=("name",), reason=why
    )
    disclosing.disclosed(read, lambda: "")
    grant(alice, "ledger.read", "ledger.read_payload")
    grant(bob, "ledger.read")

    found = {}
    for who in (alice, bob):
        client = client_with(issue(who, ["ledger.*"])[0])
        answer = client.get("/api/v1/ledger/entries", {"reason_code": why})
        found[who.username] = [each["reason"] for each in answer.json()["results"]]

    assert found == {"alice": [why], "bob": []}
