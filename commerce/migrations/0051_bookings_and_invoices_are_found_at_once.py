"""Indexes by status and by the end of the number, as lists are asked for them: no other row is read."""

from django.contrib.postgres.indexes import OpClass
from django.db import migrations, models
from django.db.models.functions import Reverse, Upper

from events.tables.indexes import AddIndexBesideWriters

BACKWARDS = OpClass(Reverse(Upper("number")), name="text_pattern_ops")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("commerce", "0001_schema"),
    ]

    operations = [
        AddIndexBesideWriters(
            model_name="booking",
            index=models.Index(fields=["status", "id"], name="commerce_bookings_by_status"),
        ),
        AddIndexBesideWriters(
            model_name="booking",
            index=models.Index(BACKWARDS, name="commerce_bookings_by_ending"),
        ),
        AddIndexBesideWriters(
            model_name="invoice",
            index=models.Index(fields=["status", "id"], name="commerce_invoices_by_status"),
        ),
        AddIndexBesideWriters(
            model_name="invoice",
            index=models.Index(BACKWARDS, name="commerce_invoices_by_ending"),
        ),
    ]
