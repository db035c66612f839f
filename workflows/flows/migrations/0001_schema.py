"""What is under way towards its goals."""

from django.db import migrations

from events.tables.schema import Tables
from workflows.flows.migrations.schema import flows


class Migration(migrations.Migration):
    initial = True
    # What databases of before have applied. All of it, or they cannot go on: ADR 0047.
    replaces = [
        ("flows", "0001_initial"),
        ("flows", "0010_who_started_a_flow"),
        ("flows", "0011_waits_follow_the_feed_and_flows_start_by_themselves"),
        ("flows", "0012_steps_await_approvals"),
        ("flows", "0013_starts_are_paused_with_their_declarer"),
        ("flows", "0014_originals_find_their_forks"),
        ("flows", "0002_flows_are_found_by_goal"),
        ("flows", "0050_names_for_people"),
        ("flows", "0051_lists_find_what_is_asked"),
        ("flows", "0065_flows_undone_by_their_parent"),
        ("flows", "0066_nobody_awaits_what_has_ended"),
        ("flows", "0067_flows_undone_in_part"),
    ]
    dependencies = [
        ("ledger", "0001_schema"),
    ]

    operations = [
        Tables(*flows.TABLES),
        *flows.RULES,
    ]
