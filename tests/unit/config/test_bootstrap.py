"""Which interpreter runs Daybook, and what is installed before it does."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from config import bootstrap, checkout
from config.bootstrap import CHECKING, RUNNING, CannotInstall


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Return the list in which the commands are noted, in the place of running them."""
    noted: list[list[str]] = []

    def note(command: list[str], **_: object) -> "subprocess.CompletedProcess[bytes]":
        noted.append(command)
        if "venv" in command:
            python = tmp_path / ".venv/bin/python"
            python.parent.mkdir(parents=True, exist_ok=True)
            python.touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("subprocess.run", note)
    monkeypatch.setattr(bootstrap, "_has_everything", lambda _: False)
    return noted


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    return lambda path: monkeypatch.setattr("shutil.which", lambda _: path)


class TestEnsure:
    def test_uses_an_interpreter_that_has_everything(self) -> None:
        assert bootstrap.ensure(CHECKING) == Path(sys.executable)

    def test_installs_nothing_where_a_wheel_brought_everything(
        self, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(checkout, "IS_INSTALLED", True)

        assert bootstrap.ensure(RUNNING, venv=tmp_path / ".venv") == Path(sys.executable)
        assert commands == []

    def test_installs_with_uv_when_it_is_there(
        self, commands: list[list[str]], uv: Callable[[str | None], None], tmp_path: Path
    ) -> None:
        uv("/usr/bin/uv")

        python = bootstrap.ensure(RUNNING, venv=tmp_path / ".venv")

        assert python == tmp_path / ".venv/bin/python"
        assert [command[:3] for command in commands] == [
            ["uv", "venv", "--quiet"],
            ["uv", "pip", "sync"],
        ]
        assert all("--require-hashes" in command for command in commands[1:])
        assert sys.executable in commands[0]

    def test_installs_with_pip_from_hashes_otherwise(
        self, commands: list[list[str]], uv: Callable[[str | None], None], tmp_path: Path
    ) -> None:
        uv(None)

        bootstrap.ensure(RUNNING, venv=tmp_path / ".venv")

        assert commands[0][:3] == [sys.executable, "-m", "venv"]
        assert commands[-1][-3:] == ["--require-hashes", "-r", str(RUNNING.lock)]

    def test_does_nothing_the_second_time(
        self, commands: list[list[str]], uv: Callable[[str | None], None], tmp_path: Path
    ) -> None:
        uv("/usr/bin/uv")
        bootstrap.ensure(CHECKING, venv=tmp_path / ".venv")
        commands.clear()

        bootstrap.ensure(CHECKING, venv=tmp_path / ".venv")
        bootstrap.ensure(RUNNING, venv=tmp_path / ".venv")

        assert commands == []

    def test_installs_again_when_the_lock_changed(
        self, commands: list[list[str]], uv: Callable[[str | None], None], tmp_path: Path
    ) -> None:
        uv("/usr/bin/uv")
        bootstrap.ensure(RUNNING, venv=tmp_path / ".venv")
        stamp = tmp_path / ".venv/daybook-installed.json"
        stamp.write_text(json.dumps({RUNNING.lock.name: "of another lock"}))
        commands.clear()

        bootstrap.ensure(RUNNING, venv=tmp_path / ".venv")

        assert [command[:3] for command in commands] == [["uv", "pip", "sync"]]

    def test_adds_the_tools_when_they_are_needed(
        self, commands: list[list[str]], uv: Callable[[str | None], None], tmp_path: Path
    ) -> None:
        uv("/usr/bin/uv")
        bootstrap.ensure(RUNNING, venv=tmp_path / ".venv")

        bootstrap.ensure(CHECKING, venv=tmp_path / ".venv")

        assert str(CHECKING.lock) in commands[-1]

    def test_says_what_to_install_when_python_cannot_make_environments(
        self,
        commands: list[list[str]],
        uv: Callable[[str | None], None],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        uv(None)
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

        with pytest.raises(CannotInstall, match="apt install python3-venv"):
            bootstrap.ensure(RUNNING, venv=tmp_path / ".venv")

        assert not commands

    @pytest.mark.usefixtures("commands")
    def test_says_so_when_the_environment_is_somebody_elses(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        venv = tmp_path / ".venv"
        bootstrap.ensure(RUNNING, venv=venv)

        def refuse(path: Path) -> bool:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "exists", refuse)

        with pytest.raises(
            CannotInstall, match=r"\.venv is not for this user: .*Permission denied"
        ):
            bootstrap.ensure(RUNNING, venv=venv)

    def test_uses_what_is_there_where_it_may_not_write(
        self, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        venv = tmp_path / ".venv"
        bootstrap.ensure(RUNNING, venv=venv)
        commands.clear()
        (tmp_path / ".venv.lock").unlink()
        monkeypatch.setattr("os.access", lambda *_: False)

        assert bootstrap.ensure(RUNNING, venv=venv) == venv / "bin/python"

        assert not commands
        assert not (tmp_path / ".venv.lock").exists()

    def test_does_not_take_a_failure_for_an_install(
        self, uv: Callable[[str | None], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uv("/usr/bin/uv")
        failed: subprocess.CompletedProcess[bytes] = subprocess.CompletedProcess([], 1)
        monkeypatch.setattr("subprocess.run", lambda *_, **__: failed)
        monkeypatch.setattr(bootstrap, "_has_everything", lambda _: False)

        with pytest.raises(CannotInstall, match="uv venv"):
            bootstrap.ensure(RUNNING, venv=tmp_path / ".venv")

        assert not (tmp_path / ".venv/daybook-installed.json").exists()


class TestCompileOnce:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for name in ("commerce", "config"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "rules.py").write_text("RULE = 1\n")
        return tmp_path

    def test_leaves_nothing_to_compile_at_a_start(self, root: Path) -> None:
        bootstrap.compile_once(Path(sys.executable), root=root)

        assert len([*root.glob("*/__pycache__/rules.*.pyc")]) == 2

    def test_is_done_once(self, root: Path) -> None:
        bootstrap.compile_once(Path(sys.executable), root=root)
        (root / "commerce/more.py").write_text("MORE = 2\n")

        bootstrap.compile_once(Path(sys.executable), root=root)

        assert not [*root.glob("*/__pycache__/more.*")]


class TestLocks:
    @pytest.mark.parametrize("profile", [RUNNING, CHECKING])
    def test_pin_every_direct_dependency_by_hash(self, profile: bootstrap.Profile) -> None:
        text = profile.lock.read_text()

        for name in bootstrap._direct_dependencies(profile):
            assert f"\n{name.lower()}==" in f"\n{text}"
        assert text.count("==") <= text.count("--hash=sha256:")

    def test_name_no_place_to_download_from(self) -> None:
        for profile in (RUNNING, CHECKING):
            assert "://" not in profile.lock.read_text()

    def test_give_tests_the_versions_that_run(self) -> None:
        def pins(profile: bootstrap.Profile) -> set[str]:
            return {
                line.split()[0] for line in profile.lock.read_text().splitlines() if "==" in line
            }

        assert pins(RUNNING) <= pins(CHECKING)


class TestManage:
    def test_can_be_read_by_an_old_python(self) -> None:
        source = (bootstrap.ROOT / "manage.py").read_text()

        compile(source, "manage.py", "exec")
        for newer in (":=", "match ", " | ", 'f"'):
            assert newer not in source
