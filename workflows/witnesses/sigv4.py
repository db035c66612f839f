"""Signs requests by AWS Signature Version 4. Pure: the time is an argument.

Source: "Signature Version 4 signing process" of the AWS General Reference, and "Authenticating
Requests: Using the Authorization Header" of the Amazon S3 API Reference.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who signs. The secret is shown nowhere, nor is the token of a session."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """For what the signature is good."""

    region: str
    service: str = "s3"


def signed(
    headers: Mapping[str, str],
    *,
    method: str,
    path: str,
    query: Mapping[str, str],
    body: bytes,
    at: datetime,
    scope: Scope,
    credentials: Credentials,
) -> dict[str, str]:
    """Return `headers` with what signs them; `host` is one of them, `path` is not encoded.

    :param at: in UTC, as the clock of the service says within a quarter of an hour.
    """
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    signed["x-amz-date"] = stamp
    if scope.service == "s3":
        signed["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
    if credentials.session_token:
        signed["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            method,
            quote(path, safe=f"/{_UNRESERVED}"),
            _canonical_query(query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    to_sign = "\n".join([ALGORITHM, stamp, place, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(_key(credentials, stamp[:8], scope), to_sign.encode(), hashlib.sha256)
    signed["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{place}, "
        f"SignedHeaders={names}, Signature={signature.hexdigest()}"
    )
    return signed


def _canonical_query(query: Mapping[str, str]) -> str:
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def _encoded(text: str) -> str:
    return quote(text, safe=_UNRESERVED)


def _key(credentials: Credentials, day: str, scope: Scope) -> bytes:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
