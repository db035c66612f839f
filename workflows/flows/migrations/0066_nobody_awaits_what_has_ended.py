"""Rows of callbacks that nobody waited for any more stayed until now."""

from django.db import migrations

FORGET = """
DELETE FROM flows_awaitedcallback a
 WHERE EXISTS (SELECT FROM flows_flowsummary f
                WHERE f.flow_id = a.flow_id AND f.status <> 'active')
    OR EXISTS (SELECT FROM events_event e LEFT JOIN events_payload l ON l.hash = e.payload_id
                WHERE e.stream = 'flow/' || a.flow_id || '/'
                  AND e.name IN ('work_succeeded', 'work_failed')
                  AND coalesce(e.data, l.body)::json->>'token' = a.token::text)
"""


class Migration(migrations.Migration):

    dependencies = [
        ("flows", "0065_flows_undone_by_their_parent"),
        ("events", "0001_schema"),
    ]

    operations = [migrations.RunSQL(FORGET, migrations.RunSQL.noop)]
