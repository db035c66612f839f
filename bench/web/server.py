"""A web server in a process of its own, started when it is first asked for its port."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

_ENVIRONMENT = {
    "HTTPS": "false",
    "LOG_LEVEL": "ERROR",
    "API_REQUESTS_PER_MINUTE_API_KEY": "100000000",
}


class Server:
    """`command` is what Python runs, `{fd}` in it being the socket to listen on."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, path: str = "/livez"
    ) -> None:
        self._command, self._environment, self._path = command, environment, path
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def port(self) -> int:
        """Return where it listens, once it answers."""
        if self._process is None:
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen(64)
                self._port = listener.getsockname()[1]
                number = listener.fileno()
                self._process = subprocess.Popen(
                    [sys.executable, *(one.format(fd=number) for one in self._command)],
                    env={**os.environ, **_ENVIRONMENT, **self._environment},
                    pass_fds=[number],
                )
            self._wait()
        return self._port

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _wait(self) -> None:
        # The kernel takes connections for a server that still starts.
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", self._path)
        connection.getresponse().read()
        connection.close()
