"""Give committed events their positions, until SIGTERM or SIGINT."""

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from events import sequencer


class Command(BaseCommand):
    help = "Give committed events their positions, until SIGTERM or SIGINT."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        sequencer.run_forever(stop)
