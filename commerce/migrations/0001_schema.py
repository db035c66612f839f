"""The trade."""

from django.db import migrations

from commerce.migrations.schema import (
    access,
    bookings,
    chargebacks,
    invoices,
    outbound,
    payments,
    policies,
    products,
    vouchers,
)
from events.tables.schema import Tables


class Migration(migrations.Migration):
    initial = True
    # What databases of before have applied. All of it, or they cannot go on: ADR 0047.
    replaces = [
        ("commerce", "0001_initial"),
        ("commerce", "0002_accountable_tables"),
        ("commerce", "0003_pdf_renditions"),
        ("commerce", "0004_vouchers"),
        ("commerce", "0005_document_access"),
        ("commerce", "0007_find_addresses_that_are_sealed"),
        ("commerce", "0008_seal_with_the_keys_of_persons"),
        ("commerce", "0009_who_booked_is_forgotten_on_record"),
        ("commerce", "0010_chargebacks"),
        ("commerce", "0011_money_back_is_covered"),
        ("commerce", "0030_chargebacks_end"),
        ("commerce", "0031_what_was_taken_comes_back"),
        ("commerce", "0030_chargebacks_are_reviewed_and_surpluses_go_back"),
        ("commerce", "0040_names_for_people"),
        ("commerce", "0041_lists_find_what_is_asked"),
        ("commerce", "0050_products_have_one_check"),
    ]
    dependencies = [
        ("ledger", "0001_schema"),
    ]

    operations = [
        Tables(
            *policies.TABLES,
            *products.TABLES,
            *bookings.TABLES,
            *vouchers.TABLES,
            *invoices.TABLES,
            *access.TABLES,
            *payments.TABLES,
            *chargebacks.TABLES,
            *outbound.TABLES,
        ),
        *products.RULES,
        *bookings.RULES,
        *vouchers.RULES,
        *invoices.RULES,
        *access.RULES,
        *payments.RULES,
        *chargebacks.RULES,
    ]
