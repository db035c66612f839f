"""What was approved is carried out as the requester, and those who may decide are told."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import override_settings

from ledger.models import Approval, Entry
from ledger.services import approvals
from tests.integration.ledger.approvals import (
    STATE,
    acting,
    asked,
    give_the_thing_a_command,
    put_into_force,
    say,
)
from tests.integration.ledger.at_once import DONE, held_at
from tests.integration.ledger.conftest import grant
from workflows.work import checks, runner
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


def handed_on(asker: User, manager: User, **terms: Any) -> Approval:
    """Have an approval asked for, that the manager hands on to dave."""
    grant(User.objects.create_user("dave", email="dave@example.com"), "approval.decide")
    with acting(asker):
        policy = put_into_force(**terms)
        approval = asked()
    if policy.assigned_group is not None:
        policy.assigned_group.user_set.add(manager)
    with acting(User.objects.get(pk=manager.pk)) as holder:
        approvals.delegate_approval(approval_id=approval.pk, to="dave", decider=holder)
    return approval


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

    def test_is_not_for_whoever_is_deactivated_as_it_is_agreed_to(
        self, approval: Approval, asker: User, manager: User
    ) -> None:
        ends_it = 'UPDATE "ledger_approval"'
        with held_at(ends_it, lambda: say(approval, manager)) as (decided, may_go_on):
            User.objects.filter(pk=asker.pk).update(is_active=False)
            may_go_on.set()
            assert decided.result(60) == DONE

        work = work_off(EXECUTE)

        assert (work.status, Approval.objects.get().status) == ("dead", "approved")
        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()

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

    @pytest.mark.parametrize(
        ("sender", "url", "warnings"),
        [
            ("daybook@example.com", "", ["work.W001"]),
            ("daybook@example.com", "daybook.example.com", ["work.W001"]),
            ("daybook@example.com", "https://daybook.example.com", []),
            ("", "", []),
        ],
    )
    def test_has_to_know_where_its_links_lead(
        self, sender: str, url: str, warnings: list[str]
    ) -> None:
        with override_settings(APPROVAL_MAIL_FROM=sender, PUBLIC_URL=url):
            assert [each.id for each in checks.mails_lead_somewhere()] == warnings

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

    def test_is_sent_whatever_the_title_is_made_of(
        self, manager: User, asker: User, settings: object
    ) -> None:
        settings.APPROVAL_MAIL_FROM = "daybook@example.com"  # type: ignore[attr-defined]
        with acting(asker):
            put_into_force(name="other")
            subject = approvals.Subject(type="slot", id="s1", title="Go\r\nBcc: eve@example.com\n")
            approvals.request_approval(subject=subject, policy="other")

        work_off(self.KIND)

        [sent] = mail.outbox
        assert sent.subject == "Approval requested: Go Bcc: eve@example.com"
        assert sent.bcc == ["manager@example.com"]

    def test_tells_whoever_is_to_decide_instead(
        self, manager: User, asker: User, settings: object
    ) -> None:
        settings.APPROVAL_MAIL_FROM = "daybook@example.com"  # type: ignore[attr-defined]
        handed_on(asker, manager)

        work_off("subscriber.approval_delegated_mail")

        assert [each.bcc for each in mail.outbox] == [["dave@example.com"]]

    def test_tells_all_who_may_when_it_comes_back_from_who_cannot_any_more(
        self, manager: User, asker: User, settings: object
    ) -> None:
        settings.APPROVAL_MAIL_FROM = "daybook@example.com"  # type: ignore[attr-defined]
        handed_on(asker, manager)
        User.objects.filter(username="dave").update(is_active=False)
        approvals.expire_approvals()

        work_off("subscriber.approval_returned_mail")

        assert [each.bcc for each in mail.outbox] == [["manager@example.com"]]

    def test_is_not_for_who_cannot_decide_or_has_agreed(
        self, manager: User, asker: User, settings: object
    ) -> None:
        settings.APPROVAL_MAIL_FROM = "daybook@example.com"  # type: ignore[attr-defined]
        handed_on(asker, manager, quorum=2, assigned_group="Finance")
        finance = Group.objects.get(name="Finance")
        finance.user_set.add(manager, User.objects.create_user("tom", email="tom@example.com"))
        erin = grant(User.objects.create_user("erin", email="erin@example.com"), "approval.decide")
        ann = grant(User.objects.create_user("ann", email="ann@example.com"), "approval.decide")
        finance.user_set.add(erin, ann)
        dave = User.objects.get(username="dave")
        say(Approval.objects.get(), dave)
        with acting(ann) as holder:
            approvals.delegate_approval(
                approval_id=Approval.objects.get().pk, to="erin", decider=holder
            )
        finance.user_set.add(dave)
        User.objects.filter(username="erin").update(is_active=False)
        approvals.expire_approvals()

        work_off("subscriber.approval_returned_mail")

        assert [each.bcc for each in mail.outbox] == [["ann@example.com", "manager@example.com"]]

    def test_is_not_sent_where_none_is_set_up(self, approval: Approval, manager: User) -> None:
        work = work_off(self.KIND)

        assert (work.status, mail.outbox) == ("done", [])
