"""The rules of work as one trigger for each table, and nothing beside it.

Django adds a CHECK to every count (`attempt >= 0`): there are nine, which PostgreSQL would read
and plan anew for each of the three rows that a step writes. With them in the rules, and these in
a trigger, `work_hand_over` takes a seventh less. See events.tables.row_rules.
"""

from django.db import migrations

from events.tables.row_rules import RulesOnInsert, RulesOnWrite

_MOMENT = "timestamptz"

WORK = RulesOnWrite(
    "work",
    columns={
        "status": "text", "claimed_at": _MOMENT, "lease_until": _MOMENT, "finished_at": _MOMENT,
        "attempt": "int", "fence": "int", "failures": "int", "max_attempts": "int",
        "crashes": "int", "crash_budget": "int", "cancel_requested_at": _MOMENT,
        "reason": "text", "input": "text", "input_hash": "text", "result": "text",
        "result_hash": "text", "idempotency_key": "text", "fingerprint": "text", "rings": "int",
    },
    rules={
        "work_state_is_known": "status IN ('cancelled', 'dead', 'discarded', 'done', 'leased', "
        "'poisoned', 'ready', 'retry', 'scheduled')",
        "work_is_leased_exactly_while_it_has_a_lease": "CASE WHEN status = 'leased' "
        "THEN lease_until IS NOT NULL AND claimed_at IS NOT NULL ELSE lease_until IS NULL END",
        "work_is_finished_exactly_when_it_has_an_end": "(finished_at IS NOT NULL) = "
        "(status IN ('cancelled', 'dead', 'discarded', 'done', 'poisoned'))",
        "work_keeps_to_its_budgets": "failures <= max_attempts AND crashes <= crash_budget",
        "work_counts_every_attempt_and_fence": "attempt >= failures + crashes AND fence >= attempt",
        "work_is_poisoned_only_by_crashes": "status <> 'poisoned' OR crashes = crash_budget",
        "work_is_dead_only_by_errors": "status <> 'dead' OR failures >= 1",
        "work_asked_to_stop_goes_nowhere_else": "cancel_requested_at IS NULL "
        "OR status IN ('leased', 'cancelled')",
        "work_has_a_result_only_when_done": "status = 'done' "
        "OR (result IS NULL AND result_hash IS NULL)",
        "work_is_discarded_for_a_reason": "status <> 'discarded' OR reason <> ''",
        "work_input_is_here_or_by_hash": "(input IS NULL) <> (input_hash IS NULL)",
        "work_key_has_a_fingerprint": "idempotency_key IS NULL "
        "OR (idempotency_key <> '' AND fingerprint IS NOT NULL)",
        # The other counts are at least as great: work_counts_every_attempt_and_fence and
        # work_keeps_to_its_budgets.
        "work_counts_from_zero": "failures >= 0 AND crashes >= 0 AND rings >= 0",
    },
)  # fmt: skip

ATTEMPT = RulesOnInsert(
    "work_attempt",
    columns={"outcome": "text", "attempt": "int", "fence": "int"},
    rules={
        "work_attempt_outcome_is_known": "outcome IN ('cancelled', 'crashed', 'done', 'failed', "
        "'snoozed', 'stale', 'timed_out')",
        "work_attempt_counts_from_zero": "attempt >= 0 AND fence >= 0",
    },
)

_COUNTS = {
    "work": ("attempt", "fence", "failures", "max_attempts", "crashes", "crash_budget", "rings"),
    "work_attempt": ("attempt", "fence"),
}
WITHOUT_A_CHECK = ";\n".join(
    f"ALTER TABLE {table} "
    + ", ".join(f"DROP CONSTRAINT {table}_{column}_check" for column in columns)
    for table, columns in _COUNTS.items()
)

# Every row of work is updated a few times and then rests. Its partial indexes stay small
# only if what is dead in them goes soon; the default waits for a fifth of the table.
TUNED = """
ALTER TABLE work SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02,
                      autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.05)
"""

RULES = [
    migrations.RunSQL(WITHOUT_A_CHECK, migrations.RunSQL.noop),
    WORK,
    ATTEMPT,
    migrations.RunSQL(TUNED, migrations.RunSQL.noop),
]
