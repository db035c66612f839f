"""Lua, in a child process with limits (Argyll spec §9.2, defect 19).

One child per process, started when first needed and killed when a script takes too long;
the next script gets a new one.
"""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.validation import ScriptBroken

SECONDS_MAX = 1.0
START_SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 1 << 20
SOURCE_CHARS_MAX = 64 << 10

_CHILD = Path(__file__).with_name("lua_child.py")


def check(source: str, parameters: Sequence[str]) -> None:
    """Compile and forget.

    :raises ScriptBroken: if it does not compile.
    """
    _check(source, tuple(parameters))


class TookTooLong(ScriptFailed):
    def __init__(self) -> None:
        super().__init__("lua execution error\nthe script timed out")


def warm() -> None:
    """Have the child ready, so that the time of a script is that of the script."""
    _child.start()


def evaluate(source: str, arguments: Mapping[str, Any], *, seconds: float = SECONDS_MAX) -> Any:
    """Return the first value that the chunk returns, as JSON.

    :raises TookTooLong: if it is not done in time.
    :raises ScriptFailed: if it fails or takes too much.
    """
    return _asked("value", source, sorted(arguments), arguments, seconds)


def holds(source: str, arguments: Mapping[str, Any], *, seconds: float = SECONDS_MAX) -> bool:
    """Tell whether the first value returned is true: all but nil and false are.

    :raises TookTooLong, ScriptFailed: as `evaluate` does.
    """
    return bool(_asked("holds", source, sorted(arguments), arguments, seconds))


@lru_cache(maxsize=4096)
def _check(source: str, parameters: tuple[str, ...]) -> None:
    if len(source) > SOURCE_CHARS_MAX:
        raise ScriptBroken(f"script too long: more than {SOURCE_CHARS_MAX} characters")
    _asked("check", source, list(parameters), {})


def _asked(
    mode: str,
    source: str,
    parameters: Sequence[str],
    arguments: Mapping[str, Any],
    seconds: float = SECONDS_MAX,
) -> Any:
    request = {
        "mode": mode,
        "source": source,
        "parameters": parameters,
        "arguments": dict(arguments),
    }
    answer = _child.ask(json.dumps(request).encode() + b"\n", seconds=seconds)
    if "broken" in answer:
        raise ScriptBroken(answer["broken"])
    if "failed" in answer:
        raise ScriptFailed(f"lua execution error\n{answer['failed']}")
    return answer.get("value")


class _Child:
    """The one child of this process; asked by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, line: bytes, *, seconds: float) -> dict[str, Any]:
        with self._lock:
            process = self._alive()
            try:
                return self._exchange(process, line, seconds=seconds)
            except TimeoutError as error:
                self._end()
                raise TookTooLong from error
            except (OSError, ValueError) as error:
                self._end()
                raise ScriptFailed("lua execution error\nthe script died") from error

    def start(self) -> None:
        """Have the process, if there is none."""
        with self._lock:
            self._alive()

    def forget(self) -> None:
        """Do not talk on the pipes of the parent after a fork."""
        self._lock = threading.Lock()
        self._process = None

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            # -I: no environment, no user packages, nothing of the product on the path.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", str(_CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={},
                close_fds=True,
            )
            warm = json.dumps({"mode": "check", "source": "", "parameters": []}).encode() + b"\n"
            self._exchange(self._process, warm, seconds=START_SECONDS_MAX)
        return self._process

    def _exchange(
        self, process: subprocess.Popen[bytes], line: bytes, *, seconds: float
    ) -> dict[str, Any]:
        assert process.stdin is not None, "a pipe"
        assert process.stdout is not None, "a pipe"
        process.stdin.write(line)
        process.stdin.flush()
        answer = bytearray()
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], seconds)
            if not ready:
                raise TimeoutError
            piece = os.read(process.stdout.fileno(), 64 << 10)
            if not piece or len(answer) > ANSWER_BYTES_MAX:
                raise ValueError("no whole answer")
            answer += piece
        return dict(json.loads(answer))

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None


_child = _Child()
os.register_at_fork(after_in_child=_child.forget)
