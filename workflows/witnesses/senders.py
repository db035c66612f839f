"""Send a checkpoint to a witness, and ask for it: over HTTP, or in a bucket of S3.

Both write one document under its own name, and only if there is none: sending it again
changes nothing, and a history that was written anew does not replace the one before it. What
the guard of outgoing HTTP refuses, and whatever the witness answers but 2xx, is an OSError:
the checkpoint is sent again at the next turn.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

from django.utils import timezone

from ledger.sealing.witnesses import AnotherIsKept, Transport, declare_scheme
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
_ONLY_NEW: Final = {"if-none-match": "*"}
_THERE_IS_ONE: Final = frozenset({409, 412})
_NOTHING_THERE: Final = frozenset({404, 410})
_CODE_OF_S3: Final = re.compile(rb"<Code>([A-Za-z]{1,60})</Code>")


def to_server(url: str, name: str, content: bytes) -> None:
    """PUT a checkpoint under the witness's URL, with the token of its host if there is one."""
    headers = {"content-type": CONTENT_TYPE, **_ONLY_NEW, **_authorized(url)}
    answer = _call("PUT", _within(url, name), headers, content)
    _check_kept(answer, name, content, lambda: from_server(url, name))


def from_server(url: str, name: str) -> bytes | None:
    """GET what a witness keeps."""
    return _kept(_call("GET", _within(url, name), _authorized(url)))


def to_bucket(url: str, name: str, content: bytes) -> None:
    """PUT a checkpoint into `s3://bucket/prefix`, locked for as long as is set."""
    bucket, now = conf.bucket(), timezone.now()
    headers = {"content-type": CONTENT_TYPE, **_ONLY_NEW}
    if bucket.locked_for is not None:
        # S3 wants a checksum with every object that it locks, and the RFC 1864 one is known to all.
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        until = now + bucket.locked_for
        headers |= {
            "content-md5": base64.b64encode(digest).decode(),
            "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    answer = _call_bucket("PUT", bucket, url, name, headers, content, at=now)
    _check_kept(answer, name, content, lambda: from_bucket(url, name))


def from_bucket(url: str, name: str) -> bytes | None:
    """GET what a bucket keeps. One that may not be read does not say."""
    return _kept(_call_bucket("GET", conf.bucket(), url, name, {}, at=timezone.now()))


def _call_bucket(
    method: str,
    bucket: Bucket,
    url: str,
    name: str,
    headers: Mapping[str, str],
    content: bytes = b"",
    *,
    at: datetime,
) -> Answer:
    place, service = urlsplit(url), _service_of(bucket)
    path = f"{service.path.rstrip('/')}/{place.netloc}{place.path.rstrip('/')}/{name}"
    signed = sigv4.signed(
        {**headers, "host": service.origin.partition("//")[2]},
        method=method,
        path=path,
        query={},
        body=content,
        at=at,
        scope=Scope(region=bucket.region),
        credentials=bucket.credentials,
    )
    del signed["host"]  # Signed as the client will say it, which is its own to say.
    return _call(method, service.origin + quote(path, safe=_PATH), signed, content)


def _call(method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Answer:
    call = Call(
        method=method,
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


def _check_kept(
    answer: Answer, name: str, content: bytes, fetch: Callable[[], bytes | None]
) -> None:
    if answer.status in _THERE_IS_ONE:
        if fetch() != content:
            raise AnotherIsKept(name)
    elif not _is_fine(answer):
        raise _refusal(answer)


def _kept(answer: Answer) -> bytes | None:
    if answer.status in _NOTHING_THERE:
        return None
    if not _is_fine(answer):
        raise _refusal(answer)
    if answer.is_truncated:
        # The beginning of the same document is not another one.
        raise OSError("The witness broke off its answer, or sends more than a checkpoint.")
    return answer.body


def _is_fine(answer: Answer) -> bool:
    return 200 <= answer.status < 300  # noqa: PLR2004 (the class of success)


def _refusal(answer: Answer) -> OSError:
    # Its words are a stranger's; only the code of an error of S3 is repeated.
    code = _CODE_OF_S3.search(answer.body)
    why = f" ({code[1].decode()})" if code else ""
    return OSError(f"The witness answered {answer.status}{why}.")


def _within(url: str, name: str) -> str:
    return f"{url.rstrip('/')}/{name}"


def _authorized(url: str) -> dict[str, str]:
    token = conf.token_of(urlsplit(url).hostname or "")
    return {"authorization": f"Bearer {token}"} if token else {}


def _service_of(bucket: Bucket) -> Target:
    try:
        return urls.parse(bucket.endpoint)
    except EgressRefused as error:
        raise OSError(str(error)) from error


_SERVER: Final = Transport(send=to_server, fetch=from_server)
declare_scheme("https", _SERVER)
declare_scheme("http", _SERVER)
declare_scheme("s3", Transport(send=to_bucket, fetch=from_bucket))
