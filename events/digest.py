"""One hash for what the log says in a row of positions, so that a changed event shows."""

from typing import Final

from events import wire


def of_positions(after: int, through: int) -> str:
    """Return the SHA-256, in hex, of the events at the positions `after` + 1 to `through`.

    It covers all that readers see of an event; a large payload by its hash.
    """
    [(digest,)] = wire.run(_DIGEST, [after, through]).fetchall()
    return str(digest)


def last_position() -> int:
    """Return the last position that was given, 0 if none was."""
    [(last,)] = wire.run("SELECT coalesce(max(position), 0) FROM events_position").fetchall()
    return int(last)


# Moments as numbers: as text they would depend on the time zone of the session.
_DIGEST: Final = """
SELECT encode(sha256(coalesce(string_agg(sha256(convert_to(jsonb_build_array(
         p.position, e.stream, e.sequence, e.event_id, e.name, e.version, e.category, e.source,
         e.principal, e.correlation_id, e.causation_id, e.data, e.payload_id,
         extract(epoch FROM e.emitted_at), extract(epoch FROM e.recorded_at))::text, 'UTF8')),
       ''::bytea ORDER BY p.position), ''::bytea)), 'hex')
  FROM events_position p JOIN events_event e ON e.id = p.event
 WHERE p.position > %s AND p.position <= %s
"""
