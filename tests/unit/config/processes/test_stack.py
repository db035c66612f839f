"""A Daybook that somebody starts for a while, without the Daybook."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from config.bootstrap import ROOT

PATIENCE_S = 60
UP = """
import pathlib, signal, sys, time
def stop(number, frame):
    (pathlib.Path(__file__).parent / "stopped").write_text(signal.Signals(number).name)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("\\nready {", flush=True)
time.sleep(600)
"""
START = """
import pathlib, sys, time
from config.processes import stack
from config.embedded.state import State
stack.ROOT = pathlib.Path(sys.argv[1])
stack.Stack.start(State(stack.ROOT / "state"))
(stack.ROOT / "up").touch()
time.sleep(600)
"""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def test_is_told_to_stop_when_who_started_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text(UP)
    (tmp_path / "state").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as starter:
        wait_for(tmp_path / "up")
        assert not (tmp_path / "stopped").exists()

        starter.send_signal(signal.SIGKILL)

    wait_for(tmp_path / "stopped")
