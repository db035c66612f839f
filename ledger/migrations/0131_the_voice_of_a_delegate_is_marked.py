"""Only whoever an approval was handed on to is heard without being in its group; and who may
decide is found whatever the number of their account.
"""

from importlib import import_module

from django.db import migrations, models

_BEFORE = import_module("ledger.migrations.0130_lapsed_voices_count_nowhere")

_OF_NINE_DIGITS = "'^[0-9]{1,9}$' THEN person::integer"
_OF_ANY = "'^[0-9]{1,18}$' THEN person::bigint"
_EARLIER = _BEFORE._MAY_DECIDE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")  # noqa: SLF001
_COUNTS = """
       AND ledger_may_decide(human, CASE WHEN NOT as_delegate THEN NEW.assigned_group_id END)"""

# A voice that says so without an approval in its hands would be heard without the group.
_VOTE = """
CREATE OR REPLACE FUNCTION ledger_check_vote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE about ledger_approval;
BEGIN
  SELECT * INTO about FROM ledger_approval WHERE id = NEW.approval_id;
  IF NEW.human = ANY (about.humans) OR NEW.principal = ANY (about.chain) THEN
    RAISE EXCEPTION 'nobody decides what they asked for: approval %', NEW.approval_id
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_vote_is_of_somebody_else';
  END IF;
  IF NEW.principal NOT LIKE 'user:%' AND NEW.principal NOT LIKE 'api_key:%' THEN
    RAISE EXCEPTION '% cannot decide an approval', NEW.principal
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_vote_is_of_a_person';
  END IF;{delegate}
  RETURN NEW;
END $$;
"""
_DELEGATE = """
  IF NEW.as_delegate AND about.assigned_to_id::text IS DISTINCT FROM NEW.human THEN
    RAISE EXCEPTION 'approval % was not handed on to %', NEW.approval_id, NEW.human
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_vote_as_delegate_was_handed_on';
  END IF;"""


def _check(counts: str) -> str:
    checked: str = _BEFORE._CHECK  # noqa: SLF001
    return checked.replace("{counts}", counts)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0130_lapsed_voices_count_nowhere")]

    operations = [
        migrations.AddField(
            "approvalvote", "as_delegate", models.BooleanField(db_default=False)
        ),
        migrations.RunSQL(_EARLIER.replace(_OF_NINE_DIGITS, _OF_ANY), _EARLIER),
        migrations.RunSQL(
            _check(_COUNTS),
            _check(_BEFORE._COUNTS.rstrip()),  # noqa: SLF001
        ),
        migrations.RunSQL(
            _VOTE.replace("{delegate}", _DELEGATE), _VOTE.replace("{delegate}", "")
        ),
    ]
