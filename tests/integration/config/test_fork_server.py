"""Processes of the product that tests fork are what `python -m` would have made."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.bootstrap import ROOT
from config.testing import fork_server
from config.testing.fork_server import Forked
from ledger import idempotency
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

    def test_hashes_passwords_with_next_to_no_work(self, tmp_path: Path) -> None:
        code = "from django.contrib.auth.hashers import make_password; print(make_password('x'))"
        environment = {"DJANGO_SETTINGS_MODULE": "config.settings.base"}
        log = tmp_path / "log"

        assert start(code, environment=environment, log=log).wait(PATIENCE_S) == 0

        assert log.read_text().startswith(f"scrypt${fork_server._WORK_FOR_A_PASSWORD}$")

    def test_is_killed_at_the_failpoint_that_is_armed_for_it(self) -> None:
        name = idempotency.BEFORE_COMMIT
        code = f"from events import failpoints; failpoints.failpoint({name!r})"

        armed = start(code, environment={"FAILPOINTS": f"{name}:kill"})
        unarmed = start(code)

        assert armed.wait(PATIENCE_S) == -signal.SIGKILL
        assert unarmed.wait(PATIENCE_S) == 0


class TestTheEnd:
    def test_of_whoever_asked_for_it_is_told_by_the_signal_that_was_chosen(
        self, tmp_path: Path
    ) -> None:
        log = tmp_path / "log"
        code = (
            "import signal, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: print('told', flush=True))\n"
            "print('here', flush=True); time.sleep(600)"
        )
        process = start(code, log=log, farewell=signal.SIGTERM)
        eventually(lambda: log.exists() and "here" in log.read_text())

        process.abandon()

        eventually(lambda: "told" in log.read_text())
        os.kill(process.pid, signal.SIGKILL)

    def test_of_a_worker_leaves_the_fork_server_to_the_others(self) -> None:
        server = fork_server.ForkServer(imports=False)
        worker = os.fork()
        if worker == 0:
            complaints: list[object] = []
            sys.unraisablehook = complaints.append
            server.stop()
            del server
            os._exit(len(complaints))
        assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0

        process = server.start(
            (*SHELL, "pass"),
            environment=environment_of_the_tests(),
            log=Path(os.devnull),
            files={},
            farewell=signal.SIGKILL,
        )

        assert process.wait(PATIENCE_S) == 0
        server.stop()

    def test_of_the_fork_server_is_the_end_of_what_it_forked(self) -> None:
        server = fork_server.ForkServer(imports=False)
        process = server.start(
            (*SHELL, SLEEP),
            environment=environment_of_the_tests(),
            log=Path(os.devnull),
            files={},
            farewell=signal.SIGKILL,
        )

        server.stop()

        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        eventually(lambda: not Path(f"/proc/{process.pid}").exists())


class TestSettings:
    # Also what is made of settings, by whoever reads them once.
    SAY_ALL = """
from pprint import pprint
from django.conf import settings
from django.contrib.auth.hashers import get_hashers
from django.core.cache import caches
from django.db import connections
from django.middleware.security import SecurityMiddleware
from config.asgi import application
from config.celery import app
from config.web.handlers import Handler
from events import wire
from workflows.flows import conf as flows
from workflows.work import conf as work

cells = application.application_mapping["http"].__closure__
[site] = [cell.cell_contents for cell in cells if isinstance(cell.cell_contents, Handler)]
each = site._middleware_chain
while not isinstance(each, SecurityMiddleware):
    each = getattr(each, "__wrapped__", None) or each.answer
pprint({
    "of Django": [connections.settings, caches.settings],
    # Guardian writes down in the settings what it has patched.
    "settings": {name: repr(getattr(settings, name)) for name in dir(settings)
                 if name.isupper() and not name.startswith("GUARDIAN_MONKEY")},
    "hashers": [type(hasher).__name__ for hasher in get_hashers()],
    "of Celery": [app.conf.broker_url, app.conf.task_always_eager, app.conf.beat_schedule],
    "of ours": [flows.current(), work.current(), wire.connection().settings_dict],
    "of the web": [each.redirect, each.sts_seconds, site.threads._max_workers],
})
"""

    def test_are_those_of_its_environment_and_not_of_who_imported_the_product(
        self, tmp_path: Path
    ) -> None:
        environment = {
            **environment_of_the_tests(),
            "DJANGO_SETTINGS_MODULE": "config.settings.base",
            "DAYBOOK_RETRY_MAX": "3",
            "HTTPS": "true",
            "LOG_LEVEL": "ERROR",
            "SECRET_KEY": "of-this-process-0123456789-abcdefghijklmnopqrstuvwxyz",
            "WEB_THREADS": "3",
            "WORK_LEASE_S": "7",
        }
        forked = tmp_path / "log"
        assert start(self.SAY_ALL, environment=environment, log=forked).wait(PATIENCE_S) == 0
        alone = subprocess.run(
            [sys.executable, "-m", *SHELL, self.SAY_ALL],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )

        assert forked.read_text() == alone.stdout
        assert "'WORK_LEASE_S': '7" in alone.stdout
