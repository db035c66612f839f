"""Copies checkpoints to witnesses: places that cannot be rewritten with access to this database.

A witness is a URL of `LEDGER_WITNESSES`. Each one follows the checkpoints in order, at its own
pace; a witness that is away is caught up with later. What a scheme means is said by
`declare_scheme`: `file` here, those of the network in `workflows.witnesses`. Its URL is shown
on pages and kept in a row, so one that could carry a secret is refused before that.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from ledger import conf
from ledger.models import Checkpoint, Witness
from ledger.sealing import seals
from ledger.verifier import canonical

logger = logging.getLogger(__name__)

BATCH_CHECKPOINTS: Final = 100
ERROR_CHARS_MAX: Final = 200
PASS_SECONDS_MAX: Final = 10.0
URL_CHARS_MAX: Final = 500

Send = Callable[[str, str, bytes], None]
"""Takes the witness's URL, the name of a checkpoint and its bytes. Raises OSError if it cannot be
sent, or if another one is kept under that name: a witness is never asked to forget."""
Fetch = Callable[[str, str], bytes | None]
"""Takes the witness's URL and a name; returns what it keeps under that, None if nothing. Raises
OSError if it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How to reach the witnesses of one scheme."""

    send: Send
    fetch: Fetch


class AnotherIsKept(OSError):
    """The witness has other bytes under the name: one of the two histories is not true."""

    def __init__(self, name: str) -> None:
        super().__init__(f"It keeps a different {name}.")


_SCHEMES: dict[str, Transport] = {}


def declare_scheme(scheme: str, way: Transport) -> None:
    """Register the transport to witnesses of a URL scheme."""
    _SCHEMES[scheme] = way


def fault_of(url: str) -> str:
    """Return why nothing is sent to the witness at this URL; empty if there is no reason."""
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
        "Its folder is on this machine: file:///path.": parts.scheme == "file"
        and parts.netloc not in {"", "localhost"},
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


def contradictions() -> list[str]:
    """Ask every witness that says something, and return where it disagrees with this database.

    A witness that knows a checkpoint which this database does not have has seen a history
    that was taken back, by whoever restored a copy of the database or wrote it anew.
    """
    return [each for url in conf.witnesses() if not fault_of(url) for each in _contradicted(url)]


def name_of(number: int) -> str:
    """Return under which name a witness keeps a checkpoint."""
    return f"checkpoint-{number:012}.json"


def document_of(checkpoint: Checkpoint) -> bytes:
    """Return what a witness keeps: the statement and its signature."""
    document = {"seal": seals.statement_of(checkpoint), "signature": checkpoint.signature}
    return canonical(document) + b"\n"


def _follow(url: str) -> int:
    witness, _ = Witness.objects.get_or_create(url=url)
    missing = Checkpoint.objects.filter(number__gt=witness.number).order_by("number")
    sent, end = 0, time.monotonic() + PASS_SECONDS_MAX
    # The network is asked outside of any transaction; sending one twice changes nothing.
    for checkpoint in missing[:BATCH_CHECKPOINTS]:
        name = name_of(checkpoint.number)
        try:
            _SCHEMES[urlsplit(url).scheme].send(url, name, document_of(checkpoint))
        except (OSError, KeyError) as error:
            _note_failure(url, error)
            break
        _note(url, number=checkpoint.number, succeeded_at=timezone.now(), error="")
        sent += 1
        if time.monotonic() > end:
            break  # A slow one continues at the next turn; others wait for theirs.
    return sent


def _note_failure(url: str, error: Exception) -> None:
    why = f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX]
    facts = {"witness": shown(url), "why": why}
    if isinstance(error, AnotherIsKept):
        logger.error("A witness keeps another history than this database.", extra=facts)
    else:
        logger.warning("A witness does not take a checkpoint.", extra=facts)
    _note(url, failed_at=timezone.now(), error=why)


def _contradicted(url: str) -> Iterator[str]:
    fetch = _SCHEMES[urlsplit(url).scheme].fetch
    copied = Witness.objects.filter(url=url).values_list("number", flat=True).first() or 0
    last = Checkpoint.objects.aggregate(last=Max("number"))["last"] or 0
    try:
        for number in sorted({copied, copied + 1, last + 1} - {0}):
            kept = fetch(url, name_of(number))
            # Only now: it may have been sealed while the witness was asked.
            ours = Checkpoint.objects.filter(number=number).first()
            if ours is None and kept is not None:
                yield f"{shown(url)} has checkpoint {number}, which is not in this database"
            elif ours is not None and kept is None and number <= copied:
                yield f"{shown(url)} does not have checkpoint {number} any more"
            elif ours is not None and kept is not None and kept != document_of(ours):
                yield f"{shown(url)} has another checkpoint {number} than this database"
    except OSError:
        # It does not say. That it is away stands in its row, where the page shows it.
        logger.info("A witness cannot be asked.", extra={"witness": shown(url)})


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
    kept = _from_folder(url, name)
    if kept is not None and kept != content:
        raise AnotherIsKept(name)
    folder = _folder_of(url)
    draft = folder / f".{name}.{os.getpid()}"
    draft.write_bytes(content)
    draft.replace(folder / name)


def _from_folder(url: str, name: str) -> bytes | None:
    folder = _folder_of(url)
    folder.stat()  # One that is not mounted is not an empty one.
    path = folder / name
    return path.read_bytes() if path.exists() else None


def _folder_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


declare_scheme("file", Transport(send=_to_folder, fetch=_from_folder))
