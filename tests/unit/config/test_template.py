"""What is copied in the place of migrating must be what migrating would make today."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config.bootstrap import ROOT
from config.testing import template

PROGRAMS = Path("/opt/postgres/bin")

Change = Callable[[Path], object]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two migrations; the second takes a rule from a module, which takes a word."""
    for path, text in {
        "shop/__init__.py": "",
        "shop/rules.py": "from shop.words import (\n    KNOWN,\n)\n",
        "shop/words.py": "KNOWN = ('a', 'b')\n",
        "shop/views.py": "",
        "shop/migrations/__init__.py": "",
        "shop/migrations/0001_initial.py": "from django.db import migrations\n",
        "shop/migrations/0002_rule.py": "import shop.rules  # what holds\n",
        "tests/__init__.py": "",
        "tests/migrations/test_0001.py": "",
    }.items():
        write(tmp_path / path, text)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class TestFingerprint:
    @pytest.mark.parametrize(
        "change",
        [
            lambda project: write(project / "shop/migrations/0001_initial.py", "# other\n"),
            lambda project: write(project / "shop/migrations/0003_more.py", ""),
            lambda project: write(project / "shop/migrations/triggers.sql", "SELECT 1"),
            lambda project: (project / "shop/migrations/0002_rule.py").unlink(),
            lambda project: (project / "shop/migrations/0002_rule.py").rename(
                project / "shop/migrations/0002_law.py"
            ),
            lambda project: write(project / "shop/rules.py", "KNOWN = ()\n"),
            lambda project: write(project / "shop/words.py", "KNOWN = ('a',)\n"),
        ],
        ids=["changed", "added", "sql", "removed", "renamed", "imported", "imported by imported"],
    )
    def test_differs_when_a_migration_does(self, project: Path, change: Change) -> None:
        before = template.fingerprint(PROGRAMS, project)

        change(project)

        assert template.fingerprint(PROGRAMS, project) != before

    def test_is_the_same_while_only_other_things_change(self, project: Path) -> None:
        before = template.fingerprint(PROGRAMS, project)

        write(project / "shop/views.py", "VIEW = 1\n")
        write(project / "tests/migrations/test_0001.py", "TEST = 1\n")

        assert template.fingerprint(PROGRAMS, project) == before

    def test_differs_with_the_programs(self, project: Path) -> None:
        assert template.fingerprint(PROGRAMS, project) != template.fingerprint(
            Path("/usr/lib/postgresql/15/bin"), project
        )

    def test_knows_what_our_own_migrations_take(self) -> None:
        found = {str(path.relative_to(ROOT)) for path in template.ingredients()}

        assert {
            "config/roles.py",
            "events/tables/append_only.py",
            "events/migrations/schema/log.py",
            "events/tables/row_rules.py",
            "ledger/accountable.py",
            "workflows/work/migrations/schema/work.py",
        } <= found


class TestKept:
    @pytest.fixture
    def made(self) -> list[Path]:
        return []

    @pytest.fixture
    def take(self, tmp_path: Path, made: list[Path]) -> Callable[[str], str]:
        def make(place: Path) -> None:
            made.append(place)
            write(place / "number", str(len(made)))

        def take(name: str) -> str:
            with template.kept(tmp_path / "kept", name, make) as found:
                # The clock of some file systems is coarse: let those made before be older.
                for each in (tmp_path / "kept").iterdir():
                    os.utime(each, ns=(0, each.stat().st_mtime_ns - 1_000_000_000))
                return (found / "number").read_text()

        return take

    def test_is_made_once_for_each_name(self, take: Callable[[str], str]) -> None:
        assert [take("one"), take("one"), take("two"), take("one")] == ["1", "1", "2", "1"]

    def test_goes_when_it_was_not_used_for_longest(self, take: Callable[[str], str]) -> None:
        for name in ("one", "two", "one", "three"):
            take(name)

        assert [take("one"), take("three"), take("two")] == ["1", "3", "4"]

    def test_is_not_there_if_it_was_not_made_whole(
        self, tmp_path: Path, take: Callable[[str], str]
    ) -> None:
        def fail(place: Path) -> None:
            write(place / "number", "half")
            raise OSError

        with pytest.raises(OSError), template.kept(tmp_path / "kept", "one", fail):  # noqa: PT011
            pass

        assert take("one") == "1"
