"""What rules of approvals are put in force by whom, and what becomes of one that is broken."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from ledger.approving import conditions, in_force
from ledger.domain.policy import ConditionNameUnknown
from ledger.models import ApprovalPolicyVersion, Mutation
from ledger.services import approval_policies
from tests.integration.ledger.approvals import STATE, acting, asked, do, put_into_force
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/ledger/approvalpolicyversion/"
MISTYPED = "target_typ == 'thing' && false"


class TakenBack(Exception):
    """Ends a transaction without a trace."""


@pytest.fixture(autouse=True)
def _alice_acts(alice: User, transactional_db: None) -> Iterator[None]:
    STATE.clear()
    with acting(alice):
        yield


@pytest.fixture
def draft() -> ApprovalPolicyVersion:
    first = put_into_force()
    return approval_policies.draft_policy(
        terms=approval_policies.terms_of(first, condition="amount_cents > 1")
    )


@pytest.fixture
def staff(bob: User, client: Client) -> Client:
    bob.is_staff = True
    bob.save()
    grant(bob, "approval_policy.read", "approval_policy.activate")
    client.force_login(bob)
    return client


@pytest.fixture
def names_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As it was when the rules of before were drafted."""
    with monkeypatch.context() as before:
        before.setattr(conditions, "check", lambda *_, **__: None)
        yield before


def test_an_old_rule_with_an_unknown_name_demands_leave_and_says_so(
    names_are_not_looked_at: pytest.MonkeyPatch,
) -> None:
    put_into_force(condition=MISTYPED)
    names_are_not_looked_at.undo()

    approval = asked()

    summary = Mutation.objects.get(pk=approval.requested_entry_id).summary
    assert "called target_typ; did you mean target_type?" in summary


def test_an_old_draft_with_an_unknown_name_is_not_put_in_force(
    draft: ApprovalPolicyVersion, names_are_not_looked_at: pytest.MonkeyPatch
) -> None:
    terms = approval_policies.terms_of(draft, condition=MISTYPED)
    broken = approval_policies.draft_policy(terms=terms)
    names_are_not_looked_at.undo()

    with pytest.raises(ConditionNameUnknown):
        approval_policies.activate_policy(policy_id=broken.pk, is_fresh=True)

    broken.refresh_from_db()
    assert broken.status == "draft"


class TestWhatAProcessRemembers:
    def test_is_not_held_for_true_once_other_policies_are_in_force(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        do()
        before = in_force.last_seen()
        put_into_force()
        # As another process would have it, which nobody told.
        monkeypatch.setattr(in_force._Seen, "last", before)

        assert asked().policy_name == "test-approval"
        assert in_force.last_seen().mark != before.mark

    def test_is_not_taken_for_what_another_thread_has_seen_meanwhile(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_into_force(condition="amount_cents == 0")
        do(amount_cents=1)
        demanding = in_force.last_seen()
        put_into_force(condition="amount_cents == 2")
        # The cached ones demand an approval; those in force do not, and then others do.
        monkeypatch.setattr(in_force._Seen, "last", demanding)
        answer = conditions.answer

        def demand_one() -> None:
            with acting(alice):
                put_into_force(condition="amount_cents == 0 || true")
            in_force.look()
            connection.close()

        def answer_late(source: str, variables: Mapping[str, Any]) -> bool:
            if source == "amount_cents == 2":
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(demand_one).result(60)
            return answer(source, variables)

        monkeypatch.setattr(conditions, "answer", answer_late)

        assert asked(amount_cents=0).policy_version == 3

    def test_has_another_mark_after_each_change_and_after_none_that_is_taken_back(self) -> None:
        policy = put_into_force()
        marks = [in_force.look().mark]
        with suppress(TakenBack), transaction.atomic():
            ApprovalPolicyVersion.objects.filter(pk=policy.pk).update(
                status="retired", retired_at=timezone.now()
            )
            marks.append(in_force.look().mark)
            raise TakenBack

        assert in_force.look().mark == marks[0]
        approval_policies.draft_policy(terms=approval_policies.terms_of(policy, condition=""))
        marks.append(in_force.look().mark)
        assert len(set(marks)) == 3


class TestInTheAdmin:
    @pytest.mark.parametrize("verb", ["activate", "retire"])
    def test_asks_for_the_password_and_does_nothing_before(
        self, staff: Client, draft: ApprovalPolicyVersion, verb: str
    ) -> None:
        pk = draft.pk if verb == "activate" else _in_force().pk
        form = {"action": verb, "_selected_action": [str(pk)]}

        first = staff.post(LIST, form)
        wrong = staff.post(LIST, {**form, "password": "nothing-like-it"})

        assert 'name="password"' in first.content.decode()
        assert "not your password" in wrong.content.decode()
        draft.refresh_from_db()
        assert (draft.status, _in_force().version) == ("draft", 1)

    def test_puts_in_force_with_the_password_and_ends_in_the_same_five_minutes(
        self, staff: Client, draft: ApprovalPolicyVersion
    ) -> None:
        form = {"action": "activate", "_selected_action": [str(draft.pk)]}

        staff.post(LIST, {**form, "password": "bob-has-a-long-password"})
        assert _in_force().pk == draft.pk

        staff.post(LIST, {**form, "action": "retire"})
        draft.refresh_from_db()
        assert draft.status == "retired"


def test_over_rest_a_session_has_to_be_fresh(staff: Client, draft: ApprovalPolicyVersion) -> None:
    answer = staff.post(
        f"/api/v1/ledger/policies/{draft.pk}/activate", content_type="application/json"
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "approval_policy_step_up_required")
    draft.refresh_from_db()
    assert draft.status == "draft"


def _in_force() -> ApprovalPolicyVersion:
    return ApprovalPolicyVersion.objects.get(name="test-approval", status="active")
