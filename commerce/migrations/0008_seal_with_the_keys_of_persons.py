"""Seal with keys of their own what is about people, so that the keys can be destroyed.

Row by row, in one transaction: a delivery or a document that is half sealed opens for nobody.
"""

from typing import Any

from django.db import migrations

from commerce import vault
from ledger import subjects


def seal_anew(apps: Any, _schema_editor: object) -> None:
    _people(apps.get_model("commerce", "TravellerPersonal"), "traveller")
    _people(apps.get_model("commerce", "BookingContact"), "contact")
    for row in apps.get_model("commerce", "Delivery").objects.order_by("pk").iterator(500):
        row.recipient_sealed = vault.seal_anew(
            row.recipient_sealed, subject=f"contact/{row.booking_id}", of=str(row.pk)
        )
        to = vault.unseal(row.recipient_sealed, of=str(row.pk))["to"]
        row.recipient_index = subjects.index_of(to)
        row.save(update_fields=["recipient_sealed", "recipient_index"])
    for row in apps.get_model("commerce", "Rendition").objects.order_by("pk").iterator(50):
        row.content_sealed = vault.seal_bytes(
            bytes(row.content_sealed), subject=f"invoice/{row.invoice_id}", of=str(row.pk)
        )
        row.save(update_fields=["content_sealed"])


def _people(model: Any, type_: str) -> None:
    for row in model.objects.order_by("pk").iterator(500):
        row.sealed = vault.seal_anew(row.sealed, subject=f"{type_}/{row.pk}", of=str(row.pk))
        personal = vault.unseal(row.sealed, of=str(row.pk))
        row.email_index = subjects.index_of(str(personal.get("email", "")))
        row.save(update_fields=["sealed", "email_index"])


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0007_find_addresses_that_are_sealed'),
        ('ledger', '0031_payloads_only_fade'),
    ]

    operations = [migrations.RunPython(seal_anew, elidable=True)]
