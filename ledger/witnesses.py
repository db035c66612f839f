"""Copy checkpoints to places that this database cannot reach back into.

A witness is a URL of `LEDGER_WITNESSES`. Each one follows the checkpoints in order, at its own
pace; a witness that is away is caught up with later. What a scheme means is said by
`declare_scheme`: `file` here, those of the network in `workflows.witnesses`. Its URL is shown
on pages and kept in a row, so one that could carry a secret is refused before that.
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from django.db import transaction
from django.utils import timezone

from ledger import conf, seals
from ledger.models import Checkpoint, Witness
from ledger.verifier import canonical

logger = logging.getLogger(__name__)

BATCH_CHECKPOINTS: Final = 100
ERROR_CHARS_MAX: Final = 200
PASS_SECONDS_MAX: Final = 10.0
URL_CHARS_MAX: Final = 500

Send = Callable[[str, str, bytes], None]
"""Takes the witness's URL, the name of a checkpoint and its bytes; raises OSError."""

_SCHEMES: dict[str, Send] = {}


def declare_scheme(scheme: str, send: Send) -> None:
    """Say how a checkpoint gets to witnesses of a scheme."""
    _SCHEMES[scheme] = send


def fault_of(url: str) -> str:
    """Say why nothing is sent to a witness; empty if it is as it should be."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname)
    except ValueError:
        return "Its URL cannot be read."
    faults = {
        "There is no way to it.": parts.scheme not in _SCHEMES,
        "Its URL carries a user name or password.": "@" in parts.netloc,
        "Its URL carries a query or a fragment, where tokens are.": "?" in url or "#" in url,
        f"Its URL is longer than {URL_CHARS_MAX} characters.": len(url) > URL_CHARS_MAX,
        "Its URL names no host.": not has_host and parts.scheme != "file",
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")


def copy_checkpoints() -> int:
    """Send every witness what it has not got yet, and return how many copies were made."""
    sent = 0
    for url in conf.witnesses():
        if fault := fault_of(url):
            logger.error("A witness is refused.", extra={"witness": shown(url), "why": fault})
        else:
            sent += _follow(url)
    return sent


def document_of(checkpoint: Checkpoint) -> bytes:
    """Return what a witness keeps: the statement and its signature."""
    said = {"seal": seals.statement_of(checkpoint), "signature": checkpoint.signature}
    return canonical(said) + b"\n"


def _follow(url: str) -> int:
    witness, _ = Witness.objects.get_or_create(url=url)
    missing = Checkpoint.objects.filter(number__gt=witness.number).order_by("number")
    sent, end = 0, time.monotonic() + PASS_SECONDS_MAX
    # The network is asked outside of any transaction; sending one twice changes nothing.
    for checkpoint in missing[:BATCH_CHECKPOINTS]:
        name = f"checkpoint-{checkpoint.number:012}.json"
        try:
            _SCHEMES[urlsplit(url).scheme](url, name, document_of(checkpoint))
        except (OSError, KeyError) as error:
            logger.warning("A witness cannot be reached.", extra={"witness": shown(url)})
            why = f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX]
            _note(url, failed_at=timezone.now(), error=why)
            break
        _note(url, number=checkpoint.number, succeeded_at=timezone.now(), error="")
        sent += 1
        if time.monotonic() > end:
            break  # A slow one goes on at the next turn; others wait for theirs.
    return sent


def _note(url: str, **changes: object) -> None:
    with transaction.atomic():
        Witness.objects.filter(url=url).update(**changes)


def shown(url: str) -> str:
    """Return a URL without what may be a secret in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "a URL that cannot be read"
    return f"{parts.scheme}://{host}{parts.path}"


def _to_folder(url: str, name: str, content: bytes) -> None:
    folder = Path(unquote(urlsplit(url).path))
    draft = folder / f".{name}.{os.getpid()}"
    draft.write_bytes(content)
    draft.replace(folder / name)


declare_scheme("file", _to_folder)
