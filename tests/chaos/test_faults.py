"""What a whole Daybook survives (faults F01-F10, F14), asked for from outside, over HTTP.

Each test hurts real processes and ends with every acknowledged job done once, every effect
on record once, and every invariant of the doctor in order.
"""

import random
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import redis

from config.jobs import CHECK
from config.processes.parts import WEBHOOK_WORKER
from config.processes.stack import Stack
from config.testing.fixtures import migrated_state, started
from tests.chaos.checkup import send, violations
from tests.chaos.load import Integrator, effects, eventually, jobs_of, settled
from tests.peers import Receiver, receiver

pytestmark = pytest.mark.chaos

KILLS_MAX = 10
"""A kill between two requests of everybody is none that anybody notices."""


@pytest.fixture(scope="module")
def daybook() -> Iterator[Stack]:
    """A Daybook of this module's own, whose workers keep what they claim until `end_leases`.

    With a lease of seconds a busy machine would take a worker for dead that is not.
    """
    haste = {"WORK_LEASE_S": "600", "WORK_PATIENCE_S": "0.5"}
    with migrated_state() as state:
        running = started(state, environment=haste)
        yield running
        running.stop()


@pytest.fixture(autouse=True)
def _leave_everything_running(daybook: Stack) -> Iterator[None]:
    yield
    for part, status in daybook.status().items():
        if status["pid"] is None:
            daybook.resume(part)
    eventually(lambda: all(part["ready"] for part in daybook.status().values()))


@pytest.fixture
def integrator(daybook: Stack) -> Integrator:
    return Integrator(daybook)


def all_is_well(daybook: Stack, integrator: Integrator) -> None:
    """Assert that nothing acknowledged was lost or done twice, and that the doctor agrees."""
    acknowledged = set(integrator.acknowledged)
    eventually(lambda: settled(daybook, acknowledged))
    assert set(effects(daybook).values()) == {1}
    assert (
        daybook.sql(
            "SELECT input, count(*) FROM work WHERE kind = %s GROUP BY input HAVING count(*) > 1",
            CHECK,
        )
        == []
    )
    the_doctor_agrees(daybook)


def the_doctor_agrees(daybook: Stack) -> None:
    """Assert that no invariant is violated."""
    assert violations(daybook) == {}


def end_leases(daybook: Stack) -> None:
    """Let the time be over for which dead workers, and all others, keep what they claimed."""
    daybook.sql("UPDATE work SET lease_until = statement_timestamp() WHERE status = 'leased'")


def attempts_of(daybook: Stack, nonce: str) -> list[tuple[int, str]]:
    [(job_id, _, _)] = jobs_of(daybook, nonce)
    return daybook.sql(
        "SELECT attempt, outcome FROM work_every_attempt WHERE work_id = %s ORDER BY id", job_id
    )


def is_claimed(daybook: Stack, nonce: str) -> bool:
    return [status for _, status, _ in jobs_of(daybook, nonce)] == ["leased"]


class TestWorker:
    def test_killed_before_the_effect_leaves_it_to_another(
        self, daybook: Stack, integrator: Integrator
    ) -> None:
        daybook.restart("worker", FAILPOINTS="step.before_call:kill")
        with daybook.client() as client:
            nonce = integrator.ask(client)
        eventually(lambda: is_claimed(daybook, nonce))

        daybook.restart("worker")
        end_leases(daybook)

        all_is_well(daybook, integrator)
        assert attempts_of(daybook, nonce) == [(1, "crashed"), (2, "done")]

    def test_killed_after_the_effect_does_not_repeat_what_was_committed_with_it(
        self, daybook: Stack, integrator: Integrator
    ) -> None:
        daybook.restart("worker", FAILPOINTS="step.after_call:kill")
        with daybook.client() as client:
            nonce = integrator.ask(client)
        eventually(lambda: effects(daybook).get(nonce))

        daybook.restart("worker")

        all_is_well(daybook, integrator)
        assert attempts_of(daybook, nonce) == [(1, "done")]

    def test_killed_again_and_again_under_load_loses_nothing(
        self, daybook: Stack, integrator: Integrator
    ) -> None:
        with integrator.at_work():
            for _ in range(2):
                integrator.so_far(10)
                daybook.kill("worker")
                eventually(lambda: daybook.status()["worker"]["ready"])
        end_leases(daybook)

        all_is_well(daybook, integrator)


class TestWeb:
    @pytest.mark.parametrize(
        ("failpoint", "is_committed"),
        [
            ("service.before_commit", False),
            ("work.before_bell", True),
            ("service.after_commit", True),
        ],
    )
    def test_killed_around_its_commit_does_once_what_is_asked_twice(
        self,
        daybook: Stack,
        integrator: Integrator,
        failpoint: str,
        is_committed: bool,  # noqa: FBT001 (a column of the table)
    ) -> None:
        nonce = failpoint
        daybook.restart("web", FAILPOINTS=f"{failpoint}:kill")
        with daybook.client() as client, pytest.raises(httpx2.HTTPError):
            client.post(
                "/api/v1/jobs",
                json={"name": CHECK, "input": {"nonce": nonce}},
                headers={"Idempotency-Key": nonce},
            )
        left_behind = [job_id for job_id, _, _ in jobs_of(daybook, nonce)]
        assert len(left_behind) == is_committed

        daybook.restart("web")
        with daybook.client() as client:
            integrator.ask(client, nonce)

        assert left_behind in ([], [integrator.acknowledged[nonce]])
        all_is_well(daybook, integrator)

    def test_killed_under_load_loses_nothing_that_it_acknowledged(
        self, daybook: Stack, integrator: Integrator
    ) -> None:
        with integrator.at_work():
            integrator.so_far(10)
            for _ in range(KILLS_MAX):
                daybook.kill("web")
                integrator.so_far(10)
                if integrator.failures:
                    break

        assert integrator.failures > 0
        all_is_well(daybook, integrator)


class TestSweeperAndSequencer:
    @pytest.mark.parametrize(
        ("part", "failpoint"),
        [
            ("sweeper", "sweeper.after_claim"),
            ("sequencer", "sequencer.before_commit"),
            ("sequencer", "sequencer.after_commit"),
        ],
    )
    def test_killed_at_their_worst_moment_go_on_where_they_were(
        self, daybook: Stack, integrator: Integrator, part: str, failpoint: str
    ) -> None:
        daybook.restart(part, FAILPOINTS=f"{failpoint}:kill:0.3")
        integrator.ask_for(10)
        eventually(lambda: daybook.status()[part]["deaths"] > 0)

        daybook.restart(part)

        all_is_well(daybook, integrator)

    def test_three_sweepers_at_once_do_nothing_twice(
        self, daybook: Stack, integrator: Integrator
    ) -> None:
        daybook.hold("worker")
        integrator.ask_for(20)
        forget_all_messages(daybook)

        for _ in range(20):
            send(daybook, "work.sweep")  # As beat does: both pool children sweep beside it.
        daybook.resume("worker")

        all_is_well(daybook, integrator)

        for nonce in integrator.acknowledged:
            assert attempts_of(daybook, nonce) == [(1, "done")]


class TestValkey:
    def test_flushed_under_load_costs_nothing(self, daybook: Stack, integrator: Integrator) -> None:
        with integrator.at_work():
            for _ in range(3):
                integrator.so_far(5)
                forget_all_messages(daybook)

        all_is_well(daybook, integrator)

    def test_down_for_a_while_keeps_nobody_from_asking(
        self, daybook: Stack, integrator: Integrator
    ) -> None:
        with integrator.at_work():
            integrator.so_far(5)
            daybook.hold("valkey")
            integrator.so_far(5)
            daybook.resume("valkey")
            integrator.so_far(5)

        all_is_well(daybook, integrator)


class TestPostgres:
    def test_stopped_immediately_under_load_loses_nothing_acknowledged(
        self, daybook: Stack, integrator: Integrator
    ) -> None:
        with integrator.at_work():
            for _ in range(2):
                integrator.so_far(15)
                failures = integrator.failures
                daybook.hold("postgres", by="SIGQUIT")
                # Back at once, it is not missed by requests that wait for a connection.
                eventually(lambda: integrator.failures > failures)  # noqa: B023 (called here)
                daybook.resume("postgres")
            integrator.so_far(15)

        end_leases(daybook)
        # Those that failed were asked for again under the same key: all_is_well() finds
        # each of them once, whether or not the first commit had gone through.
        all_is_well(daybook, integrator)


class TestMessages:
    def test_that_come_twice_late_and_out_of_order_change_nothing(
        self, daybook: Stack, integrator: Integrator
    ) -> None:
        daybook.hold("worker")
        integrator.ask_for(10)
        forget_all_messages(daybook)
        ids = list(integrator.acknowledged.values())

        bells = ids * 3
        random.Random(7).shuffle(bells)  # noqa: S311 (any order will do)
        ring(daybook, bells)
        daybook.resume("worker")
        all_is_well(daybook, integrator)
        ring(daybook, ids)
        integrator.ask_for(1)

        all_is_well(daybook, integrator)
        for nonce in integrator.acknowledged:
            assert attempts_of(daybook, nonce) == [(1, "done")]


class TestWebhooks:
    def test_a_message_whose_worker_died_after_the_call_is_sent_again_under_the_same_id(
        self, daybook: Stack
    ) -> None:
        with receiver() as peer, daybook.client() as client:
            subscription = subscribed(client, peer)
            daybook.restart(WEBHOOK_WORKER, FAILPOINTS="webhook.after_call:kill")
            sent = client.post(f"/api/v1/webhooks/subscriptions/{subscription}/test", json={})
            eventually(lambda: peer.received)

            daybook.restart(WEBHOOK_WORKER)
            end_leases(daybook)

            where = sent.headers["location"]
            delivery = eventually(lambda: delivered(client, where))
            client.delete(f"/api/v1/webhooks/subscriptions/{subscription}")

        first, second = peer.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body
        assert [attempt["number"] for attempt in delivery["attempts"]] == [1]
        the_doctor_agrees(daybook)

    def test_a_message_whose_worker_died_before_the_call_is_sent_once(self, daybook: Stack) -> None:
        with receiver() as peer, daybook.client() as client:
            subscription = subscribed(client, peer)
            daybook.restart(WEBHOOK_WORKER, FAILPOINTS="webhook.before_call:kill")
            sent = client.post(f"/api/v1/webhooks/subscriptions/{subscription}/test", json={})
            work = sent.json()["id"]
            eventually(lambda: daybook.sql("SELECT id FROM work WHERE id = %s AND fence > 0", work))

            daybook.restart(WEBHOOK_WORKER)
            end_leases(daybook)

            eventually(lambda: delivered(client, sent.headers["location"]))
            client.delete(f"/api/v1/webhooks/subscriptions/{subscription}")

        assert len(peer.received) == 1


def subscribed(client: httpx2.Client, peer: Receiver) -> str:
    [event, *_] = client.get("/api/v1/webhooks/subscriptions/events").json()
    made = client.post(
        "/api/v1/webhooks/subscriptions", json={"url": peer.url, "events": [event["name"]]}
    )
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def delivered(client: httpx2.Client, where: str) -> dict[str, Any] | None:
    delivery: dict[str, Any] = client.get(where).json()
    return delivery if delivery["status"] == "delivered" else None


def forget_all_messages(daybook: Stack) -> None:
    """Lose every bell that is on its way."""
    with redis.Redis.from_url(daybook.environment["REDIS_URL"]) as valkey:
        valkey.flushall()


def ring(daybook: Stack, ids: list[str]) -> None:
    """Send a bell for each of `ids`, in this order, as a process of the product would."""
    for id_ in ids:
        send(daybook, "work.run", ids=[id_])
