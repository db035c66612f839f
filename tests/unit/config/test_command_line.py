"""What `manage.py` starts for a command line, and what it does not."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from config import bootstrap, checkout, command_line
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


def test_a_setting_that_makes_no_sense_is_said_in_a_line() -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**without_servers(), "WEB_THREADS": "0"},
    )

    assert result.returncode == 1
    assert result.stderr == "WEB_THREADS is '0'; it must be at least 1.\n"


class TestUnknownCommand:
    @pytest.mark.parametrize("arguments", [["docter"], ["help", "docter"]])
    def test_is_told_before_any_server_is_started(
        self, arguments: list[str], tmp_path: Path
    ) -> None:
        state = tmp_path / "state"
        result = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**without_servers(), "DAYBOOK_STATE": str(state)},
        )

        assert result.returncode == 2
        assert result.stderr == (
            "Unknown command: 'docter'. Did you mean doctor?\n"
            "Type 'python3 manage.py help' for usage.\n"
        )
        assert not state.exists()

    @pytest.mark.parametrize(
        "arguments", [["doctor"], ["help", "migrate"], ["clearsessions"], ["help", "--commands"]]
    )
    def test_is_none_of_ours_of_django_and_of_its_apps(
        self, arguments: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", command_line.OURS)

        assert command_line.unknown_command(arguments) is None

    def test_is_none_that_django_finds(self) -> None:
        assert set(command_line.known_commands()) == set(get_commands())

    def test_is_for_django_to_say_where_settings_are_somebody_elses(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")

        assert command_line.unknown_command(["of_an_app_of_theirs"]) is None


@pytest.mark.parametrize("command", ["demo", "pytest", "interpreter"])
def test_what_is_about_the_product_itself_is_refused_where_it_is_installed(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkout, "IS_INSTALLED", True)

    assert command_line.main(["manage.py", command]) == 2
    assert capsys.readouterr().err == f"`{command}` needs a checkout of Daybook.\n"


@pytest.mark.parametrize("command", ["up", "demo"])
def test_help_is_had_of_what_django_does_not_know(command: str) -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "help", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.startswith(f"usage: manage.py {command}")


def without_servers() -> dict[str, str]:
    """Return the environment of somebody who has set up nothing."""
    theirs = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    return {name: value for name, value in os.environ.items() if name not in theirs}
