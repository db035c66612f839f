"""Nothing accountable changes without its entry, nor an entry is without its change (I12).

Web and worker die by SIGKILL while clerks sell, cancel and give money back.
"""

from collections.abc import Iterator

import psycopg
import pytest

from config.processes.stack import Stack
from config.testing.fixtures import migrated_state, started
from tests.chaos.ledger import audit
from tests.chaos.ledger.clerks import Clerks
from tests.chaos.load import eventually

pytestmark = pytest.mark.chaos

ROUNDS = 4
SETTLES_IN_S = 180.0
# What changes its target's accountable row each time that it is on record as done.
ACTS = {
    "booking.await_payment",
    "booking.confirm",
    "booking.cancel",
    "invoice.issue",
    "invoice.void",
    "payment.record",
    "credit_note.issue",
    "refund.request",
    "refund.settle",
    "voucher.issue",
    "voucher.void",
    "traveller.erase",
    "api_key.issue",
    "api_key.revoke",
    "agent.create",
    "agent_key.issue",
    "delegation.create",
    "delegation.revoke",
}
TABLES = {
    "commerce_booking",
    "commerce_invoice",
    "commerce_payment",
    "commerce_creditnote",
    "commerce_refund",
    "commerce_voucher",
    "commerce_travellerpersonal",
    "ledger_apikey",
    "ledger_agent",
    "ledger_agentkey",
    "ledger_delegation",
}


@pytest.fixture(scope="module")
def daybook() -> Iterator[Stack]:
    haste = {"WORK_LEASE_S": "1", "WORK_PATIENCE_S": "0.5"}
    with migrated_state() as state:
        running = started(state, environment=haste)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def owner(daybook: Stack) -> Iterator[psycopg.Connection]:
    url = daybook.instance.environment["DATABASE_OWNER_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def since(owner: psycopg.Connection) -> object:
    watched, now = audit.begin(owner)
    assert set(watched) >= TABLES
    return now


def all_run(daybook: Stack) -> bool:
    return all(part["ready"] for part in daybook.status().values())


def is_settled(owner: psycopg.Connection) -> bool:
    """Whether the workers have made a voucher for whoever travels, and voided the others."""
    [(open_,)] = owner.execute(
        "SELECT count(*) FROM commerce_booking b WHERE b.status IN ('confirmed', 'cancelled')"
        " AND (b.status = 'confirmed') <> EXISTS ("
        "  SELECT FROM commerce_voucher v WHERE v.booking_id = b.id AND v.voided_at IS NULL)"
    ).fetchall()
    return not open_


def test_every_change_has_its_entry_and_every_entry_its_change_while_processes_die(
    daybook: Stack, owner: psycopg.Connection, since: object
) -> None:
    clerks = Clerks(daybook)
    clerks.open_shop()

    with clerks.at_work(threads=3):
        for _ in range(ROUNDS):
            for part in ("web", "worker"):
                clerks.so_far(6)
                daybook.kill(part)
                eventually(lambda: all_run(daybook), seconds=SETTLES_IN_S)
        eventually(lambda: audit.changed_tables(owner) >= TABLES, seconds=SETTLES_IN_S)
    eventually(lambda: is_settled(owner), seconds=SETTLES_IN_S)

    assert clerks.failures > 0
    assert audit.off_the_record(owner) == []
    assert audit.never_happened(owner, ACTS, since) == []
    assert clerks.told_otherwise == []
    with daybook.client() as client:
        health = client.get("/api/v1/ledger/health").json()
    assert [each for each in health["drift"] if each["missing_count"] or each["unseen_count"]] == []
    assert health["ok"]
    done = audit.times_done(owner)
    assert [
        (path, done.get(key)) for key, path in clerks.acknowledged.items() if done.get(key) != 1
    ] == []


def test_entries_are_sealed_although_no_worker_answers(
    daybook: Stack, owner: psycopg.Connection
) -> None:
    daybook.hold("worker")
    with daybook.client() as client:
        body = {"name": "sealed", "type": "script", "script": {"language": "ale", "script": "{}"}}
        made = client.post("/api/v1/steps", json={"id": "sealed", "attributes": {}, **body})
        assert made.status_code == 201, made.text

    eventually(
        lambda: owner.execute("SELECT count(*) FROM ledger_unsealed").fetchall() == [(0,)],
        seconds=SETTLES_IN_S,
    )

    daybook.resume("worker")


def test_a_change_without_its_entry_would_be_found(
    owner: psycopg.Connection, since: object
) -> None:
    with owner.transaction(force_rollback=True):
        [(payment,)] = owner.execute(
            "UPDATE commerce_payment SET status = status"
            " WHERE id = (SELECT id FROM commerce_payment LIMIT 1) RETURNING id::text"
        ).fetchall()

        assert audit.off_the_record(owner) == [f"commerce_payment {payment}"]


def test_an_entry_without_its_change_would_be_found(
    owner: psycopg.Connection, since: object
) -> None:
    with owner.transaction(force_rollback=True):
        # Awake, it refuses the entry at once.
        owner.execute("ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_keeps_its_rules")
        [(target,)] = owner.execute(
            "INSERT INTO ledger_entry SELECT (jsonb_populate_record(e, jsonb_build_object("
            "  'id', gen_random_uuid(), 'created_at', now(), 'idempotency_key', NULL,"
            "  'idempotency_scope', NULL,"
            "  'transaction_id', pg_current_xact_id()::text::bigint))).*"
            " FROM ledger_entry e WHERE action_name = 'payment.record' LIMIT 1"
            " RETURNING target_id"
        ).fetchall()

        assert audit.never_happened(owner, ACTS, since) == [f"payment.record {target}"]
