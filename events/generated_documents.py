"""Base of the commands that generate documents in docs/ from the code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class DocumentsCommand(BaseCommand):
    """Writes `documents`, by the names of their files; with --check only says which is stale."""

    documents: ClassVar[Mapping[str, Callable[[], str]]]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *_args: Any, check: bool, **_options: Any) -> None:
        docs = Path(settings.FILES) / "docs"
        texts = {docs / name: text() for name, text in self.documents.items()}
        if not check:
            docs.mkdir(exist_ok=True)
            for path, text in texts.items():
                path.write_text(text)
            return
        stale = [path.name for path, text in texts.items() if _read(path) != text]
        if stale:
            command = type(self).__module__.rpartition(".")[2]
            raise CommandError(f"{' and '.join(stale)}: stale. Run manage.py {command}.")


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
