"""Who follows the tail of the ledger over HTTP while others write: everything, once, in order."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from rest_framework.test import APIClient

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger import recording
from ledger.domain.action import Action, Kind, Target
from ledger.models import Entry
from ledger.services import seals
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

TAIL = "/api/v1/ledger/tail"
CLERK = Principal(kind=PrincipalKind.USER, id="7")
WRITERS, EACH, PAGE = 4, 12, 7
HALF = WRITERS * EACH // 2
PATIENCE_S = 60

Seen = list[tuple[int, str]]
"""Positions and ids, as they came."""


def on(thing: str) -> Action:
    target = Target(type="thing", id=thing)
    return Action(name="thing.do", kind=Kind.EXECUTE, target=target, capability="api_key.read")


@dataclass
class Scene:
    """Writers, one who is overtaken by them, a sealer, and who follows all of it."""

    consumer: APIClient
    everybody: Barrier = field(default_factory=lambda: Barrier(WRITERS + 3))
    is_inserted: Event = field(default_factory=Event)
    is_overtaken: Event = field(default_factory=Event)
    is_written: Event = field(default_factory=Event)
    is_sealed: Event = field(default_factory=Event)

    def straggle(self) -> None:
        """Insert an entry before all others, and commit it when half of them were seen."""
        with context.acting(CLERK), transaction.atomic():
            with recording.recorded_in_transaction(on("straggler")):
                pass
            self.is_inserted.set()
            assert self.is_overtaken.wait(PATIENCE_S)

    def write(self, writer: int) -> None:
        assert self.is_inserted.wait(PATIENCE_S)
        for number in range(EACH):
            with context.acting(CLERK), recording.recorded(on(f"{writer}-{number}")):
                pass

    def seal(self) -> None:
        while not self.is_written.is_set():
            seals.seal_batch(limit=3)
        seals.seal_entries()

    def follow(self) -> Seen:
        seen: Seen = []
        after = 0
        while True:
            # Asked before the page is: what is sealed by then is on this page, or on a later one.
            is_last = self.is_sealed.is_set()
            page = self.consumer.get(TAIL, {"after": after, "limit": PAGE}).json()
            seen += [(each["position"], each["id"]) for each in page["results"]]
            after = page["next_after"]
            if len(seen) > HALF:
                self.is_overtaken.set()
            if is_last and not page["results"]:
                return seen

    def plays(self) -> Seen:
        """Let all of them begin at once, and return what the consumer saw."""
        with ThreadPoolExecutor(WRITERS + 3) as pool:

            def begin(act: Callable[..., Any], *given: Any) -> Any:
                return pool.submit(self._begin, act, *given)

            following, sealing = begin(self.follow), begin(self.seal)
            writing = [begin(self.straggle), *(begin(self.write, n) for n in range(WRITERS))]
            for written in writing:
                written.result()
            self.is_written.set()
            sealing.result()
            self.is_sealed.set()
            seen: Seen = following.result()
        return seen

    def _begin(self, act: Callable[..., Any], *given: Any) -> Any:
        try:
            self.everybody.wait(PATIENCE_S)
            return act(*given)
        finally:
            connection.close()


def test_a_consumer_loses_and_doubles_nothing_under_load(alice: User) -> None:
    consumer = client_with(issue(grant(alice, "ledger.read"), ["ledger.read"])[0])

    seen = Scene(consumer).plays()

    ids = [str(id_) for id_ in Entry.objects.values_list("pk", flat=True)]
    assert [position for position, _ in seen] == list(range(1, len(ids) + 1))
    assert sorted(id_ for _, id_ in seen) == sorted(ids)
    # Who inserted first and committed last was overtaken, and not lost.
    straggler = str(Entry.objects.get(target_id="straggler").pk)
    assert [id_ for _, id_ in seen].index(straggler) > HALF
