"""What those who hold copies of the seals get, keep, and know."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from events import context
from ledger.models import Checkpoint, Witness
from ledger.sealing import seals, witnesses
from ledger.services import seals as services
from tests.integration.ledger.sealing.test_seals import CLERK, do

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK):
        yield


class TestAWitness:
    def test_gets_every_checkpoint_once_and_in_order(self, tmp_path: Path) -> None:
        do(4)
        while services.seal_batch(limit=2)[0]:
            pass

        with override_settings(LEDGER_WITNESSES=[f"file://{tmp_path}"]):
            assert witnesses.copy_checkpoints() == 2
            assert witnesses.copy_checkpoints() == 0

        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["checkpoint-000000000001.json", "checkpoint-000000000002.json"]
        last = seals.latest()
        assert last is not None
        assert last.root in (tmp_path / names[1]).read_text()

    def test_that_is_away_is_caught_up_with_later(self, tmp_path: Path) -> None:
        do()
        services.seal_entries()
        folder = tmp_path / "mounted later"

        with override_settings(LEDGER_WITNESSES=[f"file://{folder}"]):
            assert witnesses.copy_checkpoints() == 0
            assert "FileNotFoundError" in Witness.objects.get().error
            folder.mkdir()
            assert witnesses.copy_checkpoints() == 1

        assert Witness.objects.get().error == ""

    def test_that_is_away_for_a_day_gets_what_has_piled_up_in_order(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(witnesses, "BATCH_CHECKPOINTS", 10)
        folder, away = tmp_path / "mounted", tmp_path / "away"
        folder.mkdir()
        began = timezone.now()

        def kept() -> list[str]:
            return sorted(path.name for path in folder.iterdir())

        with override_settings(LEDGER_WITNESSES=[f"file://{folder}"]):
            do()
            services.seal_entries()
            assert witnesses.copy_checkpoints() == 1
            folder.rename(away)
            for hour in range(1, 25):
                with time_machine.travel(began + timedelta(hours=hour), tick=False):
                    do()
                    services.seal_entries()
                    assert witnesses.copy_checkpoints() == 0
            assert Checkpoint.objects.count() == 25
            assert Witness.objects.get().number == 1

            away.rename(folder)
            copied = []
            while count := witnesses.copy_checkpoints():
                copied.append(count)
                # Whenever it is asked, it has all up to some checkpoint, and none beyond.
                assert kept() == [witnesses.name_of(n) for n in range(1, sum(copied) + 2)]

            assert copied == [10, 10, 4]
            assert (Witness.objects.get().number, Witness.objects.get().error) == (25, "")
            assert witnesses.contradictions() == []

    def test_that_does_not_take_one_gets_none_after_it_until_it_does(self, tmp_path: Path) -> None:
        for _ in range(3):
            do()
            services.seal_entries()
        (tmp_path / witnesses.name_of(2)).write_bytes(b"another")

        with override_settings(LEDGER_WITNESSES=[f"file://{tmp_path}"]):
            assert witnesses.copy_checkpoints() == 1
            assert not (tmp_path / witnesses.name_of(3)).exists()
            assert Witness.objects.get().number == 1

            (tmp_path / witnesses.name_of(2)).unlink()
            assert witnesses.copy_checkpoints() == 2

    def test_is_sent_again_what_it_keeps_already(self, tmp_path: Path) -> None:
        do()
        services.seal_entries()

        with override_settings(LEDGER_WITNESSES=[f"file://{tmp_path}"]):
            assert witnesses.copy_checkpoints() == 1
            # It had been sent, and whoever sent it died before that was noted.
            Witness.objects.update(number=0)
            assert witnesses.copy_checkpoints() == 1

        assert Witness.objects.get().error == ""

    def test_that_is_not_mounted_contradicts_nothing(self, tmp_path: Path) -> None:
        folder = tmp_path / "mounted"
        folder.mkdir()
        do()
        services.seal_entries()

        with override_settings(LEDGER_WITNESSES=[f"file://{folder}"]):
            witnesses.copy_checkpoints()
            folder.rename(tmp_path / "elsewhere")
            assert witnesses.contradictions() == []
            folder.mkdir()
            assert witnesses.contradictions() == [
                f"file://{folder} does not have checkpoint 1 any more"
            ]

    def test_tells_that_the_database_was_restored_to_an_earlier_state(self, tmp_path: Path) -> None:
        with override_settings(LEDGER_WITNESSES=[f"file://{tmp_path}"]):
            for _ in range(2):
                do()
                services.seal_entries()
            witnesses.copy_checkpoints()
            assert witnesses.contradictions() == []

            taken_back()

            assert witnesses.contradictions() == [
                f"file://{tmp_path} has checkpoint 2, which is not in this database"
            ]

    def test_keeps_the_first_history_when_another_is_written(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with override_settings(LEDGER_WITNESSES=[f"file://{tmp_path}"]):
            for _ in range(2):
                do()
                services.seal_entries()
            witnesses.copy_checkpoints()
            second = tmp_path / "checkpoint-000000000002.json"
            kept = second.read_bytes()
            taken_back()
            do(target="another")
            services.seal_entries()

            assert witnesses.copy_checkpoints() == 0

            assert second.read_bytes() == kept
            [record] = [each for each in caplog.records if each.name == witnesses.__name__]
            assert record.levelname == "ERROR"
            assert record.message == "A witness keeps another history than this database."
            assert "AnotherIsKept" in Witness.objects.get().error
            assert witnesses.contradictions() == [
                f"file://{tmp_path} has another checkpoint 2 than this database"
            ]


def taken_back() -> None:
    """Go back to the first checkpoint, as who restores a copy of the database does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET session_replication_role = replica;"
            "DELETE FROM ledger_checkpoint WHERE number = 2;"
            "DELETE FROM ledger_sealed WHERE position = 2;"
            "UPDATE ledger_witness SET number = 1;"
            "SET session_replication_role = origin"
        )
