"""What succeeds at its first claim is on record in the row of its work, and nowhere else.

That row says it all: attempt, fence, worker, beginning and end. A row of `work_attempt` for it took
a tenth of what PostgreSQL does for a step of a flow. Whatever was claimed before has the end of
each claim in `work_attempt`, the success too: there it stands beside the others, ended once.
"""

from typing import Final

from workflows.work.migrations.schema.claiming import COMPLETE
from workflows.work.migrations.schema.handing_over import (
    HAND_OVER,
    HAND_OVER_MANY,
    as_before,
    by_keys,
)

_COLUMNS: Final = (
    "work_id, attempt, fence, worker, started_at, ended_at, outcome, error_class, error, stack"
)
_OF_WORK: Final = "attempt, fence, leased_by, claimed_at, finished_at"

# Releases before wrote a row for every success, which stays. What has succeeded at its first claim
# has no other attempt, so 0 tells it from all others of its work.
EVERY_ATTEMPT: Final = f"""
CREATE VIEW work_every_attempt AS
SELECT id, {_COLUMNS} FROM work_attempt
UNION ALL
SELECT 0::bigint, id, {_OF_WORK}, 'done'::varchar(10), ''::varchar(200), ''::text, ''::text
  FROM work
 WHERE status = 'done' AND fence = 1
   AND NOT EXISTS (SELECT FROM work_attempt WHERE work_id = work.id AND outcome = 'done')
"""

WRITE_DOWN: Final = f"""
INSERT INTO work_attempt ({_COLUMNS}) SELECT {_COLUMNS} FROM work_every_attempt WHERE id = 0;
DROP VIEW work_every_attempt
"""


def _changed(function: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        assert function.count(before) == 1, before
        function = function.replace(before, after)
    return function


_COMPLETE: Final = _changed(
    as_before(COMPLETE),
    (
        "finished_at)\n  INSERT INTO work_attempt",
        "finished_at),\n  journal AS (INSERT INTO work_attempt",
    ),
    ("'', '', '' FROM done\n  RETURNING work_id;", "'', '', '' FROM done WHERE fence > 1)\n  SELECT id FROM done;"),
)

_HAND_OVER: Final = _changed(
    by_keys(HAND_OVER, "p_wanted"),
    ("    RETURNING attempt, leased_by,", "    RETURNING attempt, fence, leased_by,"),
    ("    INSERT INTO work_attempt", "    IF done.fence > 1 THEN\n      INSERT INTO work_attempt"),
    ("            'done', '', '', '');\n", "            'done', '', '', '');\n    END IF;\n"),
)

_HAND_OVER_MANY: Final = _changed(
    by_keys(HAND_OVER_MANY, "p_following"),
    ("    )\n    INSERT INTO work_attempt", "    ), journal AS (\n    INSERT INTO work_attempt"),
    (
        "      FROM completed;\n    GET DIAGNOSTICS done = ROW_COUNT;\n",
        "      FROM completed WHERE fence > 1)\n    SELECT count(*) INTO done FROM completed;\n",
    ),
)

FUNCTIONS: Final = {
    _COMPLETE: as_before(COMPLETE),
    _HAND_OVER: by_keys(HAND_OVER, "p_wanted"),
    _HAND_OVER_MANY: by_keys(HAND_OVER_MANY, "p_following"),
}
"""Each with what it takes the place of."""
