"""What was approved is carried out as the requester, and those who may decide are told."""

import pytest
from django.contrib.auth.models import User
from django.core import mail

from ledger.models import Approval, Entry
from tests.integration.ledger.approvals import (
    STATE,
    acting,
    asked,
    give_the_thing_a_command,
    put_into_force,
    say,
)
from tests.integration.ledger.conftest import grant
from workflows.work import runner
from workflows.work.approved import EXECUTE
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _the_thing_has_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    give_the_thing_a_command(monkeypatch)


@pytest.fixture
def asker(transactional_db: None) -> User:
    return grant(User.objects.create_user("asker"), "api_key.revoke")


@pytest.fixture
def manager(transactional_db: None) -> User:
    user = User.objects.create_user("manager", email="manager@example.com")
    return grant(user, "approval.decide")


@pytest.fixture
def approval(asker: User) -> Approval:
    with acting(asker):
        put_into_force(execute="on_approval")
        return asked(n=1)


def work_off(kind: str) -> Work:
    runner.work_off(worker="w", kinds=[kind])
    return Work.objects.get(kind=kind)


class TestExecution:
    def test_happens_once_as_the_requester(
        self, approval: Approval, asker: User, manager: User
    ) -> None:
        say(approval, manager)

        work = work_off(EXECUTE)

        assert work.status == "done", work.last_error
        entry = Entry.objects.get(approval_id=approval.pk, status="succeeded")
        assert (entry.principal_type, entry.principal_id) == ("user", str(asker.pk))
        assert entry.correlation_id == approval.correlation_id
        assert entry.causation_id == str(approval.requested_entry_id)

    def test_is_not_for_whoever_lost_the_right(
        self, approval: Approval, asker: User, manager: User
    ) -> None:
        say(approval, manager)
        asker.user_permissions.clear()

        work = work_off(EXECUTE)

        assert work.status == "dead"
        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()
        denied = Entry.objects.get(action_name="thing.do", status="denied")
        assert (denied.principal_id, denied.target_id) == (str(asker.pk), "t1")
        assert denied.correlation_id == approval.correlation_id

    def test_does_not_follow_a_no(self, approval: Approval, manager: User) -> None:
        say(approval, manager, "deny")

        assert not Work.objects.filter(kind=EXECUTE).exists()

    def test_refuses_what_has_changed_meanwhile(self, approval: Approval, manager: User) -> None:
        say(approval, manager)
        STATE["t1"] = 2

        work = work_off(EXECUTE)

        # It will not be what was approved again, however often it is tried.
        assert (work.status, work.attempt) == ("dead", 1)
        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()


class TestMail:
    KIND = "subscriber.approval_mail"

    def test_points_those_who_may_decide_to_the_record(
        self, manager: User, asker: User, settings: object
    ) -> None:
        settings.APPROVAL_MAIL_FROM = "daybook@example.com"  # type: ignore[attr-defined]
        with acting(asker):
            put_into_force()
            approval = asked()

        work_off(self.KIND)

        assert [each.bcc for each in mail.outbox] == [["manager@example.com"]]
        assert str(approval.pk) in mail.outbox[0].body

    def test_is_not_sent_where_none_is_set_up(self, approval: Approval, manager: User) -> None:
        work = work_off(self.KIND)

        assert (work.status, mail.outbox) == ("done", [])
