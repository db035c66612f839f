"""Hurt a running Daybook again and again, in an order that a seed decides."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from config.processes.control import ControlRefused
from config.processes.stack import Stack
from config.settings import env

LEASE_S, PATIENCE_S = 1.0, 0.5
SHORT_LEASES = {"WORK_LEASE_S": str(LEASE_S), "WORK_PATIENCE_S": str(PATIENCE_S)}
REPEATED_SHARE = 0.2


@dataclass(slots=True)
class Storm:
    """`workers` are the names of the worker parts. `struck` counts what was done to whom."""

    stack: Stack
    dice: random.Random
    workers: list[str]
    struck: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    def blows(self) -> list[Callable[[], None]]:
        """Return every way to hurt it, each as often as it is to come."""
        return [
            *[self.kill_a_worker] * 4,
            *[self.freeze_a_worker] * 2,
            *[self.kill_the_web] * 2,
            self.kill_the_sweeper,
            self.kill_the_sequencer,
            *[self.flush_valkey] * 2,
            *[self.stop_postgres] * 2,
        ]

    def blow(self, *, seconds_between: tuple[float, float]) -> None:
        """Hurt it until told to stop: every way once before any comes again."""
        while not self.stop.is_set():
            blows = self.blows()
            self.dice.shuffle(blows)
            for blow in blows:
                if self.stop.wait(self.dice.uniform(*seconds_between)):
                    return
                blow()
                self.struck[blow.__name__] += 1

    def kill_a_worker(self) -> None:
        self._signal(self.dice.choice(self.workers), signal.SIGKILL)

    def freeze_a_worker(self) -> None:
        """Stop a worker for longer than its lease; then it goes on as if nothing had been."""
        worker = self.dice.choice(self.workers)
        group = self._signal(worker, signal.SIGSTOP)
        time.sleep(LEASE_S + 1)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)

    def kill_the_web(self) -> None:
        self._signal("web", signal.SIGKILL)

    def kill_the_sweeper(self) -> None:
        self._signal("sweeper", signal.SIGKILL)

    def kill_the_sequencer(self) -> None:
        self._signal("sequencer", signal.SIGKILL)

    def flush_valkey(self) -> None:
        with redis.Redis.from_url(self.stack.environment["REDIS_URL"]) as valkey:
            valkey.flushall()

    def stop_postgres(self) -> None:
        self.stack.hold("postgres", by="SIGQUIT")
        self.stack.resume("postgres")

    def repeat_messages(self) -> None:
        """Ring a second time for every fifth row of work, whatever has become of it."""
        url = self.stack.instance.environment["DATABASE_OWNER_URL"]
        broker = env.as_broker(self.stack.environment["REDIS_URL"])
        latest = "00000000-0000-0000-0000-000000000000"
        with Celery(broker=broker, set_as_current=False) as app:
            while not self.stop.wait(0.2):
                with suppress(psycopg.Error, OperationalError, redis.RedisError):
                    with psycopg.connect(url, autocommit=True) as connection:
                        rows = connection.execute(
                            "SELECT id::text FROM work WHERE id > %s AND kind LIKE 'flow.%%'"
                            " ORDER BY id LIMIT 500",
                            (latest,),
                        ).fetchall()
                    for (id_,) in rows:
                        latest = id_
                        if self.dice.random() < REPEATED_SHARE:
                            app.send_task("work.run", kwargs={"ids": [id_]}, queue="daybook")
                            self.struck["repeat_a_message"] += 1

    def _signal(self, part: str, what: signal.Signals) -> int:
        group = 0
        with suppress(ProcessLookupError, ControlRefused, TypeError):
            group = self.stack.pid(part)
            os.killpg(group, what)
        return group


@contextmanager
def storm(
    stack: Stack, *, seed: int, workers: list[str], seconds_between: tuple[float, float]
) -> Iterator[Storm]:
    """Rage within the block. Everything is running again when it ends."""
    raging = Storm(stack, random.Random(seed), workers)  # noqa: S311 (dice of a test)
    threads = [
        threading.Thread(target=raging.blow, kwargs={"seconds_between": seconds_between}),
        threading.Thread(target=raging.repeat_messages),
    ]
    for thread in threads:
        thread.start()
    try:
        yield raging
    finally:
        raging.stop.set()
        for thread in threads:
            thread.join()
