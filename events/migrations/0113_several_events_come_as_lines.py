"""Several events come to an append as a text of lines and fields, and not as JSON.

PostgreSQL takes JSON apart word by word, the data of the events too, of which it wants the text
alone. Without that a step of a flow takes it a twentieth less. The form is that of
`store.lines_of`: neither a name, an id nor JSON has one of the two separators in it.

The function that takes JSON stays for processes of the revision before. What they would write
together with others is refused, so that each writes for itself.
"""

from typing import Final

from django.db import migrations

from events.migrations.schema.verbs import APPEND, APPEND_MANY

LINE: Final = "chr(30)"
_FIELDS: Final = ("event_id", "name", "version", "category", "payload", "data")


def _field(name: str) -> str:
    return f"split_part(line, chr(31), {_FIELDS.index(name) + 1})"


def _changed(function: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        assert function.count(before) == 1, before
        function = function.replace(before, after)
    return function


# `string_to_table` is taken to give a thousand rows, whatever it is given: so the plan is made once.
# The ids are a list of their own, to which only the index answers.
APPEND_LINES: Final = _changed(
    APPEND,
    ("p_events json", "p_events text"),
    (
        """      SELECT FROM json_array_elements(p_events) e
      JOIN events_event known ON known.event_id = e ->> 'event_id'
""",
        f"""      SELECT FROM events_event WHERE event_id = ANY (ARRAY(
        SELECT {_field("event_id")} FROM string_to_table(p_events, {LINE}) AS line))
""",
    ),
    (
        "    SELECT p_stream, head + e.nth, e.event_id, e.name, e.version, e.category, p_source,\n",
        f"""    SELECT p_stream, head + nth::int, {_field("event_id")}, {_field("name")},
      {_field("version")}::smallint, {_field("category")}, p_source,
""",
    ),
    (
        """ e.data, e.payload, p_at
    FROM json_to_recordset(p_events) AS e (
      nth integer, event_id text, name text, version integer, category text,
      data text, payload text
    )
""",
        f"""
      nullif({_field("data")}, ''), nullif({_field("payload")}, ''), p_at
    FROM string_to_table(p_events, {LINE}) WITH ORDINALITY AS lines (line, nth)
""",
    ),
)

_AS_BEFORE: Final = APPEND_MANY.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
_MANY_AS_LINES: Final = _changed(
    _AS_BEFORE,
    (
        "emitted_at timestamptz, events json\n    )\n",
        "emitted_at timestamptz, events text\n    )\n",
    ),
    (
        """    CROSS JOIN LATERAL json_to_recordset(one.events) AS e (
      nth integer, event_id text, name text, version integer, category text,
      data text, payload text
    )
""",
        f"""    CROSS JOIN LATERAL (
      SELECT nth::int AS nth, {_field("event_id")} AS event_id, {_field("name")} AS name,
        {_field("version")}::smallint AS version, {_field("category")} AS category,
        nullif({_field("data")}, '') AS data, nullif({_field("payload")}, '') AS payload
      FROM string_to_table(one.events, {LINE}) WITH ORDINALITY AS lines (line, nth)
    ) e
""",
    ),
)


class Migration(migrations.Migration):
    dependencies = [("events", "0112_appends_may_have_premises")]

    operations = [
        migrations.RunSQL(
            APPEND_LINES,
            "DROP FUNCTION events_append"
            "(text, integer, boolean, text, text, text, text, timestamptz, text)",
        ),
        migrations.RunSQL(_MANY_AS_LINES, _AS_BEFORE),
    ]
