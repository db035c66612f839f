"""The rules of a stored event as one CHECK: see events.row_rules for why."""

from django.db import migrations

from events.row_rules import RowRules

EVENT = RowRules(
    "events_event",
    columns={
        "sequence": "int", "version": "int", "name": "text", "category": "text",
        "source": "text", "data": "text", "payload_id": "text",
    },
    rules={
        "events_sequence_starts_at_one": "sequence >= 1",
        "events_version_starts_at_one": "version >= 1",
        "events_name_is_an_event_name": r"name ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_-]*)+$"
        r"|^[a-z][a-z0-9]*(_[a-z0-9]+)+$'",
        "events_category_is_known": "category IN ('domain', 'internal')",
        "events_source_is_known": "source IN ('workflow', 'service', 'route', 'subscriber', "
        "'system')",
        "events_data_is_inline_or_by_hash": "(data IS NULL) <> (payload_id IS NULL)",
    },
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("events", "0004_lock_and_read_at_once")]

    operations = [
        *(migrations.RemoveConstraint("storedevent", name) for name in EVENT.rules),
        EVENT,
    ]
