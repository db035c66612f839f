"""Indexes for what lists are asked for: see tests/integration/config/test_bounded_lists.py."""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0041_payloads_are_looked_up_one_by_one'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='storedevent',
            index=django.contrib.postgres.indexes.BrinIndex(django.contrib.postgres.indexes.OpClass(models.Func(models.F('name'), models.Value('.'), models.Value(1), function='split_part'), name='text_bloom_ops'), autosummarize=True, name='events_by_family', pages_per_range=32),
        ),
    ]
