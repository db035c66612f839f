"""One intent of twenty who are each in the middle of something larger, and one key of two."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Event

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger import idempotency, recording
from ledger.domain.action import Action, Idempotency, Kind, Target
from ledger.domain.capability import CapabilityMissing
from ledger.domain.keyed import Keyed
from ledger.entries import ActionInProgress, ActionKeyReused, ActionRepeated
from ledger.idempotency import Request
from ledger.models import Entry, IdempotencyKey
from tests.chaos.load import eventually
from tests.integration.ledger.access.test_stops_at_once import waiting

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 20
CLERK = Principal(kind=PrincipalKind.USER, id="7")
ACTION = Action(
    name="thing.do",
    kind=Kind.EXECUTE,
    target=Target(type="thing", id="t1"),
    capability="api_key.read",
    idempotency=Idempotency(scope="test", key="k1"),
)


def test_is_acted_on_once_and_the_others_go_on_with_theirs() -> None:
    start = Barrier(THREADS)

    def act(number: int) -> str:
        outcome = "done"
        try:
            with context.acting(CLERK), transaction.atomic():
                Group.objects.create(name=f"before {number}")
                start.wait(60)
                try:
                    with recording.recorded_in_transaction(ACTION):
                        pass
                except (ActionRepeated, ActionInProgress) as refused:
                    outcome = refused.code
                Group.objects.create(name=f"after {number}")
        finally:
            connection.close()
        return outcome

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(act, range(THREADS)))

    assert outcomes.count("done") == 1
    assert Entry.objects.count() == 1
    assert Group.objects.count() == 2 * THREADS


def test_a_key_whose_day_is_over_is_still_that_of_its_entry() -> None:
    def ask(group: str) -> None:
        with context.acting(CLERK), idempotency.exchange() as exchange:
            exchange.request = Request(scope="clerk", key="k1", fingerprint=Keyed(["asked"]))
            with recording.recorded(replace(ACTION, idempotency=None)):
                Group.objects.create(name=group)

    ask("first")
    IdempotencyKey.objects.all().delete()

    with pytest.raises(ActionKeyReused):
        ask("second")

    assert [group.name for group in Group.objects.all()] == ["first"]


def test_of_two_refusals_at_once_that_say_the_same_one_is_on_record() -> None:
    is_there, may_go_on = Event(), Event()
    action = replace(ACTION, capability="api_key.revoke", idempotency=None)
    once = Idempotency(scope="test", key="refused")

    def refuse(*, waits: bool) -> object:
        try:
            with context.acting(CLERK), transaction.atomic():
                why = CapabilityMissing("api_key.revoke")
                noted = recording.record_refusal(action, why, once=once)
                if waits:
                    is_there.set()
                    assert may_go_on.wait(60)
            return noted
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(refuse, waits=True)
        assert is_there.wait(60)
        second = pool.submit(refuse, waits=False)
        eventually(waiting)
        may_go_on.set()

        assert second.result(60) is None
    assert [entry.pk for entry in Entry.objects.all()] == [first.result(60)]
