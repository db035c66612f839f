import base64
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from events import context, failpoints
from events.domain.principal import Principal, PrincipalKind
from events.failpoints import FailpointRaised
from ledger import tasks, verifier
from ledger.domain.action import Action, Kind, Target
from ledger.models import Checkpoint, Entry, Sealed, SigningKey, Unsealed
from ledger.recording import recorded
from ledger.sealing import exporting, sealer, seals
from ledger.sealing.signing import SigningKeyMissing
from ledger.services import seals as services

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[4]
CLERK = Principal(kind=PrincipalKind.USER, id="7")


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK):
        yield


def do(times: int = 1, target: str = "t1") -> None:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id=target),
        capability="api_key.read",
    )
    for _ in range(times):
        with recorded(action):
            pass


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


def exported(tmp_path: Path, **options: Any) -> Path:
    out = tmp_path / "export.jsonl"
    call_command("ledger_export", out=out, stdout=StringIO(), **options)
    return out


class TestSealing:
    def test_gives_dense_positions_and_signs_a_checkpoint_per_batch(self) -> None:
        do(5)

        while services.seal_batch(limit=2)[0]:
            pass

        assert list(Sealed.objects.order_by("position").values_list("position", flat=True)) == [
            *range(1, 6)
        ]
        assert list(Checkpoint.objects.order_by("number").values_list("size", flat=True)) == [
            2,
            4,
            5,
        ]
        assert not Unsealed.objects.exists()

    def test_grows_one_tree(self) -> None:
        do(3)
        services.seal_batch(limit=2)
        services.seal_batch()

        bodies = Sealed.objects.order_by("position").values_list("entry__body", flat=True)
        tree = verifier.Tree()
        tree.extend(verifier.leaf_hash(bytes(body)) for body in bodies)
        last = seals.latest()
        assert last is not None
        assert (last.size, last.root) == (3, tree.root().hex())

    def test_has_nothing_to_do_when_nothing_was_recorded(self) -> None:
        assert services.seal_entries() == 0
        assert not Checkpoint.objects.exists()

    def test_leaves_all_as_it_was_when_there_is_no_key(self) -> None:
        do()

        with override_settings(LEDGER_SIGNING_KEY=""), pytest.raises(SigningKeyMissing):
            services.seal_entries()

        assert Unsealed.objects.count() == 1
        assert not Sealed.objects.exists()

    def test_that_dies_before_its_commit_is_done_again_by_the_next_one(self) -> None:
        do(2)

        failpoints.arm("sealer.before_commit:raise")
        try:
            with pytest.raises(FailpointRaised):
                services.seal_entries()
        finally:
            failpoints.arm("")
        assert (Unsealed.objects.count(), Sealed.objects.count()) == (2, 0)

        assert services.seal_entries() == 2

    def test_is_done_by_beat_where_there_is_a_key(self) -> None:
        do()
        with override_settings(LEDGER_SIGNING_KEY=""):
            tasks.seal_entries()
        assert not Sealed.objects.exists()

        tasks.seal_entries()

        assert Sealed.objects.count() == 1

    def test_goes_on_after_an_error_that_nobody_foresaw(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stop, seal, errors = Event(), services.seal_entries, iter([RuntimeError("of a witness")])

        def seal_entries() -> None:
            for error in errors:
                raise error
            seal()
            stop.set()

        monkeypatch.setattr(services, "seal_entries", seal_entries)
        monkeypatch.setattr(sealer, "PAUSE_SECONDS", 0)
        do()
        sealer.run_forever(stop)

        assert Sealed.objects.count() == 1

    def test_is_done_by_one_at_a_time(self) -> None:
        do()

        def seal() -> tuple[Checkpoint | None, int]:
            try:
                return services.seal_batch()
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                assert seals.take_turn()
                assert pool.submit(seal).result() == (None, 0)
            assert pool.submit(seal).result()[1] == 1

    def test_misses_no_entry_of_writers_at_work(self) -> None:
        writers, each = 6, 8
        barrier, is_over = Barrier(writers + 2), Event()

        def write(number: int) -> None:
            barrier.wait()
            with context.acting(CLERK):
                do(each, target=f"t{number}")
            connection.close()

        def seal() -> None:
            barrier.wait()
            while not is_over.is_set():
                services.seal_batch(limit=5)
            connection.close()

        with ThreadPoolExecutor(writers + 2) as pool:
            sealers = [pool.submit(seal) for _ in range(2)]
            for written in [pool.submit(write, number) for number in range(writers)]:
                written.result()
            is_over.set()
            for sealed in sealers:
                sealed.result()
        services.seal_entries()

        assert Sealed.objects.count() == Entry.objects.count() == writers * each
        last = Sealed.objects.order_by("-position").first()
        assert last is not None
        assert last.position == writers * each

    def test_cannot_be_undone(self) -> None:
        do()
        services.seal_entries()

        for model in (Sealed, Checkpoint, SigningKey):
            with pytest.raises(DatabaseError, match="append-only"):
                model.objects.all()._raw_delete("default")


class TestAnExport:
    def test_is_checked_offline_by_one_file_and_the_standard_library(self, tmp_path: Path) -> None:
        do(5)
        services.seal_batch(limit=2)
        out = exported(tmp_path)

        checked = check(out)
        out.write_bytes(out.read_bytes().replace(b'"target_id":"t1"', b'"target_id":"t2"', 1))
        tampered = check(out)

        assert (checked.returncode, checked.stderr) == (0, "")
        assert "OK 5 entries" in checked.stdout
        assert "does not prove" in checked.stdout
        assert tampered.returncode == 1
        assert "position 1:" in tampered.stderr

    def test_seals_what_waits_before_it_is_written(self, tmp_path: Path) -> None:
        do(2)

        assert verifier.verify(str(exported(tmp_path))).entries == 2

    def test_begins_at_the_checkpoint_before_the_moment(self, tmp_path: Path) -> None:
        do(2)
        services.seal_entries()
        moment = timezone.now()
        do(3)

        report = verifier.verify(str(exported(tmp_path, since=moment.isoformat())))

        assert (report.entries, report.size) == (3, 5)

    def test_since_a_moment_begins_with_the_last_seal_before_it(self, tmp_path: Path) -> None:
        for _ in range(3):
            do()
            services.seal_entries()
        last = seals.latest()
        assert last is not None

        report = verifier.verify(str(exported(tmp_path, since=last.sealed_at.isoformat())))

        assert (report.entries, report.size) == (1, 3)

    def test_since_a_moment_after_the_last_seal_says_so(self, tmp_path: Path) -> None:
        do(1)
        services.seal_entries()

        with pytest.raises(CommandError, match="sealed since 2999-01-01T00:00:00"):
            exported(tmp_path, since="2999-01-01T00:00:00Z")

    def test_is_not_begun_at_a_moment_without_an_offset(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="has no offset"):
            exported(tmp_path, since="2026-05-04T12:00:00")

    def test_of_one_target_proves_each_entry_by_itself(self, tmp_path: Path) -> None:
        do(3)
        do(2, target="other")
        services.seal_batch(limit=4)
        do(1, target="other")

        report = verifier.verify(str(exported(tmp_path, target="thing:other")))

        assert (report.entries, report.is_selection) == (3, True)

    def test_is_the_same_however_the_work_is_shared(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        do(12)
        while services.seal_batch(limit=5)[0]:
            pass
        monkeypatch.setattr(verifier, "CHUNK_BYTES", 1_500)

        report = verifier.verify(str(exported(tmp_path)), jobs=1)

        assert report.entries == 12

    def test_is_checked_by_several_processes_at_once(self, tmp_path: Path) -> None:
        do(12)
        while services.seal_batch(limit=5)[0]:
            pass
        out = exported(tmp_path)
        small_chunks = (
            "import importlib.util as util, sys\n"
            f"path = {str(ROOT / 'ledger/verifier.py')!r}\n"
            "spec = util.spec_from_file_location('verifier', path)\n"
            "sys.modules['verifier'] = verifier = util.module_from_spec(spec)\n"
            "spec.loader.exec_module(verifier)\n"
            "verifier.CHUNK_BYTES = 1500\n"
            f"sys.exit(verifier.main([{str(out)!r}, '--jobs', '2']))"
        )
        command = [sys.executable, "-c", small_chunks]
        checked = subprocess.run(command, capture_output=True, text=True, check=False, env={})

        assert (checked.returncode, checked.stderr) == (0, "")
        assert "OK 12 entries" in checked.stdout

    @pytest.mark.parametrize(
        "options", [{"since": "yesterday"}, {"target": "thing"}, {"entry": "a", "target": "b:c"}]
    )
    def test_refuses_what_it_does_not_understand(
        self, tmp_path: Path, options: dict[str, str]
    ) -> None:
        do()
        with pytest.raises(CommandError):
            exported(tmp_path, **options)

        assert list(tmp_path.iterdir()) == []

    def test_says_where_it_cannot_write_and_leaves_nothing_half(self, tmp_path: Path) -> None:
        do(1)
        services.seal_entries()
        (tmp_path / "export.jsonl").mkdir()

        with pytest.raises(CommandError, match="cannot be written: Is a directory"):
            exported(tmp_path)
        assert [each.name for each in tmp_path.iterdir()] == ["export.jsonl"]

    def test_of_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="No entry has been sealed"):
            exported(tmp_path)


def check(out: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-S", str(ROOT / "ledger/verifier.py"), str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={})


class TestTheStanding:
    def test_says_how_much_waits_and_for_how_long(self) -> None:
        do(2)
        services.seal_entries()
        do(3)

        waiting = Entry.objects.order_by("created_at")[2:]
        progress = seals.progress(at=waiting[0].created_at + timedelta(seconds=30))

        assert (progress.size, progress.waiting) == (2, 3)
        assert progress.lag_seconds == 30

    def test_is_shown_by_the_command(self) -> None:
        do()
        services.seal_entries()
        shown = StringIO()

        call_command("ledger_seal", "--status", stdout=shown)

        last = seals.latest()
        assert last is not None
        assert f"root 1:{last.root}" in shown.getvalue()
        assert "waiting 0, lag 0.0 s" in shown.getvalue()


def test_a_selection_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "SELECTION_MAX", 2)
    do(2)
    with pytest.raises(exporting.NothingSealed):
        exporting.export_selection(Entry.objects.all())
    services.seal_entries()
    assert len([*exporting.export_selection(Entry.objects.all())]) == 4
    do(1)
    services.seal_entries()

    with pytest.raises(exporting.SelectionTooLarge):
        exporting.export_selection(Entry.objects.all())
