"""Copy checkpoints to places that this database cannot reach back into.

A witness is a URL of `LEDGER_WITNESSES`. Each one follows the checkpoints in order, at its own
pace; a witness that is away is caught up with later. What a scheme means is said by
`declare_scheme`; only `file` has been declared so far.
"""

import logging
import os
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

Send = Callable[[str, str, bytes], None]
"""Takes the witness's URL, the name of a checkpoint and its bytes; raises OSError."""

_SCHEMES: dict[str, Send] = {}


def declare_scheme(scheme: str, send: Send) -> None:
    """Say how a checkpoint gets to witnesses of a scheme."""
    _SCHEMES[scheme] = send


def is_known(url: str) -> bool:
    """Say whether there is a way to a witness."""
    return urlsplit(url).scheme in _SCHEMES


def copy_checkpoints() -> int:
    """Send every witness what it has not got yet, and return how many copies were made."""
    return sum(_follow(url) for url in conf.witnesses())


def document_of(checkpoint: Checkpoint) -> bytes:
    """Return what a witness keeps: the statement and its signature."""
    said = {"seal": seals.statement_of(checkpoint), "signature": checkpoint.signature}
    return canonical(said) + b"\n"


def _follow(url: str) -> int:
    witness, _ = Witness.objects.get_or_create(url=url)
    missing = Checkpoint.objects.filter(number__gt=witness.number).order_by("number")
    sent = 0
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
    return sent


def _note(url: str, **changes: object) -> None:
    with transaction.atomic():
        Witness.objects.filter(url=url).update(**changes)


def shown(url: str) -> str:
    """Return a URL without what may be a secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _to_folder(url: str, name: str, content: bytes) -> None:
    folder = Path(unquote(urlsplit(url).path))
    draft = folder / f".{name}.{os.getpid()}"
    draft.write_bytes(content)
    draft.replace(folder / name)


declare_scheme("file", _to_folder)
