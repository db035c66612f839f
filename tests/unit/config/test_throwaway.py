"""Data that nobody keeps goes into memory where there is enough, and else on the disk."""

import sys
from pathlib import Path

import pytest

from config.testing import throwaway


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
