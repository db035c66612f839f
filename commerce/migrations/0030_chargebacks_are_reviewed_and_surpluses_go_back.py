import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q

from events.tables.append_only import AppendOnly
from ledger.accountable import Accountable

# A refund of a surplus is of no payment: it is held against the end of the chargeback instead. The
# row of the payment is locked first in both, as whoever refunds it otherwise does.
COVERED = """
CREATE OR REPLACE FUNCTION commerce_check_money_back() RETURNS trigger LANGUAGE plpgsql AS $$
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
  SELECT coalesce(sum(amount_cents), 0) INTO held FROM commerce_refund
   WHERE payment_id = subject AND status <> 'failed'{but_of_surpluses};
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
"""

SURPLUS = """
CREATE FUNCTION commerce_check_surplus() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  surplus bigint;
  held bigint;
BEGIN
  PERFORM FROM commerce_payment WHERE id = NEW.payment_id FOR UPDATE;
  SELECT surplus_cents INTO surplus FROM commerce_chargebackresolution s
    JOIN commerce_chargeback c ON c.id = s.chargeback_id
   WHERE s.chargeback_id = NEW.surplus_of_id AND c.payment_id = NEW.payment_id;
  SELECT coalesce(sum(amount_cents), 0) INTO held FROM commerce_refund
   WHERE surplus_of_id = NEW.surplus_of_id AND status <> 'failed';
  IF held > coalesce(surplus, 0) THEN
    RAISE EXCEPTION 'chargeback %: a surplus of %, % held by refunds',
      NEW.surplus_of_id, surplus, held
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'commerce_surplus_is_covered';
  END IF;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER commerce_surplus_is_covered AFTER INSERT OR UPDATE ON commerce_refund
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.surplus_of_id IS NOT NULL AND NEW.status <> 'failed')
  EXECUTE FUNCTION commerce_check_surplus();
"""

BACK = """
DROP TRIGGER commerce_surplus_is_covered ON commerce_refund;
DROP FUNCTION commerce_check_surplus();
"""

COVERED_WITHOUT = COVERED.replace("{but_of_surpluses}", " AND surplus_of_id IS NULL")
COVERED_AS_BEFORE = COVERED.replace("{but_of_surpluses}", "")


class Migration(migrations.Migration):
    dependencies = [("commerce", "0001_schema")]

    operations = [
        migrations.CreateModel(
            name="ChargebackReview",
            fields=[
                (
                    "chargeback",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="review",
                        serialize=False,
                        to="commerce.chargeback",
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
                ("occurred_at", models.DateTimeField()),
                (
                    "noted_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=~Q(reason=""), name="commerce_review_has_a_reason"
                    )
                ],
            },
        ),
        AppendOnly("commerce_chargebackreview"),
        Accountable("commerce_chargebackreview", target="chargeback", on="INSERT"),
        migrations.AddField(
            "refund",
            "surplus_of",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refunds",
                to="commerce.chargebackresolution",
            ),
        ),
        migrations.AddConstraint(
            "refund",
            models.CheckConstraint(
                condition=Q(surplus_of=None)
                | Q(credit_note=None) & ~Q(method="processor_reversal"),
                name="commerce_refund_of_a_surplus_is_of_nothing_else",
            ),
        ),
        migrations.RunSQL(COVERED_WITHOUT, COVERED_AS_BEFORE),
        migrations.RunSQL(SURPLUS, BACK),
    ]
