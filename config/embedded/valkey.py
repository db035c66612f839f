"""The embedded Valkey. It only carries wake-ups, so nothing is kept on disk."""

import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from config.embedded import binaries, process
from config.embedded.binaries import ServersUnavailable

START_SECONDS_MAX = 60


@dataclass(slots=True, kw_only=True)
class Valkey:
    """The server of one state folder."""

    sockets: Path
    log: Path
    pid: int | None = None

    @property
    def socket(self) -> Path:
        return self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self) -> int:
        """Start the server and return its pid; use `wait_until_ready` next."""
        self.pid = process.spawn(self.execute, log=self.log, death_signal=signal.SIGTERM)
        return self.pid

    def execute(self) -> NoReturn:
        """Become the server.

        :raises ServersUnavailable: if there is no such program.
        """
        self.socket.unlink(missing_ok=True)
        command: list[object] = [binaries.valkey(), "--port", "0", "--unixsocket", self.socket]
        command += ["--unixsocketperm", "700", "--save", "", "--appendonly", "no"]
        process.execute([*command, "--dir", self.sockets])

    def wait_until_ready(self) -> None:
        """Return when the server answers.

        :raises ServersUnavailable: if it does not come up.
        """
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.answers():
                return
            if self.pid is not None and process.has_ended(self.pid):
                self.pid = None
                break
            time.sleep(0.01)
        raise ServersUnavailable(f"Valkey does not start. {process.last_words(self.log)}")

    def stop(self, *, seconds: float = 3) -> None:
        """Stop it."""
        if self.pid is None:
            return
        process.send(self.pid, signal.SIGTERM)
        if process.wait(self.pid, seconds=seconds) is None:
            process.send(self.pid, signal.SIGKILL)
            process.wait(self.pid, seconds=1)
        self.pid = None

    def answers(self) -> bool:
        """Return whether it answers."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
            except OSError:
                return False
