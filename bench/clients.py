"""Clients that work at the same time."""

import threading
import time
from collections.abc import Callable

from django.db import connections

from bench.harness import Measured


def measured(run: Callable[[], object], clients: int, seconds: float) -> Measured:
    """Let each of `clients` threads do `run` over and over for `seconds`, after once each."""
    together = threading.Barrier(clients + 1, timeout=60)
    latencies: list[float] = []

    def work() -> None:
        run()
        together.wait()
        ends = time.perf_counter() + seconds
        while (before := time.perf_counter()) < ends:
            run()
            latencies.append(time.perf_counter() - before)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    together.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return Measured(value=len(latencies) / (time.perf_counter() - started), latencies_s=latencies)
