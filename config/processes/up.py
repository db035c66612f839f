"""`manage.py up`: a whole Daybook on this machine, for as long as the command runs."""

import argparse
import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from config.embedded.binaries import ServersUnavailable
from config.embedded.state import State, StateBusy
from config.processes.launch import HOST, CannotStart, Launch, Options
from config.processes.supervisor import PartsNotReady

PORT_DEFAULT = 8000
PORT_MAX = 65_535
WORKERS_MAX = 64


def main(arguments: Sequence[str]) -> int:
    """Run `up` and return its exit code."""
    started_at = time.monotonic()
    options = parse(arguments)
    state = State.chosen(options.state)
    try:
        listener = listen(options.port)
        with listener, _owned(state) as lock:
            launch = Launch(options=options, state=state, listener=listener, lock=lock)
            return launch.run(started_at)
    except (CannotStart, StateBusy, ServersUnavailable, PartsNotReady) as error:
        print(error, file=sys.stderr)
        return 1


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="manage.py up", description=__doc__)
    parser.add_argument(
        "--port", type=_between(0, PORT_MAX), default=PORT_DEFAULT, help="0 picks a free one"
    )
    parser.add_argument("--state", metavar="DIR", help="default: DAYBOOK_STATE, then .daybook")
    parser.add_argument("--check", action="store_true", help="one round trip, figures, and stop")
    parser.add_argument("--no-demo-data", dest="demo_data", action="store_false")
    parser.add_argument("--open-engine", action="store_true", help="/engine without a key")
    parser.add_argument(
        "--workers", type=_between(1, WORKERS_MAX), default=1, metavar="N", help="Celery workers"
    )
    return Options(**vars(parser.parse_args(arguments)))


def _between(least: int, most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return whole


def listen(port: int) -> socket.socket:
    """Take the port before anything else is started.

    :raises CannotStart: if somebody has it.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise CannotStart(
            f"Port {port} of {HOST} cannot be had: {error}. Say --port 0 for any free one."
        ) from error
    listener.listen(1024)
    return listener


@contextlib.contextmanager
def _owned(state: State) -> Iterator[IO[str]]:
    state.prepare()
    lock = state.own()
    if lock is None:
        raise StateBusy(state, state.announced())
    with lock:
        yield lock
