"""What a job can carry out by name, under an approval, and what it cannot."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger import commands
from ledger.approving import staleness
from ledger.domain.approval import ApprovalNotFound
from ledger.domain.payload import PayloadKind, Redaction
from ledger.domain.validation import ApprovalMissingFingerprint
from ledger.models import Approval, Entry, Payload
from ledger.services import approvals, payloads
from ledger.services.approvals import InputGone
from tests.integration.ledger.approvals import (
    STATE,
    acting,
    asked,
    give_the_thing_a_command,
    put_into_force,
    say,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _alice_acts_under_a_policy(alice: User, transactional_db: None) -> Iterator[None]:
    STATE.clear()
    put_into_force()
    with acting(alice):
        yield


def remove(approval: Approval, kind: PayloadKind) -> None:
    kept = Payload.objects.get(entry=approval.requested_entry_id, kind=kind.value)
    with context.acting(SYSTEM):
        payloads.redact_payload(payload_id=kept.pk, mode=Redaction.TOMBSTONED, reason="over")


class TestExecuting:
    def test_runs_the_command_by_its_name(
        self, monkeypatch: pytest.MonkeyPatch, carol: User
    ) -> None:
        give_the_thing_a_command(monkeypatch)
        approval = say(asked(n=1), carol)

        done = approvals.execute_approved(approval_id=approval.pk)

        assert Entry.objects.get(pk=done).approval_id == approval.pk

    def test_is_left_to_the_requester_where_no_command_does_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_into_force(execute="on_approval")
        by_hand = asked("t1")
        give_the_thing_a_command(monkeypatch)

        assert (by_hand.execute, asked("t2").execute) == ("by_requester", "on_approval")

    def test_finds_no_approval_that_there_is_not(self) -> None:
        with pytest.raises(ApprovalNotFound):
            approvals.execute_approved(approval_id=UUID(int=1))

    def test_is_not_for_what_no_command_does(self, carol: User) -> None:
        approval = say(asked(n=1), carol)

        with pytest.raises(ApprovalMissingFingerprint, match="carried out by name"):
            approvals.execute_approved(approval_id=approval.pk)

    def test_is_not_for_what_is_no_longer_kept(
        self, monkeypatch: pytest.MonkeyPatch, carol: User
    ) -> None:
        give_the_thing_a_command(monkeypatch)
        approval = say(asked(n=1), carol)
        remove(approval, PayloadKind.COMMAND_INPUT)

        with pytest.raises(InputGone):
            approvals.execute_approved(approval_id=approval.pk)

        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()


class TestStaleness:
    def test_is_told_by_the_state_that_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        give_the_thing_a_command(monkeypatch)
        approval = asked()

        assert staleness.is_stale(approval) is False
        STATE["t1"] = 2
        assert staleness.is_stale(approval) is True

    def test_is_unknown_where_no_state_is_kept_any_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        give_the_thing_a_command(monkeypatch)
        approval = asked()
        remove(approval, PayloadKind.TARGET_SNAPSHOT)

        assert staleness.is_stale(approval) is None

    def test_is_unknown_where_no_command_can_look(self) -> None:
        assert staleness.is_stale(asked()) is None

    def test_is_unknown_of_what_is_yet_to_be_made(self, monkeypatch: pytest.MonkeyPatch) -> None:
        give_the_thing_a_command(monkeypatch)
        making = replace(commands.get("thing.do", 1), makes=True)
        monkeypatch.setitem(commands._commands, ("thing.do", 1), making)

        assert staleness.is_stale(asked(makes=True)) is None
