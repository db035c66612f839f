import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Payload',
            fields=[
                ('hash', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('body', models.TextField()),
            ],
            options={
                'db_table': 'events_payload',
            },
        ),
        migrations.CreateModel(
            name='Snapshot',
            fields=[
                ('stream', models.CharField(db_collation='C', max_length=512, primary_key=True, serialize=False)),
                ('sequence', models.IntegerField()),
                ('event_id', models.CharField(db_collation='C', max_length=255)),
                ('code', models.CharField(max_length=64)),
                ('state', models.TextField()),
                ('taken_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'events_snapshot',
            },
        ),
        migrations.CreateModel(
            name='StoredEvent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('stream', models.CharField(db_collation='C', max_length=512)),
                ('sequence', models.IntegerField()),
                ('event_id', models.CharField(db_collation='C', max_length=255)),
                ('name', models.CharField(max_length=120)),
                ('version', models.SmallIntegerField()),
                ('category', models.CharField(max_length=8)),
                ('source', models.CharField(max_length=10)),
                ('principal', models.CharField(max_length=255)),
                ('correlation_id', models.CharField(db_collation='C', max_length=255)),
                ('causation_id', models.CharField(max_length=255, null=True)),
                ('data', models.TextField(null=True)),
                ('emitted_at', models.DateTimeField()),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('payload', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='events.payload')),
            ],
            options={
                'db_table': 'events_event',
            },
        ),
        migrations.CreateModel(
            name='Unsequenced',
            fields=[
                ('event', models.OneToOneField(db_column='event', db_constraint=False, on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='unsequenced', serialize=False, to='events.storedevent')),
            ],
            options={
                'verbose_name_plural': 'unsequenced',
                'db_table': 'events_unsequenced',
            },
        ),
        migrations.CreateModel(
            name='Position',
            fields=[
                ('position', models.BigIntegerField(primary_key=True, serialize=False)),
                ('event', models.OneToOneField(db_column='event', db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='place', to='events.storedevent')),
            ],
            options={
                'db_table': 'events_position',
            },
        ),
        migrations.AddIndex(
            model_name='storedevent',
            index=models.Index(fields=['correlation_id'], name='events_by_correlation'),
        ),
        migrations.AddConstraint(
            model_name='storedevent',
            constraint=models.UniqueConstraint(fields=('stream', 'sequence'), name='events_one_event_per_sequence'),
        ),
        migrations.AddConstraint(
            model_name='storedevent',
            constraint=models.UniqueConstraint(fields=('event_id',), name='events_one_event_per_id'),
        ),
        migrations.AddConstraint(
            model_name='storedevent',
            constraint=models.CheckConstraint(condition=models.Q(('sequence__gte', 1)), name='events_sequence_starts_at_one'),
        ),
        migrations.AddConstraint(
            model_name='storedevent',
            constraint=models.CheckConstraint(condition=models.Q(('version__gte', 1)), name='events_version_starts_at_one'),
        ),
        migrations.AddConstraint(
            model_name='storedevent',
            constraint=models.CheckConstraint(condition=models.Q(('name__regex', '^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_-]*)+$|^[a-z][a-z0-9]*(_[a-z0-9]+)+$')), name='events_name_is_an_event_name'),
        ),
        migrations.AddConstraint(
            model_name='storedevent',
            constraint=models.CheckConstraint(condition=models.Q(('category__in', ['domain', 'internal'])), name='events_category_is_known'),
        ),
        migrations.AddConstraint(
            model_name='storedevent',
            constraint=models.CheckConstraint(condition=models.Q(('source__in', ['workflow', 'service', 'route', 'subscriber', 'system'])), name='events_source_is_known'),
        ),
        migrations.AddConstraint(
            model_name='storedevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('data__isnull', False), ('payload__isnull', True)), models.Q(('data__isnull', True), ('payload__isnull', False)), _connector='OR'), name='events_data_is_inline_or_by_hash'),
        ),
        migrations.AddConstraint(
            model_name='position',
            constraint=models.CheckConstraint(condition=models.Q(('position__gte', 1)), name='events_position_starts_at_one'),
        ),
    ]
