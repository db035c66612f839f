"""A server, a publisher and a crowd: one side of the fan-out row."""

import os
import resource
import socket
import subprocess
import sys
from functools import cached_property

from bench.fanout.crowd import Crowd, greeting
from bench.harness import Measured

# Per crowd: the burst that is timed, and the pace at which latency is taken.
BURST = {100: 150, 1_000: 25}
PACED = {100: (40, 0.1), 1_000: (6, 1.0)}


class Stage:
    """Started when it is first needed, and kept: starting is not what is measured."""

    def __init__(self, side: str, size: int, *, secret: str = "") -> None:
        self._side, self._size, self._secret = side, size, secret
        # The crowds of one side must not hear what is meant for the other.
        self._topic = f"bench{size}"
        self._children: list[subprocess.Popen[str]] = []

    def run(self) -> Measured:
        """Time a burst, then take the latency at a pace that leaves room."""
        crowd, burst = self._crowd, BURST[self._size]
        self._tell(burst, 0.0)
        heard = crowd.listen(burst, keeps_latencies=False)
        self._publisher.stdout.readline()  # type: ignore[union-attr]
        rate = heard.count / (heard.last_arrived - heard.first_published)
        count, gap_s = PACED[self._size]
        self._tell(count, gap_s)
        latencies = crowd.listen(count, keeps_latencies=True).latencies_s
        self._publisher.stdout.readline()  # type: ignore[union-attr]
        return Measured(value=rate, latencies_s=latencies)

    def stop(self) -> None:
        """End every process of this side."""
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.wait()

    @cached_property
    def _crowd(self) -> Crowd:
        resource.setrlimit(resource.RLIMIT_NOFILE, (8_192, 8_192))
        port = self._serve()
        if self._side != "daybook":
            return Crowd(port, f"/{self._side}", self._size)
        self._start("manage.py", "sequencer")
        headers = [f"Authorization: Bearer {self._secret}"]
        return Crowd(
            port, "/ws/events", self._size, headers=headers, greeting=greeting(self._topic)
        )

    @cached_property
    def _publisher(self) -> "subprocess.Popen[str]":
        return self._start("-m", "bench.fanout.publish", self._side)

    def _tell(self, count: int, gap_s: float) -> None:
        assert self._publisher.stdin is not None
        self._publisher.stdin.write(f"{count} {gap_s}\n")
        self._publisher.stdin.flush()

    def _serve(self) -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(self._size)
            port: int = listener.getsockname()[1]
            command = ["-m", "uvicorn", f"bench.fanout.{self._side}_asgi:application"]
            command += ["--fd", str(listener.fileno()), "--ws", "websockets-sansio"]
            command += ["--ws-ping-interval", "1000", "--log-level", "error"]
            command += ["--ws-per-message-deflate", "false"]
            if self._side != "daybook":
                command += ["--lifespan", "off"]
            self._start(*command, keep=listener.fileno())
        return port

    def _start(self, *arguments: str, keep: int | None = None) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, "LOG_LEVEL": "ERROR", "BENCH_TOPIC": self._topic},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=() if keep is None else (keep,),
        )
        self._children.append(child)
        return child
