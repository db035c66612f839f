"""Indexes for what lists are asked for: see tests/integration/config/test_bounded_lists.py."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0040_names_for_people'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(fields=['external_ref'], name='commerce_bookings_by_reference', opclasses=['varchar_pattern_ops']),
        ),
        migrations.AddIndex(
            model_name='chargeback',
            index=models.Index(fields=['provider_ref'], name='commerce_chargebacks_by_ref', opclasses=['varchar_pattern_ops']),
        ),
        migrations.AddIndex(
            model_name='documentaccess',
            index=models.Index(fields=['grantee'], name='commerce_accesses_by_grantee'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['reference'], name='commerce_payments_by_reference', opclasses=['varchar_pattern_ops']),
        ),
    ]
