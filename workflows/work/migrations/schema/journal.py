"""What succeeds at its first claim is on record in the row of its work, and nowhere else.

That row says it all: attempt, fence, worker, beginning and end. A row of `work_attempt` for it took
a tenth of what PostgreSQL does for a step of a flow. Whatever was claimed before has the end of
each claim in `work_attempt`, the success too: there it stands beside the others, ended once (claiming.py, handing_over.py).
"""

from typing import Final

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
