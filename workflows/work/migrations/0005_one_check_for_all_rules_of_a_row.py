"""The rules of a row as one CHECK each: see events.row_rules for why."""

from django.db import migrations

from events.row_rules import RowRules

_MOMENT = "timestamptz"

WORK = RowRules(
    "work",
    columns={
        "status": "text", "claimed_at": _MOMENT, "lease_until": _MOMENT, "finished_at": _MOMENT,
        "attempt": "int", "fence": "int", "failures": "int", "max_attempts": "int",
        "crashes": "int", "crash_budget": "int", "cancel_requested_at": _MOMENT,
        "reason": "text", "input": "text", "input_hash": "text", "result": "text",
        "result_hash": "text", "idempotency_key": "text", "fingerprint": "text",
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
    },
)  # fmt: skip

ATTEMPT = RowRules(
    "work_attempt",
    columns={"outcome": "text"},
    rules={
        "work_attempt_outcome_is_known": "outcome IN ('cancelled', 'crashed', 'done', 'failed', "
        "'snoozed', 'stale', 'timed_out')",
    },
)


class Migration(migrations.Migration):
    dependencies = [("work", "0004_hand_over_in_one_statement")]

    operations = [
        *(migrations.RemoveConstraint("work", name) for name in WORK.rules),
        *(migrations.RemoveConstraint("attempt", name) for name in ATTEMPT.rules),
        WORK,
        ATTEMPT,
    ]
