"""Write docs/events.md from the catalogue."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from events import documentation


class Command(BaseCommand):
    help = "Write docs/events.md from the catalogue; with --check only say whether it is stale."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        path = Path(settings.ROOT) / "docs" / "events.md"
        text = documentation.markdown()
        if not options["check"]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            raise CommandError("docs/events.md is stale: run manage.py events_docs.")
