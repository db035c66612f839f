"""The invariants of the log, for the doctor."""

import secrets
from typing import Any

from django.apps import apps
from django.db import connection

from events import samples, store
from events.doctor import VIOLATIONS_SHOWN_MAX, check
from events.samples import EVENTS, POSITIONS, Sample
from events.sourcing import executor, rebuilding
from events.tables import append_only, triggers

VERIFIED_STREAMS_MAX = 200
PAYLOADS_REREAD = 50
LAG_SECONDS_MAX = 2


def _rows(sql: str, params: list[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


@check("I2", "every stream is gapless from 1 (of a long log: a sample)")
def streams_are_gapless() -> list[str]:
    # A look at the index for each: as a join, all of the log might be read.
    found = _rows(
        f"SELECT e.stream, e.sequence FROM {EVENTS} e WHERE e.sequence > 1 AND (SELECT true "  # noqa: S608
        "FROM events_event b WHERE b.stream = e.stream AND b.sequence = e.sequence - 1) IS NULL "
        f"LIMIT {VIOLATIONS_SHOWN_MAX}",
        samples.of_events().params,
    )
    return [f"{stream} has an event {at}, and none before it" for stream, at in found]


@check("I3", "append-only tables have their triggers, and the product no right to change them")
def append_only_tables_are_guarded() -> list[str]:
    return [*_unguarded_tables(), *_excessive_rights()]


@check("events-rules", "the rules of new events are enforced")
def events_are_held_to_their_rules() -> list[str]:
    lost = triggers.missing_or_disabled("events_")
    return [f"{table}: the trigger {name} sleeps, or is gone" for table, name in lost]


@check("schema-constraints", "the database has every constraint that the models declare")
def constraints_are_there() -> list[str]:
    there = dict(
        _rows(
            "SELECT conname, convalidated FROM pg_constraint "
            "WHERE connamespace = current_schema()::regnamespace UNION ALL "
            "SELECT relname, indisvalid FROM pg_class c JOIN pg_index i ON indexrelid = c.oid "
            "WHERE relnamespace = current_schema()::regnamespace AND indisunique"
        )
    )
    declared = {
        constraint.name: model._meta.db_table  # noqa: SLF001 (Django's public spelling)
        for model in apps.get_models()
        for constraint in model._meta.constraints  # noqa: SLF001
        if model._meta.managed  # noqa: SLF001
    }
    return [
        f"{table}: the constraint {name} is {'not held to' if name in there else 'gone'}"
        for name, table in sorted(declared.items())
        if not there.get(name)
    ]


@check("events-payloads", "large payloads match their hashes")
def payloads_are_as_hashed() -> list[str]:
    # From a drawn place on, and round: a doctor that comes often gets to all of them.
    found = _rows(
        "SELECT hash FROM ("
        "(SELECT * FROM events_payload WHERE hash >= %(place)s ORDER BY hash LIMIT %(limit)s) "
        "UNION (SELECT * FROM events_payload ORDER BY hash LIMIT %(limit)s)) looked_at "
        "WHERE hash <> encode(sha256(convert_to(body, 'UTF8')), 'hex') ORDER BY hash",
        {"place": secrets.token_hex(32), "limit": PAYLOADS_REREAD},
    )
    return [f"the payload {digest} is not what its hash says" for (digest,) in found]


@check("I4", "list rows and snapshots equal the replay of the log (latest streams)")
def projections_equal_replay() -> list[str]:
    found: list[str] = []
    for aggregate in executor.registered():
        streams = store.latest_streams((aggregate.kind,), limit=VERIFIED_STREAMS_MAX)
        found += rebuilding.verify(aggregate, streams)
    return found


@check(
    "I10",
    "positions are dense; every event has one position or waits for it (of a long log: a sample)",
)
def every_event_has_its_place() -> list[str]:
    events, positions = samples.of_events(), samples.of_positions()
    found = _not_dense(positions)
    for sentence, sql in _MISPLACED.items():
        [(count,)] = _rows(f"{_WAITING} {sql}", {**events.params, **positions.params})
        if count:
            found.append(f"{count} {sentence}")
    return found


def _not_dense(sample: Sample) -> list[str]:
    found = []
    for after, last in [(sample.latest, sample.last), (sample.drawn, sample.until)]:
        [(count,)] = _rows(
            "SELECT count(*) FROM events_position WHERE position > %s AND position <= %s",
            [after, last],
        )
        if count != last - after:
            found.append(f"{count} positions lie between {after + 1} and {last}")
    return found


@check(
    "sequencer-lag",
    f"no committed event waits more than {LAG_SECONDS_MAX} s for its position",
    is_of_work=True,
)
def sequencer_keeps_up() -> list[str]:
    [(waiting, seconds)] = _rows(
        "SELECT coalesce(sum(1 + coalesce(cardinality(others), 0)), 0), "
        "coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0) "
        "FROM events_unsequenced u JOIN events_event e ON e.id = u.event"
    )
    if seconds <= LAG_SECONDS_MAX:
        return []
    return [f"{waiting} events wait, the oldest for {seconds:.1f} s: is the sequencer running?"]


_WAITING = "WITH waiting AS (SELECT unnest(event || others) AS event FROM events_unsequenced)"
# Subqueries, not joins, here too.
_MISPLACED = {
    "events have neither a position nor a place in the queue": (
        f"SELECT count(*) FROM {EVENTS} e "  # noqa: S608 - names of our own.
        "WHERE (SELECT true FROM events_position p WHERE p.event = e.id) IS NULL "
        "AND e.id NOT IN (SELECT event FROM waiting)"
    ),
    "events have a position and wait for one too": (
        "SELECT count(*) FROM events_position p JOIN waiting u USING (event)"
    ),
    "events wait for a position twice, or are no events": (
        "SELECT count(*) - count(DISTINCT e.id) FROM waiting u "
        "LEFT JOIN events_event e ON e.id = u.event"
    ),
    "positions point at no event": (
        f"SELECT count(*) FROM {POSITIONS} p "  # noqa: S608
        "WHERE (SELECT true FROM events_event e WHERE e.id = p.event) IS NULL"
    ),
    "positions run against the order of their stream": (
        f"SELECT count(*) FROM {POSITIONS} p WHERE p.position < (SELECT q.position "  # noqa: S608
        "FROM events_event e JOIN events_event b ON b.stream = e.stream "
        "AND b.sequence = e.sequence - 1 JOIN events_position q ON q.event = b.id "
        "WHERE e.id = p.event)"
    ),
}


def _unguarded_tables() -> list[str]:
    wanted = {
        (table, trigger)
        for table in append_only.tables()
        for trigger in (append_only.TRIGGER_ROWS, append_only.TRIGGER_TABLE)
    }
    # O fires for ordinary sessions, A for all: the other two modes do not guard.
    enabled = _rows(
        "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE t.tgenabled IN ('O', 'A') AND c.relnamespace = current_schema()::regnamespace"
    )
    return [
        f"{table} lacks its trigger {trigger}" for table, trigger in sorted(wanted - {*enabled})
    ]


def _excessive_rights() -> list[str]:
    """Return what the current role may do to the record; its owner is not asked.

    The owner migrates. That the processes do not run as the owner is `check --deploy`'s.
    """
    found = _rows(
        "SELECT c.relname, privilege FROM pg_class c, "
        "unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege "
        "WHERE c.relname = ANY (%s) AND c.relnamespace = current_schema()::regnamespace "
        "AND NOT pg_has_role(c.relowner, 'USAGE') "
        "AND has_table_privilege(c.oid, privilege) ORDER BY 1, 2",
        [sorted(append_only.tables())],
    )
    return [f"this role may {privilege} {table}" for table, privilege in found]
