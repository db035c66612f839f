"""What `manage.py` starts for a command line, and what it does not."""

import errno
import subprocess
import sys

import pytest

from config import bootstrap, command_line
from config.bootstrap import ROOT


class TestServers:
    @pytest.mark.parametrize(
        "arguments", [["check"], ["--version"], ["flows", "--help"], ["flows", "list", "-h"]]
    )
    def test_are_not_started_for_what_looks_at_the_code_only(self, arguments: list[str]) -> None:
        assert not command_line.needs_servers(arguments)

    @pytest.mark.parametrize("arguments", [["doctor"], ["dbshell", "--", "-h"], ["flows", "list"]])
    def test_are_started_for_everything_else(self, arguments: list[str]) -> None:
        assert command_line.needs_servers(arguments)


def test_a_full_disk_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(_profile: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere")

    monkeypatch.setattr(bootstrap, "ensure", install)

    assert command_line.main(["manage.py", "doctor"]) == 1
    assert capsys.readouterr().err == "[Errno 28] No space left on device: '/somewhere'\n"


@pytest.mark.parametrize("command", ["up", "demo"])
def test_help_is_had_of_what_django_does_not_know(command: str) -> None:
    told = subprocess.run(
        [sys.executable, "manage.py", "help", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.startswith(f"usage: manage.py {command}")
