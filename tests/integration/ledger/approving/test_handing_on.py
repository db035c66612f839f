"""Who hands on whose decision to whom, what a subject asks for, and what is told of a vote."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from events.models import StoredEvent
from ledger.domain.approval import AlreadyVoted
from ledger.domain.capability import CapabilityMissing
from ledger.domain.policy import PolicyMissing
from ledger.models import Approval, Entry
from ledger.services import approvals
from ledger.services.approvals import DelegateUnknown, Subject
from tests.integration.ledger.approvals import acting, asked, put_into_force, say
from tests.integration.ledger.conftest import grant

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("alice_acts_under_a_policy"),
]

SUBJECT = Subject(type="slot", id="s1", title="A late start")


def hand_on(approval: Approval, by: User, to: str) -> Approval:
    with acting(by) as caller:
        return approvals.delegate_approval(approval_id=approval.pk, to=to, decider=caller)


class TestHandingOn:
    def test_is_for_who_may_decide(self, dave: User) -> None:
        approval = asked()

        with pytest.raises(CapabilityMissing):
            hand_on(approval, User.objects.create_user("eve"), "dave")

        approval.refresh_from_db()
        assert approval.assigned_to is None

    @pytest.mark.parametrize("to", ["eve", "nobody", "gone"])
    def test_is_to_who_may_decide(self, carol: User, to: str) -> None:
        User.objects.create_user("eve")
        gone = grant(User.objects.create_user("gone"), "approval.decide")
        User.objects.filter(pk=gone.pk).update(is_active=False)
        approval = asked()

        with pytest.raises(DelegateUnknown):
            hand_on(approval, carol, to)

        approval.refresh_from_db()
        assert approval.assigned_to is None

    def test_is_not_to_who_has_voted_so_that_nobody_could_decide(
        self, carol: User, dave: User
    ) -> None:
        put_into_force(quorum=2)
        approval = say(asked(), carol)

        with pytest.raises(AlreadyVoted):
            hand_on(approval, dave, "carol")

        assert say(approval, dave).status == "approved"

    def test_names_the_person_who_did(self, carol: User, dave: User) -> None:
        approval = hand_on(asked(), carol, "dave")

        approval.refresh_from_db()
        assert (approval.assigned_to, approval.delegated_from) == (dave, str(carol.pk))


class TestOneOfTwo:
    def test_who_agrees_is_told_with_how_many_do(self, carol: User) -> None:
        put_into_force(quorum=2)

        say(asked(), carol)

        [event] = StoredEvent.objects.filter(name="ledger.approval.voted")
        assert '"voices":1' in str(event.data).replace(" ", "")

    def test_who_says_no_after_a_yes_is_on_record_as_a_no(self, carol: User, dave: User) -> None:
        put_into_force(quorum=2)
        approval = asked()
        say(approval, carol)

        say(approval, dave, "deny")

        entry = Entry.objects.get(approval_id=approval.pk, status="denied")
        assert entry.mutation.summary == "Denied."


class TestASubject:
    def test_is_asked_for_under_the_policy_it_names(self) -> None:
        put_into_force(name="other", quorum=2, ttl=timedelta(hours=5))
        put_into_force(name="other", quorum=3, ttl=timedelta(hours=5))

        row = approvals.request_approval(subject=SUBJECT, policy="other")

        assert (row.policy_name, row.policy_version, row.quorum) == ("other", 2, 3)
        assert row.expires_at - row.requested_at == timedelta(hours=5)

    def test_is_asked_for_once_under_each_reference(self) -> None:
        put_into_force(name="other")
        subjects = [replace(SUBJECT, reference=name) for name in ("trip/check", "trip/pay")]

        rows = [approvals.request_approval(subject=each, policy="other") for each in subjects]
        again = [approvals.request_approval(subject=each, policy="other") for each in subjects]

        assert again == rows
        assert [row.reference for row in rows] == ["trip/check", "trip/pay"]
        assert Approval.objects.filter(status="pending").count() == 2

    def test_needs_a_policy_in_force(self) -> None:
        with pytest.raises(PolicyMissing):
            approvals.request_approval(subject=SUBJECT, policy="none")

    @pytest.mark.parametrize(("asks", "gets"), [(2, 3), (5, 5)])
    def test_may_ask_for_more_people_and_not_for_fewer(self, asks: int, gets: int) -> None:
        put_into_force(name="other", quorum=3)

        row = approvals.request_approval(subject=SUBJECT, policy="other", quorum=asks)

        assert row.quorum == gets

    @pytest.mark.parametrize(("asks", "gets"), [(1, 1), (9, 5)])
    def test_may_ask_for_less_time_and_not_for_more(self, asks: int, gets: int) -> None:
        put_into_force(name="other", ttl=timedelta(hours=5))

        row = approvals.request_approval(subject=SUBJECT, policy="other", ttl=timedelta(hours=asks))

        assert row.expires_at - row.requested_at == timedelta(hours=gets)
