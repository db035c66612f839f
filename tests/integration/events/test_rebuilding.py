import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from events import doctor, invariants, recorder
from events.domain.aggregate import Projection
from events.models import Snapshot
from events.sourcing import executor, rebuilding
from events.sourcing.executor import execute
from tests import tally
from tests.tally import LISTED, Add

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _three_tallies(tally_table: None) -> None:
    executor.register(LISTED)
    for number in range(3):
        execute(LISTED, ("tally", f"t{number}"), Add(number=number + 1, times=6))
    with transaction.atomic():
        # Of other kinds, whose keys begin alike: one is after, one before those of a tally.
        recorder.emit("tally.closed", {}, stream=("tally2", "x"))
        recorder.emit("tally.closed", {}, stream=("tally-like", "x"))


def spoil_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {tally.TABLE} SET total = 99 WHERE tally = 't1'")
        cursor.execute(f"DELETE FROM {tally.TABLE} WHERE tally = 't2'")


def spoil_rows_of(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {tally.TABLE} WHERE tally = %s", [name])


class TestRebuild:
    def test_restores_every_row_that_was_spoilt_or_lost(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rebuilding, "BATCH_STREAMS", 2)
        spoil_rows()
        output = StringIO()

        call_command("events_rebuild", stdout=output)

        assert output.getvalue() == "tally: 3 streams rebuilt\n"
        assert [tally.rows(("tally", f"t{n}")) for n in range(3)] == [
            [["t0", 6]], [["t1", 12]], [["t2", 18]],
        ]  # fmt: skip
        assert list(rebuilding.verify(LISTED)) == []

    def test_twice_changes_nothing_and_tells_nobody(self) -> None:
        called: list[int] = []

        def project(projection: Projection[tally.Tally]) -> None:
            tally.project(projection)
            projection.on_success(lambda: called.append(1))

        listed = tally.aggregate(project=project, rows=tally.rows, clear=tally.clear)

        assert [rebuilding.rebuild(listed), rebuilding.rebuild(listed)] == [3, 3]
        assert called == []
        assert list(rebuilding.verify(listed)) == []


class TestVerify:
    def test_names_the_first_difference_and_changes_nothing(self) -> None:
        spoil_rows()
        output = StringIO()

        with pytest.raises(CommandError, match="run events_rebuild"):
            call_command("events_verify", "tally", stdout=output)

        assert output.getvalue().splitlines() == [
            "tally/t1: the list rows differ from the replay at /0/1",
            "tally/t2: the list rows differ from the replay at /0",
            "tally: 2 differences",
        ]
        assert tally.rows(("tally", "t1")) == [["t1", 99]]

    def test_finds_rows_of_which_the_log_knows_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rebuilding, "BATCH_STREAMS", 2)
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {tally.TABLE} VALUES ('ghost', 7)")

        violations = ["tally/ghost: there are list rows and no event; a rebuild leaves them"]
        assert list(rebuilding.verify(LISTED)) == violations
        rebuilding.rebuild(LISTED)
        assert list(rebuilding.verify(LISTED)) == violations

    def test_finds_a_snapshot_that_the_log_does_not_bear_out(self) -> None:
        snapshot = Snapshot.objects.get(stream="tally/t1/")
        snapshot.state = json.dumps({**json.loads(snapshot.state), "total": 99})
        snapshot.save()

        assert list(rebuilding.verify(LISTED)) == [
            "tally/t1: the snapshot at 6 differs from the replay at /total"
        ]

    def test_finds_a_state_that_does_not_survive_its_own_dump(self) -> None:
        def forgetful(text: dict[str, int]) -> tally.Tally:
            return tally.Tally(total=text["total"])

        found = rebuilding.verify(tally.aggregate(load=forgetful), [("tally", "t1")])

        assert list(found) == ["tally/t1: the state does not survive dump and load at /latest/0"]

    def test_passes_over_what_was_written_since_the_moment_that_it_sees(self) -> None:
        def add() -> None:
            execute(LISTED, ("tally", "t1"), Add(number=1))
            connection.close()  # That of the thread.

        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute("SELECT 1")
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(add).result()
            spoil_rows_of("t2")

            assert list(rebuilding.verify(LISTED)) == [
                "tally/t2: the list rows differ from the replay at /0"
            ]

    def test_keeps_no_lock_of_a_stream_that_it_has_looked_at(self) -> None:
        with transaction.atomic():
            assert list(rebuilding.verify(LISTED)) == []

            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_locks "
                    "WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                )
                assert cursor.fetchone() == (0,)

    def test_is_what_the_doctor_does(self) -> None:
        assert invariants.projections_equal_replay() == []
        spoil_rows()

        findings = {finding.id: finding for finding in doctor.run()}

        assert findings["I4"].count == 2
        assert not findings["I4"].is_healthy
