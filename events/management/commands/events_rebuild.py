"""Write list rows anew from the log."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from events.sourcing import executor, rebuilding


class Command(BaseCommand):
    help = "Write the list rows of every aggregate, or of one kind, anew from the log."

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = [aggregate.kind for aggregate in executor.registered()]
        parser.add_argument("kind", nargs="?", choices=kinds or None)

    def handle(self, *_args: Any, kind: str | None = None, **_options: Any) -> None:
        for aggregate in executor.registered():
            if kind in {None, aggregate.kind}:
                count = rebuilding.rebuild(aggregate)
                self.stdout.write(f"{aggregate.kind}: {count} streams rebuilt")
