"""Send a checkpoint to a witness: by PUT to a web server, or into a bucket of S3.

Both write one document under its own name, so sending it again changes nothing. What the
guard of outgoing HTTP refuses, and whatever the witness answers but 2xx, is an OSError: the
checkpoint is sent again at the next turn.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from django.utils import timezone

from ledger.witnesses import declare_scheme
from workflows.egress import urls
from workflows.egress.client import Answer, Call, send
from workflows.egress.refusals import AnswerTooLarge, EgressFailed, EgressRefused
from workflows.egress.urls import Target
from workflows.witnesses import conf, sigv4
from workflows.witnesses.conf import Bucket
from workflows.witnesses.sigv4 import Scope

DEADLINE_SECONDS: Final = 5.0
ANSWER_BYTES_MAX: Final = 16 << 10
CONTENT_TYPE: Final = "application/json"
_PATH: Final = "/-_.~"
_CODE_OF_S3: Final = re.compile(rb"<Code>([A-Za-z]{1,60})</Code>")


def to_server(url: str, name: str, content: bytes) -> None:
    """PUT a checkpoint under the witness's URL, with the token of its host if there is one."""
    token = conf.token_of(urlsplit(url).hostname or "")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    _check(_put(f"{url.rstrip('/')}/{name}", {"content-type": CONTENT_TYPE, **headers}, content))


def to_bucket(url: str, name: str, content: bytes) -> None:
    """PUT a checkpoint into `s3://bucket/prefix`, locked for as long as is set."""
    place, bucket = urlsplit(url), conf.bucket()
    service = _service_of(bucket)
    path = f"{service.path.rstrip('/')}/{place.netloc}{place.path.rstrip('/')}/{name}"
    now = timezone.now()
    headers = {"content-type": CONTENT_TYPE, "host": service.origin.partition("//")[2]}
    if bucket.locked_for is not None:
        # S3 wants a checksum with every object that it locks, and the RFC 1864 one is known to all.
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        until = now + bucket.locked_for
        headers |= {
            "content-md5": base64.b64encode(digest).decode(),
            "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    signed = sigv4.signed(
        headers,
        method="PUT",
        path=path,
        query={},
        body=content,
        at=now,
        scope=Scope(region=bucket.region),
        credentials=bucket.credentials,
    )
    del signed["host"]  # Signed as the client will say it, which is its own to say.
    _check(_put(service.origin + quote(path, safe=_PATH), signed, content))


def _put(url: str, headers: Mapping[str, str], content: bytes) -> Answer:
    call = Call(
        method="PUT",
        url=url,
        headers=headers,
        body=content,
        deadline_seconds=DEADLINE_SECONDS,
        body_bytes_max=ANSWER_BYTES_MAX,
        truncate=True,
        https_only=True,
    )
    try:
        return send(call)
    except (EgressRefused, EgressFailed, AnswerTooLarge) as error:
        raise OSError(str(error)) from error


def _check(answer: Answer) -> None:
    if 200 <= answer.status < 300:  # noqa: PLR2004 (the class of success)
        return
    # Its words are a stranger's; only the code of an error of S3 is repeated.
    code = _CODE_OF_S3.search(answer.body)
    why = f" ({code[1].decode()})" if code else ""
    raise OSError(f"The witness answered {answer.status}{why}.")


def _service_of(bucket: Bucket) -> Target:
    try:
        return urls.parse(bucket.endpoint)
    except EgressRefused as error:
        raise OSError(str(error)) from error


declare_scheme("https", to_server)
declare_scheme("http", to_server)
declare_scheme("s3", to_bucket)
