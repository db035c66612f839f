"""Money that payment providers took back by themselves, and how that ended."""

import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.db import migrations, models

import events.ids
from events.tables.append_only import AppendOnly
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="Chargeback",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("provider", models.CharField(max_length=40)),
            ("provider_ref", models.CharField(max_length=200)),
            ("claimed_cents", models.BigIntegerField()),
            ("charged_back_cents", models.BigIntegerField()),
            ("disputed_cents", models.BigIntegerField()),
            ("currency", models.CharField(max_length=3)),
            ("reason", models.CharField(max_length=200)),
            ("occurred_at", models.DateTimeField()),
            ("noted_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "payment",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="chargebacks",
                    to="commerce.payment",
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(fields=["noted_at", "id"], name="commerce_chargebacks_by_age"),
                models.Index(
                    fields=["provider_ref"],
                    name="commerce_chargebacks_by_ref",
                    opclasses=["varchar_pattern_ops"],
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    fields=("provider", "provider_ref", "payment"),
                    name="commerce_chargeback_is_noted_once",
                ),
                models.CheckConstraint(
                    condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                    name="commerce_chargeback_currency_is_iso",
                ),
                models.CheckConstraint(
                    condition=models.Q(("claimed_cents__gt", 0)),
                    name="commerce_chargeback_claims_something",
                ),
                models.CheckConstraint(
                    condition=models.Q(("charged_back_cents__gte", 0), ("disputed_cents__gte", 0)),
                    name="commerce_chargeback_amounts_are_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "claimed_cents",
                            django.db.models.expressions.CombinedExpression(
                                models.F("charged_back_cents"), "+", models.F("disputed_cents")
                            ),
                        )
                    ),
                    name="commerce_chargeback_is_taken_or_disputed",
                ),
                models.CheckConstraint(
                    condition=models.Q(("reason", ""), _negated=True),
                    name="commerce_chargeback_has_a_reason",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ChargebackResolution",
        fields=[
            (
                "chargeback",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    primary_key=True,
                    related_name="resolution",
                    serialize=False,
                    to="commerce.chargeback",
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[("won", "won"), ("lost", "lost"), ("withdrawn", "withdrawn")],
                    max_length=9,
                ),
            ),
            ("returned_cents", models.BigIntegerField()),
            ("surplus_cents", models.BigIntegerField()),
            ("reason", models.CharField(max_length=200)),
            ("occurred_at", models.DateTimeField()),
            ("noted_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            (
                "payment",
                models.OneToOneField(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="returned_by",
                    to="commerce.payment",
                ),
            ),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("status__in", ["won", "lost", "withdrawn"])),
                    name="commerce_resolution_is_final",
                ),
                models.CheckConstraint(
                    condition=models.Q(("returned_cents__gte", 0), ("surplus_cents__gte", 0)),
                    name="commerce_resolution_amounts_are_not_negative",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("status", "lost"), _negated=True),
                        models.Q(("returned_cents", 0), ("surplus_cents", 0)),
                        _connector="OR",
                    ),
                    name="commerce_resolution_that_is_lost_returns_nothing",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("returned_cents__gt", 0), ("payment__isnull", False)),
                        models.Q(
                            models.Q(("returned_cents__gt", 0), _negated=True),
                            models.Q(("payment__isnull", False), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_resolution_books_what_it_returns",
                ),
                models.CheckConstraint(
                    condition=models.Q(("reason", ""), _negated=True),
                    name="commerce_resolution_has_a_reason",
                ),
            ],
        },
    ),
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
            ("noted_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("reason", ""), _negated=True),
                    name="commerce_review_has_a_reason",
                )
            ],
        },
    ),
]

# A refund of a surplus is of no payment: it is held against the end of the chargeback instead.
# The row of the payment is locked first, so that of two transactions that would both fit the
# second sees what the first took. A refund that ends, one way or the other, holds no more than
# before: it is not looked at, and so takes no lock that a chargeback waits for.
COVERED = """
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
  SELECT coalesce(sum(amount_cents), 0) INTO held FROM commerce_refund
   WHERE payment_id = subject AND status <> 'failed' AND surplus_of_id IS NULL;
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

UNCOVERED = """
DROP TRIGGER commerce_payment_covers_money_back ON commerce_payment;
DROP TRIGGER commerce_chargeback_is_covered ON commerce_chargeback;
DROP TRIGGER commerce_refund_stays_covered ON commerce_refund;
DROP TRIGGER commerce_refund_is_covered ON commerce_refund;
DROP FUNCTION commerce_check_money_back();
"""

# What was charged back never changes, and neither does a payment's amount once it came in: so
# it is enough to look when the end of a chargeback is noted.
RETURNED = """
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

UNRETURNED = """
DROP TRIGGER commerce_resolution_returns ON commerce_chargebackresolution;
DROP FUNCTION commerce_check_resolution();
"""

# Locks the row of the payment first, as whoever refunds it otherwise does.
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

SURPLUS_UNCOVERED = """
DROP TRIGGER commerce_surplus_is_covered ON commerce_refund;
DROP FUNCTION commerce_check_surplus();
"""

RULES = [
    AppendOnly("commerce_chargeback"),
    Accountable("commerce_chargeback", target="chargeback", on="INSERT"),
    migrations.RunSQL(COVERED, UNCOVERED),
    AppendOnly("commerce_chargebackresolution"),
    Accountable("commerce_chargebackresolution", target="chargeback", on="INSERT"),
    migrations.RunSQL(RETURNED, UNRETURNED),
    migrations.RunSQL(SURPLUS, SURPLUS_UNCOVERED),
    AppendOnly("commerce_chargebackreview"),
    Accountable("commerce_chargebackreview", target="chargeback", on="INSERT"),
]
