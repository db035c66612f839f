"""Prove that list rows and snapshots say what the log says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events.sourcing import executor, rebuilding


class Command(BaseCommand):
    help = "Compare list rows and snapshots with a replay of the log, byte for byte."

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = [aggregate.kind for aggregate in executor.registered()]
        parser.add_argument("kind", nargs="?", choices=kinds or None)

    def handle(self, *_args: Any, kind: str | None = None, **_options: Any) -> None:
        differences = 0
        for aggregate in executor.registered():
            if kind in {None, aggregate.kind}:
                found = list(rebuilding.verify(aggregate))
                for difference in found:
                    self.stdout.write(difference)
                self.stdout.write(f"{aggregate.kind}: {len(found)} differences")
                differences += len(found)
        if differences:
            raise CommandError("The log is the truth: run events_rebuild.")
