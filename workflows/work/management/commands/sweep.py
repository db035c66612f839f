"""`manage.py sweep`: recover work whose wake-up or worker was lost; with --execute, do it."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ledger.sealing import sealer
from workflows.work import followers, liveness, stopping, sweeper


class Command(BaseCommand):
    help = (
        "Ring for due work whose bell was lost, take work away from dead workers, fire schedules;"
        " with LEDGER_SIGNING_KEY, seal the ledger too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="make one pass and stop")
        parser.add_argument(
            "--execute", action="store_true", help="do the due work here, without any broker"
        )

    def handle(self, *_args: Any, once: bool, execute: bool, **_options: Any) -> None:
        if once:
            self._sweep_once(execute=execute)
        else:
            _sweep_until_stopped(execute=execute)

    def _sweep_once(self, *, execute: bool) -> None:
        worker = liveness.name("sweeper")
        followers.follow_once()
        swept = sweeper.sweep(worker=worker, execute=execute)
        liveness.stopped(worker)
        self.stdout.write(
            f"fired {swept.fired}, expired {swept.expired}, rung {swept.rung}, done {swept.done}"
        )


def _sweep_until_stopped(*, execute: bool) -> None:
    stop = threading.Event()

    def on_signal(*_: object) -> None:
        stopping.ask()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    following, sealing = followers.started(stop), sealer.started(stop)
    sweeper.run_forever(stop, execute=execute)
    following.join(followers.POLL_SECONDS * 4)
    if sealing is not None:
        sealing.join(sealer.PAUSE_SECONDS)
