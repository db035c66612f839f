"""Write docs/errors.md and docs/openapi.yaml from the code."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import api_documents


class Command(BaseCommand):
    help = "Write docs/errors.md and docs/openapi.yaml; with --check only say which is stale."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        docs = Path(settings.ROOT) / "docs"
        texts = {
            docs / "errors.md": api_documents.errors_markdown(),
            docs / "openapi.yaml": api_documents.openapi_yaml(),
        }
        if not options["check"]:
            docs.mkdir(exist_ok=True)
            for path, text in texts.items():
                path.write_text(text)
            return
        stale = [path.name for path, text in texts.items() if _read(path) != text]
        if stale:
            raise CommandError(f"{' and '.join(stale)}: stale. Run manage.py api_docs.")


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
