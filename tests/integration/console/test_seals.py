"""The page of seals: who may see it, whether it tells the truth, and what leaves by it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from events import context
from events.domain.principal import SYSTEM
from ledger.domain.action import Action, Kind, Target
from ledger.models import Checkpoint, Entry, Witness
from ledger.recording import recorded
from ledger.sealing import witnesses
from ledger.services import seals
from tests.integration.console.conftest import Visitor

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "<script>alert(1)</script>"


def do(times: int = 1) -> None:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
    )
    for _ in range(times):
        with context.acting(SYSTEM), recorded(action):
            pass


def page_of(client: Client, address: str = "/ledger/seals", *, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    return response.content.decode()


def states_in(page: str) -> list[str]:
    return re.findall(r'data-label="State"><div><span class="chip" data-tone="\w+">([^<]+)', page)


class TestTheList:
    def test_is_for_those_who_may_read_the_ledger(self, client: Client, visitor: Visitor) -> None:
        assert client.get("/ledger/seals")["Location"] == "/login/?next=/ledger/seals"
        page_of(visitor(name="bob"), status=403)
        assert "Nothing is sealed" in page_of(visitor("ledger.read"))

    def test_shows_each_seal_checked_anew(self, visitor: Visitor) -> None:
        client = visitor("ledger.read")
        do(2)
        seals.seal_entries()
        do()
        seals.seal_entries()
        do()

        page = page_of(client)

        assert states_in(page) == ["holds", "holds"]
        assert "3 entries are sealed; 1 waits," in page
        for each in Checkpoint.objects.all():
            assert each.root in page

    def test_says_which_seal_is_broken_and_why(self, visitor: Visitor) -> None:
        client = visitor("ledger.read")
        do()
        seals.seal_entries()
        do()
        seals.seal_entries()
        first = Entry.objects.order_by("created_at")[0]
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                "UPDATE ledger_entry SET body = body || ' '::bytea,"
                " digest = encode(sha256(body || ' '::bytea), 'hex') WHERE id = %s",
                [first.pk],
            )
            cursor.execute("SET session_replication_role = origin")

        page = page_of(client)

        assert states_in(page) == ["holds", "broken"]
        assert "checkpoint 1: an entry under it was changed" in page

    def test_goes_back_page_by_page(
        self, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("console.views.ledger.ROWS", 2)
        for _ in range(3):
            do()
            seals.seal_entries()
        client = visitor("ledger.read")

        assert 'href="?before=2" rel="next"' in page_of(client)
        assert states_in(page_of(client, "/ledger/seals?before=2")) == ["holds"]
        page_of(client, "/ledger/seals?before=x", status=400)


class TestWitnesses:
    def test_are_shown_with_what_they_have_and_what_went_wrong(
        self, visitor: Visitor, settings: Settings, tmp_path: Path
    ) -> None:
        do()
        seals.seal_entries()
        (tmp_path / "there").mkdir()
        settings.LEDGER_WITNESSES = [
            f"file://{tmp_path}/there",
            f"file://{tmp_path}/away",
            "https://ann:hush@example.org/seals?token=hush",
        ]
        witnesses.copy_checkpoints()
        Witness.objects.exclude(error="").update(error=HOSTILE)

        page = page_of(visitor("ledger.read"))

        _, has_all, away, refused = states_in(page)
        assert (has_all, away, refused) == ("has all", "away", "refused")
        assert "Its URL carries a user name or password." in page
        assert "hush" not in page
        assert HOSTILE not in page

    def test_that_there_are_none_is_said_with_what_that_means(self, visitor: Visitor) -> None:
        assert "Nobody else has a copy of these seals." in page_of(visitor("ledger.read"))


class TestTheProof:
    def test_can_be_downloaded_and_holds_offline(self, visitor: Visitor, tmp_path: Path) -> None:
        do(3)
        seals.seal_entries()
        client = visitor("ledger.read", "ledger.export")
        assert "Download the proof" in page_of(client)

        answer = client.post("/ledger/seals/export", {"reason": "The auditor asked."})

        assert answer["Content-Type"] == "application/jsonl"
        assert answer["Cache-Control"] == "no-store"
        out = tmp_path / "ledger.jsonl"
        out.write_bytes(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
        command = [sys.executable, "-S", str(ROOT / "ledger/verifier.py"), str(out)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False, env={})
        assert checked.returncode == 0, checked.stdout
        entry = Entry.objects.get(action_name="ledger.export")
        assert entry.reason == "The auditor asked."

    def test_is_for_those_who_may_export(self, visitor: Visitor) -> None:
        do()
        seals.seal_entries()
        client = visitor("ledger.read")

        assert "Download the proof" not in page_of(client)
        assert client.post("/ledger/seals/export").status_code == 403
        assert client.get("/ledger/seals/export").status_code == 405

    def test_leaves_for_a_reason_only(self, visitor: Visitor) -> None:
        do()
        seals.seal_entries()
        client = visitor("ledger.read", "ledger.export")

        answer = client.post("/ledger/seals/export", {"reason": "x" * 501})

        assert answer.status_code == 400
        assert ">" + "x" * 501 in answer.content.decode()
        assert "at most 500 characters" in answer.content.decode()
        answer = client.post("/ledger/seals/export")
        assert "Give a reason; it is kept with the entry." in answer.content.decode()
        assert not Entry.objects.filter(action_name="ledger.export").exists()

    def test_of_nothing_is_refused_with_what_to_do(self, visitor: Visitor) -> None:
        client = visitor("ledger.read", "ledger.export")

        answer = client.post("/ledger/seals/export", {"reason": "An audit."})

        assert answer.status_code == 409
        assert "No entry has been sealed" in answer.content.decode()
