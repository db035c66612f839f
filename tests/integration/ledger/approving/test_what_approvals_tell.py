"""What subscribers are told of an approval: that nobody answered in time, and whose turn it is."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import time_machine
from django.contrib.auth.models import User

from events.models import StoredEvent
from ledger.models import Approval, Entry
from ledger.services import approvals
from ledger.services.approvals import Subject
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _alice_acts(alice: User, transactional_db: None) -> Iterator[None]:
    STATE.clear()
    with acting(alice):
        yield


def events_of(approval: Approval) -> list[tuple[str, dict[str, Any]]]:
    rows = StoredEvent.objects.filter(stream=f"approval/{approval.pk}/").order_by("sequence")
    return [
        (row.name.removeprefix("ledger.approval."), orjson.loads(row.data or "")) for row in rows
    ]


@pytest.mark.parametrize("end", ["expired", "denied"])
def test_that_its_time_is_over_whatever_the_policy_makes_of_it(end: str) -> None:
    put_into_force(on_expiry=end)
    approval = asked()

    with time_machine.travel(approval.expires_at, tick=False):
        assert approvals.expire_approvals() == 1

    approval.refresh_from_db()
    [_, (name, data)] = events_of(approval)
    assert (approval.status, name, data["status"]) == (end, "expired", end)
    assert Entry.objects.get(approval_id=approval.pk, action_kind="reject").status == end


def test_whose_turn_it_is(carol: User, dave: User) -> None:
    put_into_force()
    approval = asked()

    with acting(carol) as holder:
        approvals.delegate_approval(approval_id=approval.pk, to="dave", decider=holder)

    assert [(name, data["assignedTo"]) for name, data in events_of(approval)] == [
        ("requested", None),
        ("delegated", str(dave.pk)),
    ]


def test_what_it_is_about_but_no_title_that_somebody_wrote() -> None:
    put_into_force(name="other")
    subject = Subject(type="slot", id="s1", title="A late start for Ada Lovelace")

    approval = approvals.request_approval(subject=subject, policy="other")

    [(_, data)] = events_of(approval)
    assert (approval.title, data["title"]) == (subject.title, "Leave for slot s1")
    [(_, data)] = events_of(asked())
    assert data["title"] == asked().title
