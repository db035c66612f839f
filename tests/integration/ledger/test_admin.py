import pytest
from django.contrib.auth.models import User
from django.test import Client

from events import context
from events.domain.principal import SYSTEM
from ledger.domain.action import Action, Kind, Target
from ledger.models import Entry
from ledger.recording import recorded
from tests.integration.ledger.conftest import grant

LIST = "/admin/ledger/entry/"


@pytest.fixture
def entry(db: None) -> Entry:
    target = Target(type="thing", id="t1")
    action = Action(name="thing.do", kind=Kind.EXECUTE, target=target, capability="api_key.read")
    with context.acting(SYSTEM), recorded(action) as proof:
        pass
    return Entry.objects.get(pk=proof.entry_id)


@pytest.fixture
def staff(alice: User, client: Client) -> Client:
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    return client


class TestEntryAdmin:
    def test_shows_and_filters_entries(self, entry: Entry, alice: User, staff: Client) -> None:
        grant(alice, "ledger.read")

        assert b"thing.do" in staff.get(LIST, {"status": "succeeded"}).content
        assert b"thing.do" not in staff.get(LIST, {"status": "denied"}).content
        assert staff.get(f"{LIST}{entry.pk}/change/").status_code == 200

    def test_is_closed_to_who_may_not_read_the_ledger(self, entry: Entry, staff: Client) -> None:
        assert staff.get(LIST).status_code == 403

    def test_changes_nothing(self, entry: Entry, alice: User, staff: Client) -> None:
        grant(alice, "ledger.read")

        assert staff.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
        assert staff.post(f"{LIST}{entry.pk}/change/", {}).status_code == 403
        assert Entry.objects.get() == entry
