"""Functions whose text has changed since a database was made."""

from django.db import migrations


def again(function: str) -> migrations.RunSQL:
    """Give a function its current text: `CREATE FUNCTION …`, of `migrations/schema/`.

    There is no way back: the text of before is gone (ADR 0047).
    """
    text = function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    return migrations.RunSQL(text, migrations.RunSQL.noop)
