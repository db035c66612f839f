"""The processes in which Lua runs: never more than one, none left behind, no zombies."""

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.languages import lua

ROOT = Path(__file__).parents[5]
PATIENCE_S = 60


def children_of(pid: int) -> dict[int, str]:
    """Return the states of the processes whose parent is `pid`; `Z` is a zombie."""
    states = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(parent) == pid:
            states[int(stat.parent.name)] = state
    return states


def child_of_lua() -> int:
    assert lua._child._process is not None
    return lua._child._process.pid


class Interrupted(Exception):
    pass


def interrupted(*_: object) -> None:
    raise Interrupted


class TestChildren:
    def test_that_hit_a_limit_are_gone_before_the_next_one_begins(self) -> None:
        lua.evaluate("return 1", {})
        # Other tests may have left some of theirs.
        others = children_of(os.getpid()).keys() - {child_of_lua()}

        for text in ("while true do end", "return string.rep('x', 1e9)", "return 0/0"):
            with pytest.raises(ScriptFailed):
                lua.evaluate(text, {}, seconds=0.05)
            assert lua.evaluate("return 1", {}) == 1

        states = children_of(os.getpid())
        assert states.keys() - others == {child_of_lua()}
        assert states[child_of_lua()] != "Z"

    def test_are_not_asked_again_when_their_answer_was_not_waited_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As when the time of an attempt is over in the middle of a script."""
        lua.evaluate("return 1", {})
        monkeypatch.setattr(select, "select", interrupted)
        with pytest.raises(Interrupted):
            lua.evaluate("return 2", {})
        monkeypatch.undo()

        assert lua.evaluate("return 3", {}) == 3

    def test_that_begin_too_late_are_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lua._child._end()
        monkeypatch.setattr(select, "select", lambda *_: ([], [], []))
        with pytest.raises(lua.LuaStarved):
            lua.evaluate("return 2", {})
        monkeypatch.undo()

        assert lua.evaluate("return 3", {}) == 3

    @pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false"])
    def test_that_do_not_begin_are_no_fault_of_the_script(
        self, program: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lua._child._end()
        monkeypatch.setattr(sys, "executable", program)
        with pytest.raises(lua.LuaStarved, match="could not start"):
            lua.evaluate("return 2", {})
        monkeypatch.undo()

        assert lua.evaluate("return 3", {}) == 3

    def test_that_died_unasked_leave_no_pipes(self) -> None:
        lua.evaluate("return 1", {})
        died = lua._child._process
        assert died is not None
        assert died.stdout is not None
        died.kill()
        died.wait()

        assert lua.evaluate("return 1", {}) == 1
        assert died.stdout.closed

    @pytest.mark.parametrize("script", ["return 1", "while true do end"])
    def test_do_not_outlive_a_worker_that_was_killed(self, script: str) -> None:
        """Also when the worker had forked, and the fork holds the pipes, and lives on."""
        program = f"""
            import os, threading, time
            from workflows.flows.languages import lua
            lua.PATIENCE_S = {PATIENCE_S}
            lua.evaluate("return 1", {{}})
            print(lua._child._process.pid, flush=True)
            input()
            if os.fork() == 0:
                time.sleep(600)
            threading.Thread(target=lua.evaluate, args=({script!r}, {{}}), daemon=True).start()
            print("forked", flush=True)
            time.sleep(600)
        """
        worker = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        with worker.stdin as requests, worker.stdout as responses:
            child = os.pidfd_open(int(responses.readline()))
            print("go on", file=requests, flush=True)
            assert responses.readline() == "forked\n"

        worker.kill()
        worker.wait()
        ended, _, _ = select.select([child], [], [], PATIENCE_S)

        os.killpg(worker.pid, signal.SIGKILL)
        os.close(child)
        assert ended
