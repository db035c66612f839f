"""Runs the demo peers of commerce as a part of `up`, unless the environment names real ones."""

import os
import socket
from dataclasses import dataclass
from typing import Self

from config.processes.supervisor import Part
from examples.demo_peers import server


@dataclass(frozen=True, slots=True)
class Peers:
    """They answer at a port of their own, which is taken before anything needs to know it."""

    listener: socket.socket
    environment: dict[str, str]

    @classmethod
    def wanted(cls, host: str) -> Self | None:
        """Take a port for the demo peers; None if the environment names all of them."""
        listener = socket.create_server((host, 0), backlog=128)
        addresses = server.environment(f"http://{host}:{listener.getsockname()[1]}")
        missing = {name: url for name, url in addresses.items() if name not in os.environ}
        if missing:
            return cls(listener, missing)
        listener.close()
        return None

    @property
    def part(self) -> Part:
        """The process that serves them; a server, because the product's parts use it."""
        return Part(name="peers", run=lambda _ready: self.serve(), is_server=True)

    def serve(self) -> None:
        """Serve them until the process ends."""
        mailbox = server.mailbox_of(os.environ)
        server.serve(self.listener, server.all_peers(mailbox=mailbox))
