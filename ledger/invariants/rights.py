"""That rows which give rights say what was told when they were made.

An approval, a vote, a key and a delegation are rows that anybody could change who writes past
the triggers. Their entries are sealed, and checkpoints sign the events: the rows are compared.
"""

from typing import Final

from django.db import connection

from events import doctor

_REQUESTS: Final = """
SELECT a.id, told.name
  FROM ledger_approval a
  LEFT JOIN ledger_entry e ON e.id = a.requested_entry_id
  LEFT JOIN LATERAL (
    SELECT data::jsonb AS said FROM events_event
     WHERE stream = 'approval/' || a.id || '/' AND sequence = 1) event ON true
 CROSS JOIN LATERAL (SELECT e.principal_type || ':' || e.principal_id
                            || coalesce('@' || e.delegation_id, '') AS principal) who
 CROSS JOIN LATERAL (VALUES
    ('requested_entry_id', e.approval_id = a.id AND e.status = 'awaiting_approval'),
    ('action_name', a.action_name = e.action_name),
    ('action_version', a.action_version = e.action_version),
    ('target_type', a.target_type = e.target_type),
    ('target_id', a.target_id = e.target_id),
    ('route_or_tool_name', a.route_or_tool_name = e.route_or_tool_name),
    ('capability_id', a.capability_id = e.capability_id),
    ('capability_version', a.capability_version = e.capability_version),
    ('organization_id', a.organization_id = e.organization_id),
    ('correlation_id', a.correlation_id = e.correlation_id),
    ('risk', a.risk = e.evaluated_risk),
    ('fingerprint', a.fingerprint IN ('', e.idempotency_fingerprint)),
    ('requested_by', a.requested_by = who.principal),
    ('chain', a.chain @> ARRAY[who.principal]::varchar[] AND (e.delegated_by_type = ''
              OR a.chain @> ARRAY[e.delegated_by_type || ':' || e.delegated_by_id]::varchar[])),
    ('humans', (a.requested_by_human = '' OR a.requested_by_human = ANY (a.humans))
               AND NOT EXISTS (SELECT FROM unnest(a.chain) link
                                WHERE link LIKE 'user:%' AND NOT substr(link, 6) = ANY (a.humans))
               AND (e.principal_type <> 'api_key' OR EXISTS (
                 SELECT FROM ledger_apikey k
                  WHERE k.prefix = e.principal_id AND k.owner_id::text = ANY (a.humans)))),
    ('quorum', a.quorum::text = coalesce(event.said->>'quorum', a.quorum::text)),
    ('execute', a.execute = coalesce(event.said->>'execute', a.execute)),
    ('policy', a.policy_name || '@v' || a.policy_version
               = coalesce(event.said->>'policy', a.policy_name || '@v' || a.policy_version))
 ) told (name, is_so)
 WHERE told.is_so IS NOT TRUE ORDER BY a.id, told.name
"""
_VOTES: Final = """
SELECT v.id, told.name
  FROM ledger_approvalvote v LEFT JOIN ledger_entry e ON e.id = v.entry_id
 CROSS JOIN LATERAL (VALUES
    ('approval_id', v.approval_id = e.approval_id),
    ('principal', v.principal = e.principal_type || ':' || e.principal_id),
    ('human', CASE e.principal_type WHEN 'user' THEN v.human = e.principal_id ELSE EXISTS (
                SELECT FROM ledger_apikey k
                 WHERE k.prefix = e.principal_id AND k.owner_id::text = v.human) END),
    ('decision', (v.decision = 'approve') = (e.action_kind = 'approve')),
    ('as_delegate', NOT v.as_delegate OR EXISTS (
       SELECT FROM events_event told
        WHERE told.stream = 'approval/' || v.approval_id || '/'
          AND told.name = 'ledger.approval.delegated'
          AND told.data::jsonb->>'assignedTo' = v.human))
 ) told (name, is_so)
 WHERE v.entry_id IS NOT NULL AND told.is_so IS NOT TRUE ORDER BY v.id, told.name
"""
_KEYS: Final = """
SELECT k.id, told.name
  FROM ledger_apikey k JOIN events_event e
    ON e.stream = 'api_key/' || k.id || '/' AND e.name = 'api_key.issued'
 CROSS JOIN LATERAL (SELECT e.data::jsonb AS said) event
 CROSS JOIN LATERAL (VALUES
    ('prefix', k.prefix = said->>'prefix'),
    ('name', k.name = said->>'name'),
    ('scopes', to_jsonb(k.scopes) @> (said->'scopes') AND to_jsonb(k.scopes) <@ (said->'scopes')),
    ('expires_at', k.expires_at <= (said->>'expiresAt')::timestamptz),
    ('owner_id', e.version < 2 OR k.owner_id::text = said->>'ownerId'),
    ('digest', e.version < 2
               OR encode(sha256(convert_to(k.digest, 'UTF8')), 'hex') = said->>'secretDigest')
 ) told (name, is_so)
 WHERE e.data IS NOT NULL AND told.is_so IS NOT TRUE ORDER BY k.id, told.name
"""
_DELEGATIONS: Final = """
SELECT d.id, told.name
  FROM ledger_delegation d JOIN events_event e
    ON e.stream = 'delegation/' || d.id || '/' AND e.name = 'delegation.created'
  LEFT JOIN events_payload large ON large.hash = e.payload_id
 CROSS JOIN LATERAL (SELECT coalesce(e.data, large.body)::jsonb AS said) event
 CROSS JOIN LATERAL (VALUES
    ('agent_id', d.agent_id::text = said->>'agentId'),
    ('root_id', d.root_id::text = said->>'rootId'),
    ('scopes', to_jsonb(d.scopes) @> (said->'scopes') AND to_jsonb(d.scopes) <@ (said->'scopes')),
    ('parent_id', e.version < 3 OR d.parent_id::text IS NOT DISTINCT FROM said->>'parentId'),
    ('resources', e.version < 3 OR d.resources = said->'resources'),
    ('actions_max', e.version < 3
                    OR d.actions_max::text IS NOT DISTINCT FROM said->>'actionsMax'),
    ('cents_max', e.version < 3 OR d.cents_max::text IS NOT DISTINCT FROM said->>'centsMax'),
    ('currency', e.version < 3 OR d.currency = said->>'currency'),
    ('per_minute_max', e.version < 3
                       OR d.per_minute_max::text IS NOT DISTINCT FROM said->>'perMinuteMax'),
    ('starts_at', e.version < 3 OR d.starts_at = (said->>'startsAt')::timestamptz),
    ('expires_at', e.version < 3 OR d.expires_at = (said->>'expiresAt')::timestamptz),
    ('hour_from', e.version < 3
                  OR d.hour_from::text IS NOT DISTINCT FROM said->>'hourFrom'),
    ('hour_until', e.version < 3
                   OR d.hour_until::text IS NOT DISTINCT FROM said->>'hourUntil')
 ) told (name, is_so)
 WHERE told.is_so IS NOT TRUE ORDER BY d.id, told.name
"""
_KEYS_OF_AGENTS: Final = """
SELECT k.id, told.name
  FROM ledger_agentkey k
  LEFT JOIN events_event e
    ON e.stream = 'delegation/' || k.delegation_id || '/' AND e.name = 'agent_key.issued'
   AND e.data::jsonb->>'keyId' = k.id::text
 CROSS JOIN LATERAL (SELECT e.data::jsonb AS said) event
 CROSS JOIN LATERAL (VALUES
    ('delegation_id', e.data IS NOT NULL),
    ('prefix', k.prefix = said->>'prefix'),
    ('expires_at', e.version < 2 OR k.expires_at = (said->>'expiresAt')::timestamptz),
    ('digest', e.version < 2
               OR encode(sha256(convert_to(k.digest, 'UTF8')), 'hex') = said->>'secretDigest')
 ) told (name, is_so)
 WHERE told.is_so IS NOT TRUE ORDER BY k.id, told.name
"""


@doctor.check("I14-told", "approvals and votes match their entries")
def approvals_match_their_entries() -> list[str]:
    """Return what is broken, as sentences."""
    return _differing("approval", _REQUESTS) + _differing("vote", _VOTES)


@doctor.check("I21-told", "keys and delegations match the events that made them")
def rights_match_their_events() -> list[str]:
    """Return what is broken, as sentences."""
    return [
        *_differing("API key", _KEYS),
        *_differing("delegation", _DELEGATIONS),
        *_differing("key of an agent", _KEYS_OF_AGENTS),
    ]


def _differing(what: str, sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [f"{what} {id_}: its {name} is not what was told" for id_, name in cursor.fetchall()]
