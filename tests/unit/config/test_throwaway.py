"""Data that nobody keeps goes into memory where there is enough, and else on the disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.bootstrap import ROOT
from config.testing import throwaway

MAKE_ONE_AND_DIE = """
import os, signal, sys
from config.testing import throwaway
throwaway.MEMORY, throwaway.DISK, throwaway.MEMORY_BYTES_MIN = *sys.argv[1:], 1
print(throwaway.new_folder("daybook-tests-"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEMORY", "DISK"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(throwaway, name, str(tmp_path / name))
    monkeypatch.setattr(throwaway, "MEMORY_BYTES_MIN", 1)


class TestPlace:
    def test_is_in_memory_where_there_is_plenty(self) -> None:
        assert throwaway.place() == throwaway.MEMORY

    def test_is_on_the_disk_where_there_is_little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throwaway, "MEMORY_BYTES_MIN", sys.maxsize)

        assert throwaway.place() == throwaway.DISK

    def test_is_on_the_disk_where_there_is_no_such_memory(self) -> None:
        Path(throwaway.MEMORY).rmdir()

        assert throwaway.place() == throwaway.DISK


def test_a_folder_can_be_entered_by_the_account_of_the_servers() -> None:
    folder = throwaway.new_folder("daybook-")

    assert folder.parent == Path(throwaway.MEMORY)
    assert folder.stat().st_mode & 0o777 == 0o711


class TestAFolderThatNobodyHolds:
    @pytest.fixture
    def left(self) -> Path:
        """What a process that was killed has left, with the folder of its sockets."""
        command = [sys.executable, "-c", MAKE_ONE_AND_DIE, throwaway.MEMORY, throwaway.DISK]
        died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        left = Path(died.stdout.strip())
        assert left.parent == Path(throwaway.MEMORY), died.stderr
        (left / "data").mkdir()
        sockets = Path(throwaway.DISK) / "daybook-sockets"
        sockets.mkdir()
        (left / "sockets").write_text(str(sockets))
        return left

    def test_is_taken_away_and_its_sockets(self, left: Path) -> None:
        throwaway.remove_what_nobody_holds()

        assert not left.exists()
        assert list(Path(throwaway.DISK).iterdir()) == []

    def test_is_left_alone_when_it_is_of_another_user(
        self, left: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: left.stat().st_uid + 1)

        throwaway.remove_what_nobody_holds()

        assert (left / "sockets").exists()

    def test_is_left_alone_where_a_link_leads_to_it(self, left: Path, tmp_path: Path) -> None:
        elsewhere = left.rename(tmp_path / "elsewhere")
        left.symlink_to(elsewhere)

        throwaway.remove_what_nobody_holds()

        assert (elsewhere / "sockets").exists()


def test_a_folder_that_somebody_holds_is_left_to_them() -> None:
    with throwaway.temporary_folder("daybook-tests-") as held:
        throwaway.remove_what_nobody_holds()

        assert held.exists()
    assert not held.exists()
    assert held not in throwaway._holds
