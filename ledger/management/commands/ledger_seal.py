"""`manage.py ledger_seal`: seal what waits; with --status, only say how far sealing has come."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from events.domain.errors import DomainError
from ledger.sealing import sealer, seals, witnesses
from ledger.services import seals as services


class Command(BaseCommand):
    help = "Seal the entries of the ledger that wait, and copy checkpoints to the witnesses."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--status", action="store_true", help="seal nothing, show the standing")
        parser.add_argument(
            "--follow", action="store_true", help="continue until SIGTERM or SIGINT"
        )
        parser.add_argument(
            "--accept-key",
            action="store_true",
            help="sign with a key that the former key does not endorse",
        )

    def handle(
        self, *_args: Any, status: bool, follow: bool, accept_key: bool, **_options: Any
    ) -> None:
        if follow:
            self._follow()
        elif not status:
            try:
                sealed = services.seal_entries(accept_key=accept_key)
            except DomainError as refusal:
                raise CommandError(f"{refusal} {refusal.hint}") from refusal
            self.stdout.write(f"sealed {sealed} entries")
            witnesses.copy_checkpoints()
        self._show()

    def _follow(self) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        sealer.run_forever(stop)

    def _show(self) -> None:
        progress = seals.progress(at=timezone.now())
        self.stdout.write(f"waiting {progress.waiting}, lag {progress.lag_seconds:.1f} s")
        if (last := progress.checkpoint) is None:
            self.stdout.write("no checkpoint yet")
            return
        self.stdout.write(f"checkpoint {last.number} of {last.sealed_at.isoformat()}")
        self.stdout.write(f"root {last.size}:{last.root}")
        self.stdout.write(f"key {last.key_id}")
