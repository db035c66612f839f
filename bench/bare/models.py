"""A product, in as many columns."""

from django.db import models

DDL = """
CREATE TABLE bench_bare_product (
  id bigserial PRIMARY KEY, name varchar(200) NOT NULL, currency varchar(3) NOT NULL,
  sell_amount_cents bigint NOT NULL, description text NOT NULL, status varchar(20) NOT NULL,
  tags jsonb NOT NULL, created_at timestamptz NOT NULL, changed_at timestamptz NOT NULL
)
"""
"""Its process has settings of its own, so whoever prepares the database has no model of it."""


class Product(models.Model):  # noqa: DJ008
    name = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    sell_amount_cents = models.BigIntegerField()
    description = models.TextField(default="", blank=True)
    status = models.CharField(max_length=20, default="draft")
    tags = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "bare"
        db_table = "bench_bare_product"
