from django.db import migrations

# Every row of work is updated a few times and then rests. Its partial indexes stay small
# only if what is dead in them goes soon; the default waits for a fifth of the table.
TUNED = """
ALTER TABLE work SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02,
                      autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.05)
"""
PLAIN = """
ALTER TABLE work RESET (fillfactor, autovacuum_vacuum_scale_factor,
                        autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor)
"""


class Migration(migrations.Migration):
    dependencies = [("work", "0002_let_attempts_only_grow")]

    operations = [migrations.RunSQL(TUNED, PLAIN)]
