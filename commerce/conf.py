"""The settings of this app. Values come from `COMMERCE_<NAME>` in the Django settings."""

from datetime import timedelta

from django.conf import settings


def payment_url() -> str:
    """Where the payment provider is; empty when there is none."""
    return str(settings.COMMERCE_PAYMENT_URL)


def mail_url() -> str:
    """Where mail is handed over; empty when nowhere."""
    return str(settings.COMMERCE_MAIL_URL)


def cms_url() -> str:
    """Where the content systems are; empty when there is none."""
    return str(settings.COMMERCE_CMS_URL)


def payment_webhook_secrets() -> list[str]:
    """With which secrets the payment provider may sign what it tells us; none: with no one."""
    return list(settings.COMMERCE_PAYMENT_WEBHOOK_SECRETS)


PROVIDER_TIMEOUT_S = 10.0
CMS_TIMEOUT_S = 1.0
"""Each hanging content system delays the request that changed a product by this much."""

HOLD = timedelta(minutes=30)
INVOICE_DUE = timedelta(days=14)
SETTLEMENT_WINDOW = timedelta(days=3)
"""For how long the demo provider takes a capture back."""
DOCUMENT_ACCESS = timedelta(days=14)
"""For how long a document can be opened under a grant that says nothing else."""
