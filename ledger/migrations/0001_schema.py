"""Who did what, by what authority, and how it is undone."""

from django.conf import settings
from django.db import migrations

from events.tables.schema import Tables
from ledger.migrations.schema import (
    approval_rules,
    approvals,
    changes,
    credentials,
    delegations,
    entries,
    entry_rules,
    payloads,
    remarks,
    reversals,
    seals,
)


class Migration(migrations.Migration):
    initial = True
    # What databases of before have applied. All of it, or they cannot go on: ADR 0047.
    replaces = [
        ("ledger", "0001_capabilities_api_keys_and_idempotency"),
        ("ledger", "0002_socket_tickets"),
        ("ledger", "0003_entries"),
        ("ledger", "0004_entry_if_and_only_if_change"),
        ("ledger", "0010_approvals"),
        ("ledger", "0011_approvals_keep_their_word"),
        ("ledger", "0020_agents_and_delegations"),
        ("ledger", "0021_delegations_only_narrow"),
        ("ledger", "0030_payloads"),
        ("ledger", "0031_payloads_only_fade"),
        ("ledger", "0032_seals"),
        ("ledger", "0033_entries_wait_for_their_seal"),
        ("ledger", "0040_reversals"),
        ("ledger", "0041_reversals_come_after_their_originals"),
        ("ledger", "0042_approvals_by_reference"),
        ("ledger", "0043_one_check_for_all_rules_of_an_entry"),
        ("ledger", "0044_reversals_wait_for_approvals"),
        ("ledger", "0045_amendments_come_after_their_originals"),
        ("ledger", "0046_legal_holds_and_certificates"),
        ("ledger", "0047_one_trigger_for_a_new_entry"),
        ("ledger", "0065_reasons_beside_entries"),
        ("ledger", "0002_drop_functions_that_nothing_calls"),
        ("ledger", "0080_entries_cost_less"),
        ("ledger", "0090_reasons_are_kept_whole"),
        ("ledger", "0091_titles_of_approvals_fade"),
        ("ledger", "0100_policies_in_force_have_a_mark"),
        ("ledger", "0101_standings_have_one_check"),
        ("ledger", "0110_names_for_people"),
        ("ledger", "0111_lists_find_what_is_asked"),
        ("ledger", "0120_payloads_have_one_check"),
        ("ledger", "0121_a_change_is_told_in_its_entry"),
        ("ledger", "0122_entries_have_two_indexes_less"),
        ("ledger", "0123_checkpoints_vouch_for_events"),
        ("ledger", "0130_lapsed_voices_count_nowhere"),
        ("ledger", "0131_the_voice_of_a_delegate_is_marked"),
        ("ledger", "0132_policies_in_force_are_named"),
        ("ledger", "0133_entries_are_found_by_an_unusual_end"),
    ]
    dependencies = [
        # Before ours: it changes models that many of ours refer to, and each has to be drawn anew.
        ("guardian", "0003_remove_groupobjectpermission_guardian_gr_content_ae6aec_idx_and_more"),
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        Tables(
            *credentials.TABLES,
            *entries.TABLES,
            *remarks.TABLES,
            *approvals.TABLES,
            *delegations.TABLES,
            *payloads.TABLES,
            *seals.TABLES,
            *reversals.TABLES,
        ),
        *entry_rules.RULES,
        *changes.RULES,
        *credentials.RULES,
        *remarks.RULES,
        *approval_rules.RULES,
        *delegations.RULES,
        *payloads.RULES,
        *reversals.RULES,
        *seals.RULES,
    ]
