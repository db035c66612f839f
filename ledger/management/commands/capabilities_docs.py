"""Write docs/capabilities.md from the registry."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger import documentation


class Command(BaseCommand):
    help = "Write docs/capabilities.md from the registry; with --check only say if it is stale."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        path = Path(settings.ROOT) / "docs" / "capabilities.md"
        text = documentation.markdown()
        if not options["check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            raise CommandError("docs/capabilities.md is stale: run manage.py capabilities_docs.")
