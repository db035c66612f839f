"""Indexes for what lists are asked for: see tests/integration/config/test_bounded_lists.py."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('flows', '0050_names_for_people'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='flowsummary',
            index=models.Index(models.Case(models.When(status='active', then=models.Value(0)), default=models.Value(1), output_field=models.IntegerField()), models.OrderBy(models.F('status_at'), descending=True), models.F('flow_id'), condition=models.Q(('parent_flow_id', '')), name='flows_active_first'),
        ),
        migrations.AddIndex(
            model_name='flowsummary',
            index=models.Index(condition=models.Q(('concurrency_key', ''), _negated=True), fields=['concurrency_key'], name='flows_by_concurrency_key'),
        ),
    ]
