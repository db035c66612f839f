"""The invariants of flows, for the doctor (reliability brief §2.2)."""

from django.db import connection

from events.doctor import VIOLATIONS_SHOWN_MAX, check


@check("I5", "a flow ends once, and nothing follows its deactivation")
def flows_end_once() -> list[str]:
    return _sentences(
        """
        SELECT format('%%s: %%s at %%s after flow_deactivated at %%s',
                      e.stream, e.name, e.sequence, d.sequence)
          FROM events_event d JOIN events_event e
            ON e.stream = d.stream AND e.sequence > d.sequence
         WHERE d.name = 'flow_deactivated' LIMIT %(limit)s
        """
    )


@check("I11-flows", "a flow that is active has work under way, or something that wakes it")
def active_flows_have_a_wake_up() -> list[str]:
    return _sentences(
        """
        SELECT format('flow %%s is active and nothing would wake it', f.flow_id)
          FROM flows_flowsummary f
         WHERE f.status = 'active' AND NOT f.is_paused
           AND NOT EXISTS (SELECT 1 FROM work w
                            WHERE w.subject = left('flow/' || f.flow_id, 200)
                              AND w.status NOT IN ('done', 'cancelled', 'discarded'))
           AND NOT EXISTS (SELECT 1 FROM flows_awaitedevent a WHERE a.flow_id = f.flow_id)
           AND NOT EXISTS (SELECT 1 FROM flows_awaitedapproval p
                             JOIN ledger_approval l ON l.id = p.approval_id
                            WHERE p.flow_id = f.flow_id AND l.status = 'pending')
           AND NOT EXISTS (SELECT 1 FROM flows_awaitedcallback c WHERE c.flow_id = f.flow_id)
           AND NOT EXISTS (SELECT 1 FROM flows_flowsummary child
                            WHERE child.parent_flow_id = f.flow_id AND child.status = 'active')
         LIMIT %(limit)s
        """
    )


def _sentences(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"limit": VIOLATIONS_SHOWN_MAX})
        return [row[0] for row in cursor.fetchall()]
