"""`manage.py ledger_health`: what was changed and is not in the ledger."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events import context
from events.domain.principal import SYSTEM
from events.ids import new_id
from ledger import drift


class Command(BaseCommand):
    help = "Look for changes that are not in the ledger; with --canary, write and read an entry."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--canary", action="store_true", help="write an entry that says nothing"
        )
        parser.add_argument("--plan", action="store_true", help="say what would have to be done")

    def handle(self, *_args: Any, canary: bool, plan: bool, **_options: Any) -> None:
        if canary:
            with context.acting(SYSTEM):
                self.stdout.write(f"canary {drift.write_canary(key=str(new_id()))}")
        found = drift.find_drift()
        for each in found:
            self.stdout.write(
                f"{each.check.name}: {each.missing_count} missing, {each.unseen_count} unseen"
            )
        if plan:
            self.stdout.write(json.dumps(drift.plan(found), indent=1))
        if not all(each.is_none for each in found):
            raise CommandError("What was done and what is in the ledger are not the same.")
