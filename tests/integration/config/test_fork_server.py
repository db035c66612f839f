"""Processes of the product that tests fork are what `python -m` would have made."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ledger import idempotency
from tests import fork_server
from tests.fork_server import Forked
from tests.live import PATIENCE_S, environment_of_the_tests, eventually

pytestmark = pytest.mark.django_db

SHELL = ("django", "shell", "--no-imports", "--verbosity", "0", "-c")
SLEEP = "import time; time.sleep(600)"


def start(code: str, *, environment: dict[str, str] | None = None, **options: Any) -> Forked:
    return fork_server.start(
        *SHELL, code, environment={**environment_of_the_tests(), **(environment or {})}, **options
    )


class TestTheProcess:
    def test_tells_how_it_ended(self) -> None:
        assert start("pass").wait(PATIENCE_S) == 0
        assert start("raise SystemExit(3)").wait(PATIENCE_S) == 3

    def test_can_be_waited_for_asked_and_killed(self) -> None:
        process = start(SLEEP)

        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()

        assert process.wait(PATIENCE_S) == process.poll() == -signal.SIGKILL

    def test_leads_a_session_of_its_own_on_the_database_of_the_test(self, tmp_path: Path) -> None:
        code = (
            "import os; from django.conf import settings;"
            "print(os.getsid(0) == os.getpid(), settings.DATABASES['default']['NAME'])"
        )
        log = tmp_path / "log"

        assert start(code, log=log).wait(PATIENCE_S) == 0

        name = environment_of_the_tests()["DATABASE_URL"].partition("?")[0].rpartition("/")[2]
        assert log.read_text().split() == ["True", name]

    def test_has_files_of_ours_under_the_number_that_it_expects(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = start("import os; os.write(77, b'here')", files={77: theirs.fileno()})

            assert process.wait(PATIENCE_S) == 0
            assert ours.recv(10) == b"here"

    def test_has_an_environment_of_its_own_where_no_setting_is_made_of_it(
        self, tmp_path: Path
    ) -> None:
        code = "import os; print(os.environ.get('TEST_EVENTS_LIVE', 'nothing'))"
        logs = [tmp_path / name for name in ("with", "without")]
        processes = [
            start(code, environment={"TEST_EVENTS_LIVE": "something"}, log=logs[0]),
            start(code, log=logs[1]),
        ]

        assert [process.wait(PATIENCE_S) for process in processes] == [0, 0]

        assert [log.read_text().split() for log in logs] == [["something"], ["nothing"]]

    def test_is_killed_at_the_failpoint_that_is_armed_for_it(self) -> None:
        name = idempotency.BEFORE_COMMIT
        code = f"from events import failpoints; failpoints.failpoint({name!r})"

        armed = start(code, environment={"FAILPOINTS": f"{name}:kill"})
        unarmed = start(code)

        assert armed.wait(PATIENCE_S) == -signal.SIGKILL
        assert unarmed.wait(PATIENCE_S) == 0


def test_what_it_forked_dies_with_it() -> None:
    process = start(SLEEP)

    fork_server.stop_all()

    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    eventually(lambda: not Path(f"/proc/{process.pid}").exists())
