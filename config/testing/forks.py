"""A pytest plugin: collect once, then fork the workers that run what was collected.

To import the product and collect five thousand tests takes a process ten seconds of a core.
Here one process pays for that. Its workers take whole files, one after the other, from a pipe
that they share, so none of them is idle while there is a file left.
"""

import logging
import os
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NoReturn

import pytest

from config.embedded import process

STOP_SECONDS_MAX = 60
HEARD_WITHIN_SECONDS = 2.0
_NUMBER = struct.Struct("=H")

Files = list[list[pytest.Item]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a worker takes: the files of these heaps, one heap after the other.

    `niceness` is what it adds to its own when it begins with a heap.
    """

    heaps: Sequence[str]
    niceness: Sequence[int]


@dataclass(slots=True)
class Heap:
    """Files of tests that several processes take from; each is taken once."""

    files: Files
    _taken: int = field(init=False)

    def __post_init__(self) -> None:
        # A read of so little is one step for the kernel: no two readers get the same number.
        self._taken, given = os.pipe()
        for number in range(len(self.files)):
            os.write(given, _NUMBER.pack(number))
        os.close(given)

    def take(self) -> Iterator[list[pytest.Item]]:
        """Yield one file after the other, as long as there are any left for anybody."""
        while number := os.read(self._taken, _NUMBER.size):
            yield self.files[_NUMBER.unpack(number)[0]]

    def drop(self) -> None:
        """Leave nothing for anybody."""
        for _ in self.take():
            pass


@dataclass(slots=True, eq=False)
class Worker:
    """A forked process, as its parent knows it."""

    id: str
    share: Share
    pid: int = 0
    hears: Connection | None = None
    busy_with: str = ""
    last_words: str = ""

    @property
    def gateway(self) -> "Worker":
        """What the terminal asks for the `id` when it shows who ran a test."""
        return self


class Forks:
    """The plugin. `heap_of` tells the heap of a file, by its path from the root of the source."""

    def __init__(
        self, shares: Sequence[Share], heap_of: Callable[[str], str], first: Sequence[str] = ()
    ) -> None:
        self._workers = [Worker(f"gw{number}", share) for number, share in enumerate(shares)]
        self._heap_of = heap_of
        self._first = {path: rank for rank, path in enumerate(first)}
        self._is_incomplete = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run everything that was collected."""
        if session.testsfailed or session.config.option.collectonly:
            return None  # pytest says what there is to say.
        heaps = self._heaps(session.items)
        # Made by the parent, which removes it: each worker has a folder in it.
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        for worker in self._workers:
            self._fork(session, worker, heaps)
        try:
            self._hear(session)
        finally:
            for heap in heaps.values():
                heap.drop()
            self._end()
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Have an exit code of its own for a run in which not only tests have failed."""
        if self._is_incomplete:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def _heaps(self, items: Iterable[pytest.Item]) -> dict[str, Heap]:
        files: dict[str, list[pytest.Item]] = {}
        for item in items:
            files.setdefault(item.nodeid.partition("::")[0], []).append(item)
        ordered = sorted(files, key=lambda path: self._first.get(path, len(self._first)))
        names = {name for worker in self._workers for name in worker.share.heaps}
        return {
            name: Heap([files[path] for path in ordered if self._heap_of(path) == name])
            for name in names
        }

    def _fork(self, session: pytest.Session, worker: Worker, heaps: dict[str, Heap]) -> None:
        worker.hears, tells = Pipe(duplex=False)
        parent = os.getpid()
        worker.pid = os.fork()
        if worker.pid == 0:
            # Fixtures are taken down, and with them whatever they have started.
            process.die_with_parent(signal.SIGINT, parent=parent)
            _live(session, worker, heaps, tells)
        tells.close()

    def _hear(self, session: pytest.Session) -> None:
        """Pass on what the workers tell, until all have told everything.

        :raises pytest.Session.Failed: after as many failures as were asked for.
        """
        config = session.config
        if terminal := config.pluginmanager.getplugin("terminalreporter"):
            terminal.showfspath = False  # The tests of several files come mixed.
        while hearing := [each.hears for each in self._workers if each.hears is not None]:
            for ready in wait(hearing):
                worker = next(each for each in self._workers if each.hears is ready)
                self._pass_on(session, worker)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)

    def _pass_on(self, session: pytest.Session, worker: Worker) -> None:
        assert worker.hears is not None
        hook = session.config.hook
        try:
            what, payload = worker.hears.recv()
        except EOFError:
            self._report_end_of(session, worker)
            return
        if what == "begins":
            worker.busy_with = payload
        elif what == "breaks":
            worker.last_words = payload
        elif what == "ends":
            worker.hears.close()
            worker.hears = None
        else:
            report = hook.pytest_report_from_serializable(config=session.config, data=payload)
            # So the terminal shows a letter, and not the file again and again.
            report.node = worker
            hook.pytest_runtest_logreport(report=report)
            del report.node

    def _report_end_of(self, session: pytest.Session, worker: Worker) -> None:
        """Let it count as a failure that a worker has died."""
        assert worker.hears is not None
        worker.hears.close()
        worker.hears = None
        how = process.wait(worker.pid, seconds=STOP_SECONDS_MAX)
        worker.pid = 0
        self._is_incomplete = True
        where = worker.busy_with or "before its first test"
        report = pytest.TestReport(
            nodeid=worker.busy_with or worker.id,
            location=(where, None, where),
            keywords={},
            outcome="failed",
            longrepr=f"{worker.id} ended with {how}: what else it had taken was not run."
            f"\n{worker.last_words}",
            when="call",
        )
        session.config.hook.pytest_runtest_logreport(report=report)

    def _end(self) -> None:
        """See that no worker is left, whatever has become of the tests."""
        for worker in self._workers:
            if worker.pid and worker.hears is not None:
                process.send(worker.pid, signal.SIGINT)
        for worker in self._workers:
            if worker.pid and process.wait(worker.pid, seconds=STOP_SECONDS_MAX) is None:
                process.send(worker.pid, signal.SIGKILL)
                process.wait(worker.pid, seconds=STOP_SECONDS_MAX)


# -- the other process ----------------------------------------------------------------


class _Reporter:
    """Tells the parent what becomes of each test."""

    def __init__(self, config: pytest.Config, tells: Connection) -> None:
        self._config = config
        self._tells = tells

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tells.send(("begins", nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._tells.send(("report", data))


def _live(
    session: pytest.Session, worker: Worker, heaps: dict[str, Heap], tells: Connection
) -> NoReturn:
    code = 1
    try:
        # Whoever was started in the background was told to ignore it.
        signal.signal(signal.SIGINT, _interrupt_until_heard)
        _set_up(session.config, worker, tells)
        _run(_steps(worker.share, heaps))
        tells.send(("ends", None))
        code = 0
    except BaseException:  # noqa: BLE001 - the edge of a process: whatever it is, say it and go.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with suppress(BaseException):
            tells.send(("breaks", traceback.format_exc()))
        with suppress(BaseException):
            session._setupstate.teardown_exact(None)
    finally:
        # Nothing that the parent will do at its end is done here too.
        os._exit(code)


def _interrupt_until_heard(_number: int, _frame: object) -> NoReturn:
    """Raise KeyboardInterrupt, now and again until `_live` ignores the signal.

    Python swallows what is raised in a destructor or a callback of the garbage collector, and the
    death of a parent is told once.
    """
    again = threading.Timer(HEARD_WITHIN_SECONDS, os.kill, [os.getpid(), signal.SIGINT])
    again.daemon = True
    again.start()
    raise KeyboardInterrupt


def _set_up(config: pytest.Config, worker: Worker, tells: Connection) -> None:
    from config.testing import servers  # noqa: PLC0415 - pytest wants to be the first to import it.

    number = int(worker.id.removeprefix("gw"))
    # As xdist has it: whoever needs something of a worker's own asks for this.
    config.workerinput = {"workerid": worker.id}  # type: ignore[attr-defined]
    os.environ["PYTEST_XDIST_WORKER"] = worker.id
    servers.move_to_valkey_database(number + 1)
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(_Reporter(config, tells))
    factory: Any = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / f"popen-{worker.id}"
    factory._basetemp.mkdir(mode=0o700)
    capture = plugins.getplugin("capturemanager")
    # Into files of its own.
    capture.stop_global_capturing()
    capture.start_global_capturing()
    _log_where_it_is_heard()


def _log_where_it_is_heard() -> None:
    """Have what went to the files of before, which are closed, in those of now."""
    for known in list(logging._handlerList):  # type: ignore[attr-defined]
        handler = known()
        if isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", False):
            handler.stream = sys.stderr  # `setStream` would write to the old one first.


def _steps(share: Share, heaps: dict[str, Heap]) -> Iterator[tuple[pytest.Item, int]]:
    """Yield one test after the other, and how much nicer to be from it on."""
    for name, more in zip(share.heaps, share.niceness, strict=True):
        for file in heaps[name].take():
            for item in file:
                yield item, more
                more = 0  # noqa: PLW2901 (once)


def _run(steps: Iterator[tuple[pytest.Item, int]]) -> None:
    step = next(steps, None)
    while step is not None:
        # The next file is taken just before the last test of this one, which has to know what
        # of what is set up somebody needs after it.
        following = next(steps, None)
        item, more = step
        os.nice(more)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following and following[0])
        if item.session.shouldfail:
            return  # After as many failures as were asked for: the parent stops the others.
        step = following
