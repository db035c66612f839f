"""Indexes for what lists are asked for: see tests/integration/config/test_bounded_lists.py."""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0110_names_for_people'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='entry',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['action_name', 'target_id', 'principal_id', 'api_token_id', 'workflow_step_id', 'route_or_tool_name', 'idempotency_key', 'delegated_by_id'], name='ledger_entries_by_word', opclasses=['text_bloom_ops(n_distinct_per_range=150)', 'text_bloom_ops(n_distinct_per_range=150)', 'text_bloom_ops(n_distinct_per_range=150)', 'text_bloom_ops(n_distinct_per_range=150)', 'text_bloom_ops(n_distinct_per_range=150)', 'text_bloom_ops(n_distinct_per_range=150)', 'text_bloom_ops(n_distinct_per_range=150)', 'text_bloom_ops(n_distinct_per_range=150)'], pages_per_range=32),
        ),
        migrations.AddIndex(
            model_name='subjectkey',
            index=models.Index(fields=['subject'], name='ledger_keys_of_subject'),
        ),
    ]
