"""How patient the supervisor is: with a part that keeps dying, and when it is asked to stop."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded import process
from config.processes import supervisor
from config.processes.supervisor import AskedToStop, Part, Supervisor
from tests.live import PATIENCE_S, eventually


class TestBackOff:
    @pytest.mark.parametrize(
        ("deaths", "seconds"), [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (50, 5.0)]
    )
    def test_doubles_up_to_a_limit(self, deaths: int, seconds: float) -> None:
        assert supervisor.back_off(deaths) == pytest.approx(seconds)


@pytest.fixture
def parts(tmp_path: Path, signal_handlers: None) -> Iterator[Supervisor]:
    """Return a supervisor that has nothing to look after."""
    parts = Supervisor([], logs=tmp_path, say=print)
    yield parts
    parts.stop()


class TestWaitUntil:
    def test_ends_when_somebody_asks_to_stop(self, parts: Supervisor) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(AskedToStop) as asked:
            parts.wait_until(lambda: False, seconds=60)

        assert asked.value.number == signal.SIGTERM

    def test_tells_that_it_did_not_come_to_be(self, parts: Supervisor) -> None:
        assert parts.wait_until(lambda: True, seconds=0)
        assert not parts.wait_until(lambda: False, seconds=0)


def leave_a_child_behind(written_to: Path) -> None:
    """Fork one that lives on in the group, and end."""
    if (pid := os.fork()) == 0:
        time.sleep(PATIENCE_S)
    else:
        written_to.write_text(str(pid))


def state_of(pid: int) -> str:
    """Return the letter of a process in /proc, "" if there is none: Z has not been collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes there are")
class TestEnding:
    @pytest.mark.parametrize("end", ["turn", "stop"])
    def test_kills_what_a_part_left_behind_while_its_number_is_its_own(
        self, end: str, tmp_path: Path, signal_handlers: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written_to, found = tmp_path / "child", []
        send = process.send

        def sent(pid: int, number: signal.Signals, *, group: bool = False) -> None:
            if group:
                found.append(state_of(pid))
            send(pid, number, group=group)

        part = Part(name="leaves", run=lambda _: leave_a_child_behind(written_to))
        parts = Supervisor([part], logs=tmp_path, say=print)
        monkeypatch.setattr(process, "send", sent)
        parts.start("leaves")
        leader = parts.children["leaves"].pid
        assert leader is not None
        if end == "turn":
            parts.wait_until(lambda: parts.children["leaves"].pid != leader, seconds=PATIENCE_S)
            monkeypatch.undo()
        else:
            os.waitid(os.P_PID, leader, os.WEXITED | os.WNOWAIT)
        left = int(written_to.read_text())
        parts.stop()

        assert found[:1] == ["Z"]
        assert state_of(leader) == ""
        eventually(lambda: state_of(left) in {"", "Z"})  # Whoever inherits it may take a while.
