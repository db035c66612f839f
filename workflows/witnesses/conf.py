"""The settings of this app. Credentials come from the environment, never from a URL."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from workflows.witnesses.sigv4 import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How to reach the buckets: the service, who asks it, and for how long it keeps what it got."""

    endpoint: str
    region: str
    credentials: Credentials
    locked_for: timedelta | None


def token_of(host: str) -> str:
    """The bearer token for a witness's host; empty where it wants none."""
    named = (pair.partition("=") for pair in settings.LEDGER_WITNESS_TOKENS)
    return next((token for name, _, token in named if name.lower() == host.lower()), "")


def misspelt_tokens() -> int:
    """How many of the tokens say no host, or nothing."""
    named = (pair.partition("=") for pair in settings.LEDGER_WITNESS_TOKENS)
    return sum(not (host and token) for host, _, token in named)


def bucket() -> Bucket:
    """What is set about S3. The keys are empty where nothing is."""
    region = str(settings.LEDGER_WITNESS_S3_REGION)
    days = int(settings.LEDGER_WITNESS_S3_LOCK_DAYS)
    return Bucket(
        endpoint=str(settings.LEDGER_WITNESS_S3_URL) or f"https://s3.{region}.amazonaws.com",
        region=region,
        credentials=Credentials(
            access_key=str(settings.LEDGER_WITNESS_S3_ACCESS_KEY),
            secret_key=str(settings.LEDGER_WITNESS_S3_SECRET_KEY),
            session_token=str(settings.LEDGER_WITNESS_S3_SESSION_TOKEN),
        ),
        locked_for=timedelta(days=days) if days else None,
    )
