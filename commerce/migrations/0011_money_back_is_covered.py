from django.db import migrations

from events.append_only import AppendOnly
from ledger.accountable import Accountable

# The row of the payment is locked first, so that of two transactions that would both fit the
# second sees what the first took. A refund that ends, one way or the other, holds no more than
# before: it is not looked at, and so takes no lock that a chargeback waits for.
FUNCTION = """
CREATE FUNCTION commerce_check_money_back() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  subject uuid;
  paid bigint;
  counted bigint;
  held bigint;
  taken bigint;
BEGIN
  subject := coalesce(to_jsonb(NEW)->>'payment_id', to_jsonb(NEW)->>'id')::uuid;
  SELECT amount_cents, charged_back_cents INTO paid, counted
    FROM commerce_payment WHERE id = subject FOR UPDATE;
  SELECT coalesce(sum(amount_cents), 0) INTO held
    FROM commerce_refund WHERE payment_id = subject AND status <> 'failed';
  SELECT coalesce(sum(charged_back_cents), 0) INTO taken
    FROM commerce_chargeback WHERE payment_id = subject;
  IF counted <> taken THEN
    RAISE EXCEPTION 'payment %: % charged back, chargebacks of %', subject, counted, taken
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'commerce_payment_counts_its_chargebacks';
  END IF;
  IF held + taken > paid THEN
    RAISE EXCEPTION 'payment % of %: % held by refunds, % charged back', subject, paid, held, taken
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'commerce_money_back_is_covered';
  END IF;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER commerce_refund_is_covered AFTER INSERT ON commerce_refund
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.status <> 'failed') EXECUTE FUNCTION commerce_check_money_back();
CREATE CONSTRAINT TRIGGER commerce_refund_stays_covered AFTER UPDATE ON commerce_refund
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.status <> 'failed' AND (OLD.status = 'failed'
        OR NEW.amount_cents > OLD.amount_cents OR NEW.payment_id <> OLD.payment_id))
  EXECUTE FUNCTION commerce_check_money_back();
CREATE CONSTRAINT TRIGGER commerce_chargeback_is_covered AFTER INSERT ON commerce_chargeback
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commerce_check_money_back();
CREATE CONSTRAINT TRIGGER commerce_payment_covers_money_back AFTER UPDATE ON commerce_payment
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.charged_back_cents <> OLD.charged_back_cents OR NEW.amount_cents < OLD.amount_cents)
  EXECUTE FUNCTION commerce_check_money_back();
"""

BACK = """
DROP TRIGGER commerce_payment_covers_money_back ON commerce_payment;
DROP TRIGGER commerce_chargeback_is_covered ON commerce_chargeback;
DROP TRIGGER commerce_refund_stays_covered ON commerce_refund;
DROP TRIGGER commerce_refund_is_covered ON commerce_refund;
DROP FUNCTION commerce_check_money_back();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0010_chargebacks'),
    ]

    operations = [
        AppendOnly('commerce_chargeback'),
        Accountable('commerce_chargeback', target='chargeback', on='INSERT'),
        migrations.RunSQL(FUNCTION, BACK),
    ]
