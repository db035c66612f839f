"""What is wrong on record is corrected by another entry: nothing is rewritten."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger.models import Entry
from tests.integration.ledger.api.test_entries_api import NOBODYS, do
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/ledger/entries"
WRONG = {"reason": "It was done for another booking."}


@pytest.fixture
def clerk(alice: User) -> APIClient:
    grant(alice, "ledger.read", "ledger.amend")
    return client_with(issue(alice, ["ledger.*"])[0])


def amend(client: APIClient, entry_id: object, key: str = "") -> Any:
    headers = {"Idempotency-Key": key or uuid4().hex}
    return client.post(f"{URL}/{entry_id}/amendments", WRONG, format="json", headers=headers)


class TestAmendEntry:
    def test_stands_beside_what_it_corrects(self, clerk: APIClient, alice: User) -> None:
        wrong = do()
        before = Entry.objects.values().get(pk=wrong.entry_id)

        answer = amend(clerk, wrong.entry_id)

        assert answer.status_code == 201, answer.content
        made = answer.json()
        assert answer["Location"] == f"{URL}/{made['id']}"
        assert (made["amends"], made["reason"]) == (str(wrong.entry_id), WRONG["reason"])
        assert (made["action_name"], made["capability_id"]) == ("ledger.amend", "ledger.amend")
        assert (made["target_type"], made["target_id"]) == ("thing", "t1")
        assert [each["id"] for each in made["chain"]["amends"]] == [str(wrong.entry_id)]
        original = clerk.get(f"{URL}/{wrong.entry_id}").json()
        assert [each["id"] for each in original["chain"]["amended_by"]] == [made["id"]]
        assert Entry.objects.values().get(pk=wrong.entry_id) == before

    def test_is_corrected_in_the_same_way(self, clerk: APIClient) -> None:
        first = amend(clerk, do().entry_id).json()

        second = amend(clerk, first["id"]).json()

        assert second["amends"] == first["id"]

    def test_twice_under_one_key_is_one(self, clerk: APIClient) -> None:
        wrong = do()

        first, again = (amend(clerk, wrong.entry_id, key="once") for _ in range(2))

        assert first.json() == again.json()
        assert Entry.objects.filter(amends=wrong.entry_id).count() == 1

    def test_is_of_something(self, clerk: APIClient) -> None:
        answer = amend(clerk, NOBODYS)

        assert (answer.status_code, answer.json()["code"]) == (404, "entry_not_found")
        assert not Entry.objects.filter(action_name="ledger.amend").exists()

    def test_is_refused_on_record_to_who_may_only_read(self, bob: User) -> None:
        reader = client_with(issue(grant(bob, "ledger.read"), ["ledger.*"])[0])
        wrong = do()

        answer = amend(reader, wrong.entry_id)

        assert answer.status_code == 403
        [denied] = Entry.objects.filter(status="denied")
        assert denied.capability_id == "ledger.amend"
