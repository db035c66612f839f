from django.db import migrations

from ledger.accountable import Accountable

# What an entry refers to can lose its content, step by step, and nothing else about it changes.
FADE = """
CREATE FUNCTION ledger_payload_only_fades() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  steps text[] := ARRAY['none', 'redacted', 'tombstoned', 'crypto_shredded'];
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.id, NEW.entry_id, NEW.kind, NEW.schema_tag, NEW.retention, NEW.digest, NEW.created_at)
         IS NOT DISTINCT FROM
       (OLD.id, OLD.entry_id, OLD.kind, OLD.schema_tag, OLD.retention, OLD.digest, OLD.created_at)
       AND NEW.key_id IS NOT DISTINCT FROM OLD.key_id AND NEW.expires_at = OLD.expires_at
       AND array_position(steps, NEW.redaction::text) >= array_position(steps, OLD.redaction::text)
       AND NEW.redaction <> 'none' AND OLD.redaction NOT IN ('tombstoned', 'crypto_shredded')
    THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'a payload of the ledger can only lose its content: % refused', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_payload_only_fades BEFORE UPDATE OR DELETE ON ledger_payload
  FOR EACH ROW EXECUTE FUNCTION ledger_payload_only_fades();

CREATE FUNCTION ledger_subject_key_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    -- Sealing it anew with another master key is no change of the key.
    IF NEW.id = OLD.id AND NEW.subject = OLD.subject AND OLD.destroyed_at IS NULL THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'the key of a subject can only be destroyed: % refused', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_subject_key_only_ends BEFORE UPDATE OR DELETE ON ledger_subjectkey
  FOR EACH ROW EXECUTE FUNCTION ledger_subject_key_only_ends();
"""

UNDO = """
DROP TRIGGER ledger_payload_only_fades ON ledger_payload;
DROP FUNCTION ledger_payload_only_fades();
DROP TRIGGER ledger_subject_key_only_ends ON ledger_subjectkey;
DROP FUNCTION ledger_subject_key_only_ends();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0030_payloads'),
    ]

    operations = [
        migrations.RunSQL(FADE, UNDO),
        Accountable('ledger_payload', target='payload', on='UPDATE'),
        Accountable('ledger_subjectkey', target='subject', on='UPDATE OF destroyed_at'),
    ]
