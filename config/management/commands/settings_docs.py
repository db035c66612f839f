"""Write docs/settings.md from the source."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import environment


class Command(BaseCommand):
    help = "Write docs/settings.md from the source; with --check only say whether it is stale."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        path = environment.ROOT / "docs" / "settings.md"
        text = environment.markdown()
        if not options["check"]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            raise CommandError("docs/settings.md is stale: run manage.py settings_docs.")
