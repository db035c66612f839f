"""A pytest plugin: prepare the tests of a new checkout on two cores.

Where nobody has run them yet, pytest rewrites the assertions of each module when it collects it,
and keeps what comes of that: six seconds of a core, while nobody needs the other one. Here
another process begins with the last module, and the two meet somewhere in the middle.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from config.bootstrap import ROOT
from config.embedded import process

# Of fewer it is done before another process would have begun.
MODULES_MIN = 50
STOP_SECONDS_MAX = 10


class Ahead:
    """The plugin."""

    def __init__(self, tests: Path = ROOT / "tests") -> None:
        self._tests = tests
        self._helper: int | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Iterator[None]:
        """Have a helper, as long as tests are collected and if there is enough to do."""
        missing = [path for path in self._tests.rglob("test_*.py") if not _kept(path).exists()]
        if len(missing) >= MODULES_MIN:
            last_first = sorted(missing, reverse=True)
            self._helper = process.spawn(
                lambda: rewrite_all(last_first, session.config), log=Path(os.devnull)
            )
        try:
            return (yield)
        finally:
            if self._helper is not None:
                process.send(self._helper, signal.SIGKILL)  # Whatever it is at was done meanwhile.
                process.wait(self._helper, seconds=STOP_SECONDS_MAX)


def rewrite_all(paths: Iterable[Path], config: pytest.Config) -> None:
    """Do for each module what pytest would, unless it has done it by then.

    What cannot be rewritten is left to pytest, which says why.
    """
    state = config.stash[rewrite.assertstate_key]
    for path in paths:
        kept = _kept(path)
        if kept.exists() or not rewrite.try_makedirs(kept.parent):
            continue
        with suppress(Exception):
            source_hash, code = rewrite._rewrite_test(path, config)
            rewrite._write_pyc(state, code, source_hash, kept)


def _kept(path: Path) -> Path:
    # Pytest's name: it changes with the version of pytest, and with that of Python.
    return rewrite.get_cache_dir(path) / f"{path.stem}{rewrite.PYC_TAIL}"
