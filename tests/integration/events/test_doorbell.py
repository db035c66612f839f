import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
import redis
from django.db import connection, transaction
from pytest_django import Settings

from events import doorbell, recorder

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "unix:///nowhere/valkey.sock"
PATIENCE_SECONDS = 30.0


def channel_of(what: str) -> str:
    return f"daybook:{connection.settings_dict['NAME']}:{what}"


@pytest.fixture
def rings(settings: Settings) -> Iterator[redis.client.PubSub]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(channel_of("committed"))
        pubsub.get_message(timeout=PATIENCE_SECONDS)
        yield pubsub


@pytest.fixture(autouse=True)
def _a_bell_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbell, "_moved", doorbell._Publisher())
    bell = doorbell._Publisher(interval_seconds=doorbell.RING_INTERVAL_SECONDS)
    monkeypatch.setattr(doorbell, "_committed", bell)
    monkeypatch.setattr(doorbell, "_timers", doorbell._Timers())
    # On a busy machine no ring is left out because Valkey had to wait for its turn.
    monkeypatch.setattr(doorbell, "RING_SECONDS_MAX", PATIENCE_SECONDS)


def heard(rings: redis.client.PubSub) -> int:
    count, patience = 0, PATIENCE_SECONDS
    while rings.get_message(timeout=patience):
        count, patience = count + 1, 0.5
    return count


def await_subscriber(url: str, what: str) -> None:
    """Wait until Valkey knows of who listens: it may come to their line after the next one's."""
    channel = channel_of(what)
    with redis.Redis.from_url(url) as client:
        ends = time.monotonic() + PATIENCE_SECONDS
        while client.pubsub_numsub(channel)[0][1] == 0:
            assert time.monotonic() < ends, f"nobody listens to {channel}"
            time.sleep(0.01)


def emit(times: int) -> None:
    with transaction.atomic():
        for number in range(times):
            recorder.emit("tally.added", {"number": number}, stream=("tally", "t1"))


class TestRing:
    def test_rings_once_per_transaction(self, rings: redis.client.PubSub) -> None:
        emit(3)

        assert heard(rings) == 1

    def test_leaves_out_a_ring_that_follows_another_closely(
        self, rings: redis.client.PubSub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doorbell._committed, "_interval_seconds", 60)

        emit(1)
        emit(1)

        assert heard(rings) == 1

    def test_is_left_out_no_longer_than_the_receiver_of_the_last_one_lingers(self) -> None:
        assert doorbell.RING_INTERVAL_SECONDS < doorbell.LINGER_SECONDS

    def test_rings_again_for_what_a_rolled_back_savepoint_took_along(
        self, rings: redis.client.PubSub
    ) -> None:
        with transaction.atomic():
            with transaction.atomic():
                doorbell.ring()
                transaction.set_rollback(True)
            doorbell.ring()

        assert heard(rings) == 1

    def test_costs_a_commit_neither_its_success_nor_its_time_when_valkey_is_away(
        self,
        settings: Settings,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings.REDIS_URL = NOWHERE
        monkeypatch.setattr(doorbell, "SILENCE_SECONDS", 600)
        emit(1)

        for _ in range(20):
            doorbell.ring()

        assert len(caplog.records) == 1  # Nobody tried again.


class TestWaiter:
    def test_returns_at_the_ring(self) -> None:
        waiter = doorbell.Waiter("moved")
        waiter.wait(0.01)
        returned = threading.Event()

        def wait() -> None:
            waiter.wait(60)
            returned.set()

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        # A ring that would hold up its writer is left out: on a busy machine some are.
        for _ in range(200):
            doorbell.announce(7)
            if returned.wait(0.1):
                break

        assert returned.is_set()
        waiter.close()

    def test_hears_what_rings_after_its_first_wait(self, settings: Settings) -> None:
        waiter = doorbell.Waiter("moved")
        waiter.wait(0)
        await_subscriber(settings.REDIS_URL, "moved")
        doorbell.announce(7)
        began = time.monotonic()

        waiter.wait(60)

        assert time.monotonic() - began < 60
        waiter.close()

    def test_subscribes_with_the_next_wait_when_the_first_found_no_valkey(
        self, settings: Settings
    ) -> None:
        url, settings.REDIS_URL = settings.REDIS_URL, NOWHERE
        waiter = doorbell.Waiter("moved")
        waiter.wait(0)
        settings.REDIS_URL = url

        waiter.wait(0)

        await_subscriber(url, "moved")
        waiter.close()

    def test_just_waits_when_valkey_is_away(self, settings: Settings) -> None:
        settings.REDIS_URL = NOWHERE
        started = time.monotonic()

        doorbell.Waiter().wait(0.05)

        assert 0.05 <= time.monotonic() - started < 60


class TestTimers:
    def test_wake_who_would_look_later(self) -> None:
        waiter = doorbell.Waiter("timer")
        waiter.wait(0.01)
        woken = threading.Event()

        def wait() -> None:
            waiter.wait(60)
            woken.set()

        threading.Thread(target=wait, daemon=True).start()
        for _ in range(200):
            doorbell.set_timer(0.05)
            if woken.wait(0.1):
                break

        assert woken.is_set()
        waiter.close()

    def test_wake_at_the_moment_and_not_at_the_ring(self, settings: Settings) -> None:
        waiter = doorbell.Waiter("timer")
        waiter.wait(0.01)
        await_subscriber(settings.REDIS_URL, "timer")
        began = time.monotonic()
        doorbell.set_timer(0.3)

        waiter.wait(60)

        assert 0.29 <= time.monotonic() - began < 60
        waiter.close()

    def test_need_no_wake_up_behind_one_that_comes_before(self, settings: Settings) -> None:
        client = redis.Redis.from_url(settings.REDIS_URL)
        with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
            pubsub.subscribe(channel_of("timer"))
            pubsub.get_message(timeout=PATIENCE_SECONDS)

            for seconds in [100, 200, 100.5, 50]:
                doorbell.set_timer(seconds)

            assert heard(pubsub) == 2


class TestListen:
    async def test_yields_positions_as_they_are_announced(self) -> None:
        moves = doorbell.listen(poll_seconds=10)
        assert [await anext(moves), await anext(moves)] == [None, None]

        await asyncio.to_thread(doorbell.announce, 7)

        assert await anext(moves) == 7
        await moves.aclose()

    async def test_is_a_clock_when_valkey_is_away(self, settings: Settings) -> None:
        settings.REDIS_URL = NOWHERE
        moves = doorbell.listen(poll_seconds=0.01)

        assert [await anext(moves) for _ in range(3)] == [None, None, None]
        await moves.aclose()
