"""One intent of twenty who are each in the middle of something larger."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger import recording
from ledger.domain.action import Action, Idempotency, Kind, Target
from ledger.entries import ActionInProgress, ActionRepeated
from ledger.models import Entry

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
