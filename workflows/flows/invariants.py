"""The invariants of flows, for the doctor.

What needs the data of events is asked of the flows that changed last: the log is long, and
what was sound and is over stays so. What needs only the events is asked of a sample of the log.
"""

from django.db import connection

from events import samples
from events.doctor import VIOLATIONS_SHOWN_MAX, check
from events.domain.streams import key_of
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.models import FlowSummary

FLOWS_EXAMINED_MAX = 1_000

_DATA = "coalesce(e.data, l.body)::json"
_EVENTS = "events_event e LEFT JOIN events_payload l ON l.hash = e.payload_id"


@check("I1-flows", "every flow that was started is in the list (of a long log: a sample)")
def started_flows_are_listed() -> list[str]:
    return _sentences(
        f"""
        SELECT format('%%s was started and is not in the list', e.stream)
          FROM {samples.EVENTS} e
         WHERE e.name = 'flow_started' AND e.sequence = 1
           AND NOT EXISTS (SELECT FROM flows_flowsummary f
                            WHERE e.stream = 'flow/' || f.flow_id || '/')
         LIMIT %(limit)s
        """,  # noqa: S608 (names of our own)
        **samples.of_events().params,
    )


@check("I5", "a flow ends once, and nothing follows its deactivation (of a long log: a sample)")
def flows_end_once() -> list[str]:
    # Whatever follows, something follows at once.
    return _sentences(
        f"""
        SELECT format('%%s: %%s at %%s after flow_deactivated', e.stream, e.name, e.sequence)
          FROM {samples.EVENTS} e
         WHERE e.stream ^@ 'flow/' AND e.sequence > 1
           AND (SELECT b.name FROM events_event b WHERE b.stream = e.stream
                   AND b.sequence = e.sequence - 1) = 'flow_deactivated'
         LIMIT %(limit)s
        """,  # noqa: S608 (names of our own)
        **samples.of_events().params,
    )


@check("I5-outcome", "a flow has one outcome, and no step starts after it")
def nothing_starts_after_the_outcome() -> list[str]:
    return _sentences(
        """
        SELECT format('%%s: %%s at %%s after %%s at %%s',
                      e.stream, e.name, e.sequence, o.name, o.sequence)
          FROM events_event o JOIN events_event e
            ON e.stream = o.stream AND e.sequence > o.sequence
         WHERE o.stream = ANY (%(streams)s) AND o.name IN ('flow_completed', 'flow_failed')
           AND e.name IN ('step_started', 'work_started', 'flow_completed', 'flow_failed')
         LIMIT %(limit)s
        """
    )


@check("I5-done", "a flow that is deactivated has left no work or compensation open")
def deactivated_flows_have_nothing_open() -> list[str]:
    return _sentences(
        rf"""
        -- Looked up once: a flow of ten thousand items would ask for its end with each event.
        WITH over AS MATERIALIZED (
          SELECT DISTINCT d.stream FROM events_event d
           WHERE d.stream = ANY (%(streams)s) AND d.name = 'flow_deactivated')
        SELECT format('%%s: %%s is open after flow_deactivated', stream, token) FROM (
          SELECT e.stream, {_DATA}->>'token' AS token,
                 max(e.sequence) FILTER (WHERE e.name = 'work_started') AS began,
                 max(e.sequence) FILTER (WHERE e.name IN
                   ('work_succeeded', 'work_failed', 'work_not_completed')) AS ended,
                 max(e.sequence) FILTER (WHERE e.name = 'comp_started') AS undoing,
                 max(e.sequence) FILTER (WHERE e.name IN
                   ('comp_succeeded', 'comp_failed')) AS undone
            FROM {_EVENTS}
           WHERE e.stream = ANY (%(streams)s)
             AND (e.name LIKE 'work\_%%' OR e.name LIKE 'comp\_%%')
             AND e.stream IN (SELECT stream FROM over)
           GROUP BY 1, 2) items
         WHERE began > coalesce(ended, 0) OR undoing > coalesce(undone, 0)
         LIMIT %(limit)s
        """  # noqa: S608 (names of our own)
    )


@check("I6-flows", "every work item has at most one final result")
def work_items_end_once() -> list[str]:
    return _sentences(
        f"""
        SELECT format('%%s: %%s has %%s final results', stream, token, count) FROM (
          SELECT e.stream, {_DATA}->>'token' AS token, count(*)
            FROM {_EVENTS}
           WHERE e.stream = ANY (%(streams)s) AND e.name IN ('work_succeeded', 'work_failed')
           GROUP BY 1, 2 HAVING count(*) > 1) twice
         LIMIT %(limit)s
        """  # noqa: S608 (names of our own)
    )


@check("I7-flows", "every started work item has the token that its step gave it")
def tokens_are_those_of_the_step() -> list[str]:
    return _sentences(
        f"""
        -- Read once for each step: it may have ten thousand items.
        WITH given AS MATERIALIZED (
          SELECT e.stream, {_DATA}->>'step_id' AS step_id, {_DATA}->'work_items' AS items
            FROM {_EVENTS} WHERE e.stream = ANY (%(streams)s) AND e.name = 'step_started')
        SELECT format('%%s: %%s of step %%s is not of its step', stream, token, step_id) FROM (
          SELECT e.stream, {_DATA}->>'token' AS token, {_DATA}->>'step_id' AS step_id
            FROM {_EVENTS}
           WHERE e.stream = ANY (%(streams)s) AND e.name = 'work_started'
          EXCEPT
          SELECT stream, json_object_keys(items), step_id FROM given) begun
         LIMIT %(limit)s
        """  # noqa: S608 (names of our own)
    )


@check("I10-flows", "no cursor is beyond the end of the feed")
def the_cursor_is_within_the_feed() -> list[str]:
    return _sentences(
        """
        SELECT format('the cursor is at %%s, the feed ends at %%s', c.position, h.head)
          FROM flows_feedcursor c,
               (SELECT coalesce(max(position), 0) AS head FROM events_position) h
         WHERE c.position > h.head LIMIT %(limit)s
        """
    )


@check("I11-flows", "every active flow has work under way, or something that wakes it")
def active_flows_have_a_wake_up() -> list[str]:
    return _sentences(
        """
        SELECT format('flow %%s is active and nothing would wake it', f.flow_id)
               || coalesce('; retry what was cancelled or discarded of it: ' || (
                    SELECT string_agg(format('%%s %%s', w.kind, w.id), ', ' ORDER BY w.id)
                      FROM flows_flowsummary own JOIN work w
                        ON w.subject = left('flow/' || own.flow_id, 200)
                       AND w.finished_at IS NOT NULL AND w.status IN ('cancelled', 'discarded')
                     WHERE own.flow_id = f.flow_id OR own.parent_flow_id = f.flow_id), '')
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
           AND NOT (f.outcome = 'completed' AND EXISTS (
                 SELECT 1 FROM flows_flowsummary parent
                  WHERE parent.flow_id = f.parent_flow_id AND parent.status = 'active'))
         LIMIT %(limit)s
        """
    )


@check("I11-callbacks", "no flow of known outcome waits long for a callback without a timeout")
def nobody_waits_for_ever_for_a_callback() -> list[str]:
    return _sentences(
        """
        SELECT format('flow %%s has %%s, and its step %%s may still call back, since %%s: skip the '
                      'step if it will not', f.flow_id, f.outcome, c.step_id,
                      to_char(c.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'))
          FROM flows_awaitedcallback c JOIN flows_flowsummary f ON f.flow_id = c.flow_id
         WHERE f.status = 'active' AND f.outcome <> ''
           AND c.since < now() - interval '1 day'
           AND NOT EXISTS (SELECT FROM work w
                            WHERE w.subject = left('flow/' || c.flow_id, 200)
                              AND w.kind = 'flow.callback_timeout'
                              AND w.status NOT IN ('done', 'cancelled', 'discarded'))
         LIMIT %(limit)s
        """
    )


@check("I5-children", "no flow ends before its child flows")
def children_are_over_before_their_parent() -> list[str]:
    return _sentences(
        """
        SELECT format('%%s is over, and its child flow %%s is not', p.flow_id, c.flow_id)
          FROM flows_flowsummary c JOIN flows_flowsummary p ON p.flow_id = c.parent_flow_id
         WHERE c.status = 'active' AND p.status <> 'active' LIMIT %(limit)s
        """
    )


@check("I11-waits", "only flows that have not ended wait for events, approvals and callbacks")
def nobody_waits_for_a_flow_that_is_over() -> list[str]:
    return _sentences(
        """
        SELECT format('flow %%s is over, and its step %%s waits for %%s',
                      w.flow_id, w.step_id, w.what)
          FROM (SELECT flow_id, step_id, event_name AS what FROM flows_awaitedevent
                UNION ALL
                SELECT flow_id, step_id, 'its callback' FROM flows_awaitedcallback
                UNION ALL
                SELECT p.flow_id, p.step_id, 'approval ' || p.approval_id
                  FROM flows_awaitedapproval p
                 WHERE NOT EXISTS (SELECT FROM work w
                                    WHERE w.subject = left('flow/' || p.flow_id, 200)
                                      AND w.status NOT IN ('done', 'cancelled', 'discarded'))) w
          JOIN flows_flowsummary f ON f.flow_id = w.flow_id AND f.status <> 'active'
         LIMIT %(limit)s
        """
    )


@check("I11-approvals", "every pending approval of a step has a flow that waits for it")
def nobody_is_asked_in_vain() -> list[str]:
    return _sentences(
        """
        SELECT format('approval %%s is asked for by %%s, and no step waits for it',
                      l.id, l.requested_by)
          FROM ledger_approval l
         WHERE l.status = 'pending' AND l.reference LIKE 'flow-step/%%'
           AND NOT EXISTS (SELECT FROM flows_awaitedapproval p WHERE p.approval_id = l.id)
         LIMIT %(limit)s
        """
    )


@check("I11-starts", "every start by a cron rule has a schedule with a next slot")
def cron_starts_have_a_schedule() -> list[str]:
    return _sentences(
        """
        SELECT format('the start %%s has no schedule that fires', s.name)
          FROM flows_flowstart s
         WHERE s.enabled AND s.cron <> ''
           AND NOT EXISTS (SELECT FROM work_schedule w
                            WHERE w.name = 'flow-start.' || s.name AND w.enabled
                              AND w.next_at IS NOT NULL)
         LIMIT %(limit)s
        """
    )


def _sentences(sql: str, **params: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"limit": VIOLATIONS_SHOWN_MAX, "streams": _latest(), **params})
        return [row[0] for row in cursor.fetchall()]


def _latest() -> list[str]:
    """Return the stream keys of the flows that changed last."""
    rows = FlowSummary.objects.order_by("-status_at").values_list("flow_id", flat=True)
    return [key_of(stream_of(flow_id)) for flow_id in rows[:FLOWS_EXAMINED_MAX]]
