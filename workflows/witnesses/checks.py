"""System checks of this app."""

from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Tags, register

from ledger import conf as ledger
from workflows.witnesses import conf


@register(Tags.security)
def buckets_have_credentials(**_: Any) -> list[CheckMessage]:
    """Find a witness in a bucket that nobody could sign for."""
    credentials = conf.bucket().credentials
    is_wanted = any(urlsplit(url).scheme == "s3" for url in ledger.witnesses())
    if not is_wanted or (credentials.access_key and credentials.secret_key):
        return []
    return [
        Error(
            "A witness is a bucket, and there are no credentials for it.",
            hint="Set LEDGER_WITNESS_S3_ACCESS_KEY and LEDGER_WITNESS_S3_SECRET_KEY.",
            id="witnesses.E001",
        )
    ]


@register(Tags.security)
def tokens_name_their_host(**_: Any) -> list[CheckMessage]:
    """Find tokens that would never be sent."""
    count = conf.misspelt_tokens()
    if not count:
        return []
    return [
        Error(
            f"{count} of LEDGER_WITNESS_TOKENS do not say for which host they are.",
            hint="Write host=token, separated by commas.",
            id="witnesses.E002",
        )
    ]
