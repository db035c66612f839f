"""The tables of the log: events in streams, their places in the feed, and what they are kept with."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from events.tables.append_only import AppendOnly
from events.tables.row_rules import RulesOnInsert

TABLES = [
    migrations.CreateModel(
        name="Payload",
        fields=[
            ("hash", models.CharField(max_length=64, primary_key=True, serialize=False)),
            ("body", models.TextField()),
        ],
        options={
            "db_table": "events_payload",
        },
    ),
    migrations.CreateModel(
        name="StoredEvent",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("stream", models.CharField(db_collation="C", max_length=512)),
            ("sequence", models.IntegerField()),
            ("event_id", models.CharField(db_collation="C", max_length=255)),
            ("name", models.CharField(max_length=120)),
            ("version", models.SmallIntegerField()),
            ("category", models.CharField(max_length=8)),
            ("source", models.CharField(max_length=10)),
            ("principal", models.CharField(max_length=255)),
            ("correlation_id", models.CharField(db_collation="C", max_length=255)),
            ("causation_id", models.CharField(max_length=255, null=True)),
            ("data", models.TextField(null=True)),
            ("emitted_at", models.DateTimeField()),
            (
                "recorded_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            (
                "payload",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="events.payload",
                ),
            ),
        ],
        options={
            "verbose_name": "event",
            "db_table": "events_event",
            "indexes": [
                models.Index(fields=["correlation_id"], name="events_by_correlation"),
                django.contrib.postgres.indexes.BrinIndex(
                    autosummarize=True,
                    fields=["name"],
                    name="events_by_name",
                    opclasses=["text_bloom_ops"],
                    pages_per_range=32,
                ),
                django.contrib.postgres.indexes.BrinIndex(
                    django.contrib.postgres.indexes.OpClass(
                        models.Func(
                            models.F("name"),
                            models.Value("."),
                            models.Value(1),
                            function="split_part",
                        ),
                        name="text_bloom_ops",
                    ),
                    autosummarize=True,
                    name="events_by_family",
                    pages_per_range=32,
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    fields=("stream", "sequence"), name="events_one_event_per_sequence"
                ),
                models.UniqueConstraint(fields=("event_id",), name="events_one_event_per_id"),
            ],
        },
    ),
    migrations.CreateModel(
        name="Unsequenced",
        fields=[
            (
                "event",
                models.OneToOneField(
                    db_column="event",
                    db_constraint=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    primary_key=True,
                    related_name="unsequenced",
                    serialize=False,
                    to="events.storedevent",
                ),
            ),
            (
                "others",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.BigIntegerField(), null=True, size=None
                ),
            ),
        ],
        options={
            "verbose_name": "event without a position",
            "verbose_name_plural": "events without a position",
            "db_table": "events_unsequenced",
        },
    ),
    migrations.CreateModel(
        name="Position",
        fields=[
            ("position", models.BigIntegerField(primary_key=True, serialize=False)),
            (
                "event",
                models.OneToOneField(
                    db_column="event",
                    db_constraint=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="place",
                    to="events.storedevent",
                ),
            ),
        ],
        options={
            "db_table": "events_position",
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("position__gte", 1)), name="events_position_starts_at_one"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Snapshot",
        fields=[
            (
                "stream",
                models.CharField(
                    db_collation="C", max_length=512, primary_key=True, serialize=False
                ),
            ),
            ("sequence", models.IntegerField()),
            ("event_id", models.CharField(db_collation="C", max_length=255)),
            ("code", models.CharField(max_length=64)),
            ("state", models.TextField()),
            (
                "taken_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
        ],
        options={
            "db_table": "events_snapshot",
        },
    ),
]

# A deleted row is gone only after vacuum, and this table is a queue.
QUEUE = """
ALTER TABLE events_unsequenced SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0
)
"""

# Payloads are never taken away: whether an event has its payload is looked up as it comes in, and
# not again by a foreign key at the end of the transaction. In two conditions: with the look at the
# table in it, the first would be a statement.
WITH_ITS_PAYLOAD = """
  IF NEW.payload_id IS NOT NULL THEN
    IF NOT EXISTS (SELECT FROM events_payload WHERE hash = NEW.payload_id) THEN
      RAISE EXCEPTION 'there is no payload %', NEW.payload_id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'events_event_has_its_payload',
              TABLE = 'events_event';
    END IF;
  END IF;
"""

EVENT = RulesOnInsert(
    "events_event",
    columns={
        "sequence": "int",
        "version": "int",
        "name": "text",
        "category": "text",
        "source": "text",
        "data": "text",
        "payload_id": "text",
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
    then=WITH_ITS_PAYLOAD,
)  # fmt: skip

RULES = [
    EVENT,
    AppendOnly("events_event"),
    AppendOnly("events_payload"),
    AppendOnly("events_position"),
    migrations.RunSQL(QUEUE, migrations.RunSQL.noop),
]
