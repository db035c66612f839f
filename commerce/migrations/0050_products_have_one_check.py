"""Hold a product to its rules by one trigger: ADR 0019.

Eight CHECKs were read and planned anew for each product that was made or changed: half of what
PostgreSQL spends on the row.
"""

from django.db import migrations

from events.tables.row_rules import RulesOnWrite

PRODUCT = RulesOnWrite(
    "commerce_product",
    columns={
        "status": "text", "currency": "text", "name": "text", "sell_amount_cents": "bigint",
        "cost_amount_cents": "bigint", "duration_minutes": "int", "revision": "int",
    },
    rules={
        "commerce_product_status_is_known": "status IN ('active', 'archived', 'draft')",
        "commerce_product_currency_is_iso": "currency ~ '^[A-Z]{3}$'",
        "commerce_product_has_a_name": "name <> ''",
        "commerce_product_price_is_not_negative": "sell_amount_cents >= 0",
        "commerce_product_cost_is_not_negative": "cost_amount_cents >= 0",
        "commerce_product_duration_is_not_negative": "duration_minutes >= 0",
        "commerce_product_revision_counts_from_one": "revision >= 1",
    },
)  # fmt: skip

# What Django makes of a count.
WITHOUT_A_CHECK = """
ALTER TABLE commerce_product
  DROP CONSTRAINT commerce_product_duration_minutes_check,
  DROP CONSTRAINT commerce_product_revision_check
"""
WITH_A_CHECK = """
ALTER TABLE commerce_product
  ADD CONSTRAINT commerce_product_duration_minutes_check CHECK (duration_minutes >= 0),
  ADD CONSTRAINT commerce_product_revision_check CHECK (revision >= 0)
"""
IN_THE_MODEL = (
    "commerce_product_status_is_known",
    "commerce_product_currency_is_iso",
    "commerce_product_has_a_name",
    "commerce_product_price_is_not_negative",
    "commerce_product_cost_is_not_negative",
    "commerce_product_revision_counts_from_one",
)


class Migration(migrations.Migration):
    dependencies = [("commerce", "0041_lists_find_what_is_asked")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [], [migrations.RemoveConstraint("product", name) for name in IN_THE_MODEL]
        ),
        migrations.RunSQL(WITHOUT_A_CHECK, WITH_A_CHECK),
        PRODUCT,
    ]
