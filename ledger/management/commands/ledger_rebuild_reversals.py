"""Rebuild the standings of reversals from the entries."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger.services import reversals


class Command(BaseCommand):
    help = "Say where the standings of reversals differ from the entries, and mend them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="only say it, with exit code 1 if any differ"
        )

    def handle(self, *_args: Any, dry_run: bool, **_options: Any) -> None:
        found = reversals.rebuild_reversals(dry_run=dry_run)
        for sentence in found:
            self.stdout.write(sentence)
        if dry_run and found:
            raise CommandError(f"{len(found)} standings differ from the entries.")
        self.stdout.write(f"{len(found)} standings were {'wrong' if dry_run else 'mended'}.")
