"""One line per record: when, how bad, where, what, and the facts that came with it."""

import logging
import time

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """`2026-05-04T12:00:00.123Z WARNING events.bus A handler is slow. event_id=… ms=230`."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Add what the caller gave as `extra`."""
        facts = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        # A line break or an escape code in a value must not look like a line of its own.
        written = "".join(f" {name}={value!r}" for name, value in sorted(facts.items()))
        return super().formatMessage(record) + written
