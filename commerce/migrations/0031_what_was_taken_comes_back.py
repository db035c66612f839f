from django.db import migrations

from events.append_only import AppendOnly
from ledger.accountable import Accountable

# What was charged back never changes, and neither does a payment's amount once it came in: so
# it is enough to look when the end of a chargeback is noted.
FUNCTION = """
CREATE FUNCTION commerce_check_resolution() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  taken bigint;
  booked bigint;
BEGIN
  SELECT charged_back_cents INTO taken FROM commerce_chargeback WHERE id = NEW.chargeback_id;
  SELECT amount_cents INTO booked FROM commerce_payment WHERE id = NEW.payment_id;
  IF NEW.status <> 'lost' AND NEW.returned_cents + NEW.surplus_cents <> taken
     OR NEW.returned_cents <> coalesce(booked, 0)
  THEN
    RAISE EXCEPTION 'chargeback % of %: % returned as a payment of %, % beyond',
      NEW.chargeback_id, taken, NEW.returned_cents, booked, NEW.surplus_cents
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'commerce_resolution_returns_what_was_taken';
  END IF;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER commerce_resolution_returns AFTER INSERT ON commerce_chargebackresolution
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commerce_check_resolution();
"""

BACK = """
DROP TRIGGER commerce_resolution_returns ON commerce_chargebackresolution;
DROP FUNCTION commerce_check_resolution();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0030_chargebacks_end'),
    ]

    operations = [
        AppendOnly('commerce_chargebackresolution'),
        Accountable('commerce_chargebackresolution', target='chargeback', on='INSERT'),
        migrations.RunSQL(FUNCTION, BACK),
    ]
