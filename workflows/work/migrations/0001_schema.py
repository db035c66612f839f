"""What must still happen."""

from django.db import migrations

from events.tables.schema import Tables
from workflows.work.migrations.schema import claiming, forgetting, handing_over, rules, work


class Migration(migrations.Migration):
    initial = True
    # What databases of before have applied. All of it, or they cannot go on: ADR 0047.
    replaces = [
        ("work", "0001_tables_of_work"),
        ("work", "0002_let_attempts_only_grow"),
        ("work", "0003_vacuum_work_often"),
        ("work", "0004_hand_over_in_one_statement"),
        ("work", "0005_one_check_for_all_rules_of_a_row"),
        ("work", "0006_hand_over_for_several"),
        ("work", "0030_one_trigger_for_the_rules_of_work"),
        ("work", "0002_finished_work_is_found_by_subject_and_story"),
        ("work", "0035_what_is_handed_over_together_is_read_once"),
        ("work", "0040_claims_of_several_are_found_by_id"),
        ("work", "0041_claims_and_completions_are_found_by_id"),
        ("work", "0042_finished_work_is_found_by_kind"),
        ("work", "0043_workers_say_their_queues"),
        ("work", "0044_a_claim_looks_up_what_it_takes"),
        ("work", "0045_finished_housekeeping_is_forgotten"),
        ("work", "0046_what_lost_a_worker_is_taken_alone"),
        ("work", "0047_work_without_a_key_conflicts_with_nothing"),
    ]
    dependencies = []

    operations = [
        Tables(*work.TABLES),
        *rules.RULES,
        *forgetting.RULES,
        *claiming.RULES,
        *handing_over.RULES,
    ]
