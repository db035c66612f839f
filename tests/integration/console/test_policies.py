"""Policies in the console: tried on the past, mended, drafted and put in force."""

import re
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from events import context
from events.domain.principal import SYSTEM
from ledger import approval_policies as seeded
from ledger.approving import what_if
from ledger.models import ApprovalPolicyVersion, Entry
from ledger.services import approval_policies
from tests.integration.ledger.approvals import STATE, acting, do, put_into_force
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "lawyer-has-a-long-password"
EVERYTHING = "target_type == 'thing'"
MUCH = "target_type == 'thing' && amount_cents > 100"


@pytest.fixture
def policy(transactional_db: None) -> ApprovalPolicyVersion:
    """In force, and asks for nothing that was done so far."""
    STATE.clear()
    return put_into_force(condition="amount_cents > 1000", capabilities=("api_key.revoke",))


@pytest.fixture
def past(policy: ApprovalPolicyVersion) -> None:
    with acting(User.objects.create_user("asker")):
        do("t1", amount_cents=50)
        do("t2", amount_cents=500)


@pytest.fixture
def lawyer(transactional_db: None) -> Client:
    verbs = (f"approval_policy.{verb}" for verb in ("read", "draft", "activate"))
    user = User.objects.create_user("lawyer", is_staff=True, password=PASSWORD)
    client = Client()
    client.force_login(grant(user, *verbs, "ledger.read"))
    return client


def page_at(policy: ApprovalPolicyVersion, **query: object) -> str:
    return f"/ledger/policies/{policy.pk}/what-if?{urlencode(query)}"


class TestWhoDecides:
    def test_are_all_who_may_and_told_to_be_too_few(
        self, lawyer: Client, policy: ApprovalPolicyVersion
    ) -> None:
        for name in ("bob", "carol"):
            grant(User.objects.create_user(name), "approval.decide")
        grant(User.objects.create_user("gone", is_active=False), "approval.decide")
        enough = put_into_force(quorum=1)
        many = put_into_force(quorum=2)

        assert "2 now" in lawyer.get(page_at(enough)).text
        assert "Too few" not in lawyer.get(page_at(enough)).text
        assert "are fewer than 2" in lawyer.get(page_at(many)).text

    def test_are_of_the_group_that_it_is_for(self, lawyer: Client, transactional_db: None) -> None:
        policy = put_into_force(assigned_group="Finance")
        carol = grant(User.objects.create_user("carol"), "approval.decide")
        grant(User.objects.create_user("bob"), "approval.decide")
        assert policy.assigned_group is not None
        carol.groups.add(policy.assigned_group)
        policy.assigned_group.user_set.add(User.objects.create_user("member"))

        page = lawyer.get(page_at(policy)).text

        assert "the group Finance who may decide approvals: 1 now" in page
        assert "is nobody left to agree" in page

    def test_of_the_seeded_drafts_it_is_said_who_would(
        self, lawyer: Client, transactional_db: None
    ) -> None:
        with context.acting(SYSTEM):
            approval_policies.install_policies(every=(), drafts=seeded.DRAFTS)

        for draft in ApprovalPolicyVersion.objects.filter(status="draft"):
            page = lawyer.get(page_at(draft)).text
            assert "2 people of all who may decide approvals: 0 now" in page
            assert "Too few" in page


class TestList:
    @pytest.fixture(autouse=True)
    def _versions(self, transactional_db: None) -> None:
        for name, capability in (
            ("some-refunds", "refund.request"),
            ("all-refunds", "refund.*"),
            ("keys", "api_key.revoke"),
            ("whatever", "*"),
        ):
            put_into_force(name=name, capabilities=(capability,))
        put_into_force(name="keys", capabilities=("api_key.revoke",))

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", ["all-refunds v1", "keys v2", "keys v1", "some-refunds v1", "whatever v1"]),
            ("?name=REFUND", ["all-refunds v1", "some-refunds v1"]),
            ("?status=retired", ["keys v1"]),
            ("?capability=refund.request", ["all-refunds v1", "some-refunds v1", "whatever v1"]),
            ("?capability=refund.settle", ["all-refunds v1", "whatever v1"]),
            ("?capability=refund.*", ["all-refunds v1", "some-refunds v1", "whatever v1"]),
            ("?capability=nothing.known", []),
            ("?capability=api_key.revoke&status=active", ["keys v2", "whatever v1"]),
        ],
    )
    def test_shows_what_fits_the_filters(
        self, lawyer: Client, query: str, expected: list[str]
    ) -> None:
        page = lawyer.get(f"/ledger/policies{query}").text

        assert re.findall(r"<strong>([^<]+)</strong> (v\d)", page) == [
            tuple(each.split()) for each in expected
        ]
        assert ("Nothing fits these filters" in page) is not bool(expected)

    def test_counts_by_status_and_says_what_it_does_not_know(self, lawyer: Client) -> None:
        page = lawyer.get("/ledger/policies").text

        assert re.search(r"in force <b>4</b>.*retired <b>1</b>", page, re.DOTALL)
        assert " <b>" not in lawyer.get("/ledger/policies?name=keys").text
        assert lawyer.get("/ledger/policies?status=gone").status_code == 400
        assert lawyer.get("/ledger/policies?name=%00").status_code == 400


class TestTrying:
    def test_says_of_each_entry_what_would_change(
        self, lawyer: Client, policy: ApprovalPolicyVersion, past: None
    ) -> None:
        page = lawyer.get(page_at(policy, condition=MUCH, days=7)).content.decode()

        entry = Entry.objects.get(action_name="thing.do", target_id="t2")
        assert f"/admin/ledger/entry/{entry.pk}/change/" in page
        assert "newly needs approval" in page
        assert "0 → 1" in page
        assert "thing t1" not in page
        assert "Cut short" not in page

    def test_tells_fewer_and_other_quorums_apart(
        self, lawyer: Client, policy: ApprovalPolicyVersion, past: None
    ) -> None:
        put_into_force(condition=EVERYTHING, quorum=2, capabilities=("api_key.revoke",))
        put_into_force(name="beside", condition=MUCH, capabilities=("api_key.revoke",))
        now = ApprovalPolicyVersion.objects.get(name="test-approval", status="active")

        page = lawyer.get(page_at(now, condition="false", days=7)).content.decode()

        assert re.findall(r"(\d) → (\d)", page) == [("2", "1"), ("2", "0")]
        assert "no longer needs approval" in page
        assert "other quorum" in page

    def test_shows_where_a_condition_cannot_be_read(
        self, lawyer: Client, policy: ApprovalPolicyVersion
    ) -> None:
        answer = lawyer.get(page_at(policy, condition="a &&\r\n  b ==", days=7))

        assert answer.status_code == 400
        page = answer.content.decode()
        assert "line 2, column 5" in page
        assert 'data-place="2:5"' in page
        assert 'aria-invalid="true"' in page

    def test_says_when_it_ended_early(
        self,
        lawyer: Client,
        policy: ApprovalPolicyVersion,
        past: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(what_if, "ENTRIES_MAX", 1)
        few = what_if.replay(policy, days=7, condition=EVERYTHING)
        none = what_if.replay(policy, days=7, condition=EVERYTHING, seconds_max=0)
        page = lawyer.get(page_at(policy, condition=EVERYTHING, days=7)).content.decode()

        assert (few.examined, few.cut, few.is_complete) == (1, "entries", False)
        assert (none.examined, none.cut) == (0, "time")
        assert "Cut short." in page

    def test_says_how_often_a_condition_had_no_answer(
        self, lawyer: Client, policy: ApprovalPolicyVersion, past: None
    ) -> None:
        # What others in force are at a loss about is said of them, not of this one.
        put_into_force(name="beside", condition="target_state.is_shut")

        def page_of(condition: str) -> str:
            return lawyer.get(page_at(policy, condition=condition, days=7)).text

        assert "Of 2 actions the condition had none" in page_of("target_state.is_open")
        assert "Of 1 action the condition had none" in page_of("1 / (amount_cents - 50) == 0")
        assert "No answer." not in page_of(EVERYTHING)

    @pytest.mark.parametrize("days", ["0", "366", "x", ""])
    def test_refuses_days_that_there_are_not(
        self, lawyer: Client, policy: ApprovalPolicyVersion, days: str
    ) -> None:
        assert lawyer.get(page_at(policy, days=days)).status_code == 400

    def test_is_for_who_may_draft(self, policy: ApprovalPolicyVersion) -> None:
        client = Client()
        client.force_login(grant(User.objects.create_user("reader"), "approval_policy.read"))

        assert "What if…" not in client.get("/ledger/policies").content.decode()
        assert client.get(page_at(policy)).status_code == 403


class TestKeeping:
    def test_drafts_the_next_version_and_puts_it_in_force(
        self, lawyer: Client, policy: ApprovalPolicyVersion, past: None
    ) -> None:
        form = {"condition": MUCH, "days": 7}
        assert "Draft this version" in lawyer.get(page_at(policy, **form)).content.decode()

        drafted = lawyer.post(f"/ledger/policies/{policy.pk}/draft", form, follow=True)
        draft = ApprovalPolicyVersion.objects.get(name=policy.name, version=2)
        assert (draft.status, draft.condition, draft.quorum) == ("draft", MUCH, policy.quorum)
        assert drafted.redirect_chain == [(page_at(draft, days=7), 302)]
        assert "Put in force…" in drafted.content.decode()

        lawyer.post(f"/ledger/policies/{draft.pk}/activate", {"password": PASSWORD})
        draft.refresh_from_db()
        policy.refresh_from_db()
        assert (draft.status, policy.status) == ("active", "retired")

    def test_drafts_nothing_that_is_no_condition(
        self, lawyer: Client, policy: ApprovalPolicyVersion
    ) -> None:
        form = {"condition": "a ==", "days": 7}

        answer = lawyer.post(f"/ledger/policies/{policy.pk}/draft", form)

        page = answer.content.decode()
        assert answer.status_code == 400
        assert '<form method="get" action="/ledger/policies/' in page
        assert "a ==</textarea>" in page
        assert ApprovalPolicyVersion.objects.filter(name=policy.name).count() == 1

    @pytest.mark.parametrize("form", [{"condition": MUCH, "days": 0}, {"condition": "a =="}])
    def test_keeps_what_is_refused_out_of_every_address(
        self, lawyer: Client, policy: ApprovalPolicyVersion, form: dict[str, object]
    ) -> None:
        answer = lawyer.post(f"/ledger/policies/{policy.pk}/draft", form, follow=True)

        assert answer.redirect_chain == []

    @pytest.mark.parametrize("form", [{}, {"password": "not-it"}], ids=["none", "wrong"])
    def test_puts_nothing_in_force_without_the_password(
        self, lawyer: Client, policy: ApprovalPolicyVersion, form: dict[str, str]
    ) -> None:
        lawyer.post(f"/ledger/policies/{policy.pk}/draft", {"condition": MUCH, "days": 7})
        draft = ApprovalPolicyVersion.objects.get(name=policy.name, version=2)

        answer = lawyer.post(f"/ledger/policies/{draft.pk}/activate", form, follow=True)

        page = answer.content.decode()
        assert ("not your password" if form else "Enter your password again") in page
        assert 'name="password"' in page
        draft.refresh_from_db()
        assert draft.status == "draft"

    def test_shows_which_name_nobody_knows(
        self, lawyer: Client, policy: ApprovalPolicyVersion
    ) -> None:
        answer = lawyer.get(page_at(policy, condition="risk ==\n  amount_cent", days=7))

        assert answer.status_code == 400
        page = answer.content.decode()
        assert "did you mean amount_cents?" in page
        assert 'data-place="2:3"' in page

    def test_refuses_to_put_in_force_what_was_there(
        self, lawyer: Client, policy: ApprovalPolicyVersion
    ) -> None:
        answer = lawyer.post(f"/ledger/policies/{policy.pk}/activate", follow=True)

        assert "is active" in answer.content.decode()
