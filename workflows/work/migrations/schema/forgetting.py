"""Attempts only grow, but for one way out: housekeeping that went well goes with its attempts.

The function belongs to the owner of the tables and runs with the owner's rights. The runtime
role may call it (config/roles.py) and still has no DELETE on `work_attempt`, so this is all it
can take away: work that a schedule fired, that nobody gave a key, and that is done since a day.
Foreign keys to `work` are checked at the end of the transaction, so the work goes first: the
trigger lets an attempt go that has none any more, and no other.
"""

from django.db import migrations

from events.tables.append_only import AppendOnly

FORGET = """
CREATE FUNCTION work_forget(p_ids uuid[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  gone uuid[];
BEGIN
  WITH chosen AS (
    SELECT id FROM work
     WHERE id = ANY (p_ids) AND status = 'done' AND idempotency_key IS NULL
       AND finished_at < statement_timestamp() - interval '1 day'
       AND EXISTS (SELECT FROM work_slot WHERE work_id = work.id)
     ORDER BY id FOR UPDATE SKIP LOCKED),
  forgotten AS (DELETE FROM work USING chosen WHERE work.id = chosen.id RETURNING work.id)
  SELECT array_agg(id) INTO gone FROM forgotten;
  DELETE FROM work_attempt WHERE work_id = ANY (gone);
  DELETE FROM work_slot WHERE work_id = ANY (gone);
  RETURN coalesce(cardinality(gone), 0);
END $$;
REVOKE EXECUTE ON FUNCTION work_forget(uuid[]) FROM PUBLIC
"""

GO_WITH_THEIR_WORK = """
CREATE FUNCTION work_attempt_goes_with_its_work() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM work WHERE id = OLD.work_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER append_only_rows ON work_attempt;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON work_attempt
  FOR EACH ROW EXECUTE FUNCTION work_attempt_goes_with_its_work()
"""

STAY = """
DROP TRIGGER append_only_rows ON work_attempt;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON work_attempt
  FOR EACH ROW EXECUTE FUNCTION daybook_refuse_change();
DROP FUNCTION work_attempt_goes_with_its_work()
"""

RULES = [
    AppendOnly("work_attempt"),
    migrations.RunSQL(GO_WITH_THEIR_WORK, STAY),
    migrations.RunSQL(FORGET, "DROP FUNCTION work_forget(uuid[])"),
]
