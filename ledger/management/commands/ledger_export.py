"""`manage.py ledger_export`: write sealed entries out, to be checked with ledger/verifier.py."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_date, parse_datetime

from events.domain.errors import DomainError
from ledger import conf
from ledger.models import Entry
from ledger.sealing import exporting
from ledger.services import seals


class Command(BaseCommand):
    help = "Write the ledger out as JSON lines that ledger/verifier.py checks offline."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", required=True, type=Path, help="the file to write")
        parser.add_argument(
            "--since",
            help="from the last checkpoint before this day (in UTC) or moment (with its offset)",
        )
        parser.add_argument(
            "--target", metavar="TYPE:ID", help="only entries about this, each with its proof"
        )
        parser.add_argument("--entry", type=UUID, help="only this entry, with its proof")

    def handle(
        self,
        *_args: Any,
        out: Path,
        since: str | None,
        target: str | None,
        entry: UUID | None,
        **_options: Any,
    ) -> None:
        try:
            if conf.signing_key():
                seals.seal_entries()
            lines = _lines(since, target, entry)
        except DomainError as refusal:
            raise CommandError(f"{refusal} {refusal.hint}") from refusal
        try:
            count = _write(out, lines)
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{count} entries in {out}")


def _write(out: Path, lines: Iterable[bytes]) -> int:
    """Write the file completely or not at all."""
    count = 0
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            for each in lines:
                count += each.startswith(b'{"position":')
                file.write(each)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return count


def _lines(since: str | None, target: str | None, entry: UUID | None) -> Any:
    if target is None and entry is None:
        return exporting.export_run(since=_moment(since) if since else None)
    if since is not None or (target is not None and entry is not None):
        raise CommandError("Say one of --since, --target and --entry.")
    if entry is not None:
        return exporting.export_selection(Entry.objects.filter(pk=entry))
    type_, colon, id_ = (target or "").partition(":")
    if not (type_ and colon and id_):
        raise CommandError("--target is TYPE:ID, such as booking:0190…")
    return exporting.export_selection(Entry.objects.filter(target_type=type_, target_id=id_))


def _moment(text: str) -> datetime:
    try:
        day = parse_date(text)
        moment = None if day else parse_datetime(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is no date or time.") from error
    if day is not None:
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    if moment is None:
        raise CommandError(f"{text!r} is no date or time.")
    if moment.tzinfo is None:
        raise CommandError(f"{text!r} has no offset: add +01:00 or such, or Z for UTC.")
    return moment
