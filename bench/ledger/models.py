"""The same nine columns, once for each way to keep track of them."""

from django.conf import settings
from django.db import models


class Columns(models.Model):
    name = models.CharField(max_length=100)
    status = models.CharField(max_length=20, default="draft")
    quantity = models.IntegerField(default=1)
    amount_cents = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, default="EUR")
    is_public = models.BooleanField(default=False)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
        app_label = "ledger_bench"


class Thing(Columns):  # noqa: DJ008
    class Meta(Columns.Meta):
        pass


class Audited(Columns):  # noqa: DJ008
    class Meta(Columns.Meta):
        pass


class Historied(Columns):  # noqa: DJ008
    if "simple_history" in settings.PEERS:
        from simple_history.models import HistoricalRecords

        history = HistoricalRecords()

    class Meta(Columns.Meta):
        pass


if "auditlog" in settings.PEERS:
    from auditlog.registry import auditlog

    auditlog.register(Audited)
