"""Lua, in a child process with limits.

One child per process, started when first needed and killed when a script takes too long;
the next script gets a new one.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from events.domain.errors import Unavailable
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages.allowance import TookTooLong

SECONDS_MAX = 1.0
PATIENCE_S = 20.0
"""The child measures a script by the processor. Whoever waits longer for it is on a machine that
has none to give, which is no fault of the script."""
LAST_WORDS_S = 0.05
ANSWER_BYTES_MAX = 2 << 20
SOURCE_CHARS_MAX = 64 << 10

_NOTHING = b'{"mode":"check","source":"","parameters":[],"seconds":0}\n'
_CHILD = Path(__file__).with_name("lua_child.py")


def check(source: str, parameters: Sequence[str]) -> None:
    """Compile and forget.

    :raises ScriptBroken: if it does not compile.
    """
    _check(source, tuple(parameters))


def spent() -> float:
    """Return how many seconds of the processor the scripts of this thread have taken so far."""
    return _spending.seconds


class LuaStarved(Unavailable):
    """The machine had too little CPU time for a script, so its result is unknown."""

    code = "lua_starved"
    hint = "Try again later."


def evaluate(source: str, arguments: Mapping[str, Any], *, seconds: float = SECONDS_MAX) -> Any:
    """Return the first value that the chunk returns, as JSON.

    :raises TookTooLong: if it takes more of the processor than it may.
    :raises ScriptFailed: if it fails or takes too much.
    :raises LuaStarved: if the machine is too busy.
    """
    return _asked("value", source, arguments, seconds)


def holds(source: str, arguments: Mapping[str, Any], *, seconds: float = SECONDS_MAX) -> bool:
    """Return whether the first value returned is true: all but nil and false are.

    :raises TookTooLong, ScriptFailed, LuaStarved: as `evaluate` does.
    """
    return bool(_asked("holds", source, arguments, seconds))


@lru_cache(maxsize=4096)
def _check(source: str, parameters: tuple[str, ...]) -> None:
    if len(source) > SOURCE_CHARS_MAX:
        raise ScriptBroken(f"script too long: more than {SOURCE_CHARS_MAX} characters")
    try:
        answer = _answer("check", source, list(parameters), {})
    except ScriptFailed as error:
        # It died of it: of text that is none, or in want of time or memory.
        raise ScriptBroken("the script cannot be compiled") from error
    if answer:
        raise ScriptBroken(answer.get("broken") or answer["failed"])


def _asked(mode: str, source: str, arguments: Mapping[str, Any], seconds: float) -> Any:
    answer = _answer(mode, source, sorted(arguments), arguments, seconds)
    # Broken is what compiled with other names than it is given.
    failed = answer.get("failed") or answer.get("broken")
    if failed is not None:
        raise ScriptFailed(f"lua execution error\n{failed}")
    return answer.get("value")


def _answer(
    mode: str,
    source: str,
    parameters: Sequence[str],
    arguments: Mapping[str, Any],
    seconds: float = SECONDS_MAX,
) -> dict[str, Any]:
    request = {
        "mode": mode,
        "source": source,
        "parameters": parameters,
        "arguments": dict(arguments),
        "seconds": seconds,
    }
    try:
        line = json.dumps(request).encode() + b"\n"
    except RecursionError as error:
        raise ScriptFailed("lua execution error\nnested too deep") from error
    return _child.ask(line, seconds=seconds)


class _Spending(threading.local):
    seconds = 0.0


_spending = _Spending()


class _Child:
    """The one child of this process; asked by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, line: bytes, *, seconds: float) -> dict[str, Any]:
        with self._lock:
            process = self._alive()
            try:
                reply = self._exchange(process, line)
            except TimeoutError as error:
                self._end()
                why = f"The machine gave Lua no processor for {PATIENCE_S:.0f} s."
                raise LuaStarved(why) from error
            except (OSError, ValueError) as error:
                if self._end() == -signal.SIGPROF:
                    _spending.seconds += seconds
                    raise TookTooLong("lua", seconds) from error
                raise ScriptFailed("lua execution error\nthe script died") from error
            except BaseException:
                # An attempt whose time is over: the answer to come is not the next script's.
                self._end()
                raise
            _spending.seconds += reply["spent"]
            return dict(reply["answer"])

    def forget(self) -> None:
        """Do not talk on the pipes of the parent after a fork, nor keep them open.

        While somebody holds the other end its child would outlive it.
        """
        self._lock = threading.Lock()
        if self._process is not None:
            _close(self._process)
        self._process = None

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            try:
                return self._started()
            except (OSError, ValueError) as error:
                self._end()
                raise LuaStarved("The machine could not start Lua.") from error
            except BaseException:
                self._end()
                raise
        return self._process

    def _started(self) -> subprocess.Popen[bytes]:
        # -I: no environment, no user packages, nothing of the product on the path.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={},
            close_fds=True,
        )
        self._exchange(self._process, _NOTHING)
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
        assert process.stdin is not None, "a pipe"
        assert process.stdout is not None, "a pipe"
        left = memoryview(line)
        while left:
            left = left[os.write(process.stdin.fileno(), left) :]
        answer = bytearray()
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
            if not ready:
                raise TimeoutError
            piece = os.read(process.stdout.fileno(), 64 << 10)
            if not piece or len(answer) > ANSWER_BYTES_MAX:
                raise ValueError("no whole answer")
            answer += piece
        return dict(json.loads(answer))

    def _end(self) -> int | None:
        """End the process, if there is one, and return how it ended: by itself, if it had."""
        ended, self._process = self._process, None
        if ended is None:
            return None
        _close(ended)
        with suppress(subprocess.TimeoutExpired):
            return ended.wait(timeout=LAST_WORDS_S)
        ended.kill()
        return ended.wait()


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


_child = _Child()
os.register_at_fork(after_in_child=_child.forget)
