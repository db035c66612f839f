"""What is told to others, and how they took it."""

from django.db import migrations

from events.tables.schema import Tables
from workflows.webhooks.migrations.schema import webhooks


class Migration(migrations.Migration):
    initial = True
    # What databases of before have applied. All of it, or they cannot go on: ADR 0047.
    replaces = [
        ("webhooks", "0001_subscriptions_and_deliveries"),
        ("webhooks", "0002_the_delivery_log_only_grows"),
        ("webhooks", "0002_deliveries_are_found_by_event_and_fate"),
        ("webhooks", "0003_bodies_are_let_go"),
    ]
    dependencies = []

    operations = [
        Tables(*webhooks.TABLES),
        *webhooks.RULES,
    ]
