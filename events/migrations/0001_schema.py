"""The log. Everything else stands on it."""

from django.db import migrations

from events.migrations.schema import log, verbs
from events.tables.schema import Tables


class Migration(migrations.Migration):
    initial = True
    # What databases of before have applied. All of it, or they cannot go on: ADR 0047.
    replaces = [
        ("events", "0001_tables_of_the_log"),
        ("events", "0002_append_and_sequence"),
        ("events", "0003_append_takes_json"),
        ("events", "0004_lock_and_read_at_once"),
        ("events", "0005_one_check_for_all_rules_of_a_row"),
        ("events", "0006_append_to_several_streams"),
        ("events", "0030_append_one_event"),
        ("events", "0002_events_are_found_by_name"),
        ("events", "0040_appends_cost_less"),
        ("events", "0041_payloads_are_looked_up_one_by_one"),
        ("events", "0045_what_is_written_together_is_read_once"),
        ("events", "0110_names_for_people"),
        ("events", "0111_lists_find_what_is_asked"),
        ("events", "0112_appends_may_have_premises"),
    ]
    dependencies = []

    operations = [
        Tables(*log.TABLES),
        *log.RULES,
        *verbs.RULES,
    ]
