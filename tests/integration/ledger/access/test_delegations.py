"""Agents act for somebody, within limits, and stop the moment they are told to."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from events import context
from events.domain.errors import DomainError
from events.domain.principal import SYSTEM, Principal
from ledger import recording
from ledger.access.principals import human_of
from ledger.domain.action import Action, Kind, Target
from ledger.domain.capability import PrincipalNotAllowed, ScopeUnknown
from ledger.domain.delegation import (
    BudgetExceeded,
    DelegationEnded,
    DelegationTooDeep,
    DelegationTooWide,
    OutOfReach,
    RateExceeded,
)
from ledger.models import AgentKey, Delegation, Entry
from ledger.services import agents, api_keys, delegations
from ledger.services.delegations import (
    AgentOfSomebodyElse,
    DelegationExpiryOutOfRange,
    DelegationStartOutOfRange,
    TargetTypeUnknown,
)
from tests.integration.ledger.agents import ENDS, act, acting, an_agent, delegated, key_of, terms

pytestmark = pytest.mark.django_db(transaction=True)


class TestWhatAnAgentDoes:
    def test_is_on_record_with_the_whole_chain(self, ada: User) -> None:
        first = delegated(an_agent(ada, "first"))
        second = delegated(an_agent(ada, "second"), "event.*", parent_id=first.pk)

        with acting(first):
            act()
        with acting(second):
            act()

        of_first, of_second = Entry.objects.filter(action_name="thing.do").order_by("occurred_at")
        assert (of_first.delegated_by_type, of_first.delegated_by_id) == ("user", str(ada.pk))
        assert (of_second.delegated_by_type, of_second.delegated_by_id) == (
            "agent",
            str(first.agent_id),
        )
        assert of_second.delegation_id == second.pk
        assert (of_second.principal_type, of_second.principal_subtype) == ("agent", "tool_runner")
        assert of_second.authorization_source == "delegation"

    def test_is_its_owners_doing(self, ada: User) -> None:
        assert human_of(delegated(an_agent(ada)).principal) == str(ada.pk)

    def test_is_told_with_its_delegation_wherever_the_principal_goes(self, ada: User) -> None:
        principal = delegated(an_agent(ada)).principal

        assert Principal.parse(str(principal)) == principal
        assert Principal.from_json(principal.as_json()) == principal

    def test_ends_at_its_scopes(self, ada: User) -> None:
        link = delegated(an_agent(ada), "api_key.read")

        with acting(link), pytest.raises(OutOfReach):
            act(capability="event.read")

        [entry] = Entry.objects.filter(action_name="thing.do")
        assert entry.status == "denied"
        assert entry.delegation_id == link.pk

    def test_ends_at_its_filter(self, ada: User) -> None:
        with acting(delegated(an_agent(ada), resources={"event": ("t1",)})):
            act(target="t1", type_="event")
            with pytest.raises(OutOfReach):
                act(target="t2", type_="event")
            with pytest.raises(OutOfReach):
                act(target="t1")

    def test_never_makes_grants_keys_or_delegations(self, ada: User) -> None:
        agent = an_agent(ada)
        link = delegated(agent)

        with acting(link):
            for attempt in (
                lambda: api_keys.issue_api_key(
                    name="x", owner=ada, scopes=["*"], expires_at=link.expires_at
                ),
                lambda: delegations.create_delegation(
                    agent_id=agent.pk, root=ada, terms=terms(), reason="more"
                ),
                lambda: delegations.issue_agent_key(delegation_id=link.pk, root=ada),
                lambda: agents.create_agent(name="y", subtype="tool_runner", owner=ada),
                lambda: agents.resume_all_agents(reason="go on"),
            ):
                with pytest.raises(PrincipalNotAllowed):
                    attempt()

        assert Delegation.objects.count() == 1
        assert Entry.objects.filter(status="denied").count() == 5


class TestAChild:
    def test_is_no_wider_than_its_parent(self, ada: User) -> None:
        parent = delegated(an_agent(ada, "first"), "event.read", actions_max=5)
        second = an_agent(ada, "second")

        with pytest.raises(DelegationTooWide):
            delegated(second, "*", parent_id=parent.pk)
        with pytest.raises(DelegationTooWide):
            delegated(second, "event.read", actions_max=6, parent_id=parent.pk)

    def test_spends_what_is_theirs_who_are_above_it(self, ada: User) -> None:
        parent = delegated(an_agent(ada, "first"), actions_max=2)
        between = delegated(an_agent(ada, "second"), parent_id=parent.pk)
        child = delegated(an_agent(ada, "third"), parent_id=between.pk)

        with acting(child):
            act()
        with acting(parent):
            act()
        with acting(child), pytest.raises(BudgetExceeded):
            act()

    def test_of_a_child_of_a_child_is_the_last(self, ada: User) -> None:
        link = delegated(an_agent(ada, "a"))
        for name in "bc":
            link = delegated(an_agent(ada, name), parent_id=link.pk)

        with pytest.raises(DelegationTooDeep):
            delegated(an_agent(ada, "d"), parent_id=link.pk)

    def test_ends_with_its_parent(self, ada: User) -> None:
        parent = delegated(an_agent(ada, "first"))
        child = delegated(an_agent(ada, "second"), parent_id=parent.pk)

        with context.acting(SYSTEM):
            delegations.revoke_delegation(delegation_id=parent.pk, reason="enough")

        child.refresh_from_db()
        assert child.revoked_at is not None
        with acting(child), pytest.raises(DelegationEnded):
            act()


class TestWhoDelegates:
    def test_does_so_to_agents_of_his_own(self, ada: User) -> None:
        eve = User.objects.create_user("eve")

        with context.acting(SYSTEM), pytest.raises(AgentOfSomebodyElse):
            delegations.create_delegation(
                agent_id=an_agent(ada).pk, root=eve, terms=terms(), reason="mine now"
            )

    def test_names_scopes_that_exist(self, ada: User) -> None:
        with pytest.raises(ScopeUnknown):
            delegated(an_agent(ada), "booking.fly")

    def test_filters_by_types_that_exist(self, ada: User) -> None:
        with pytest.raises(TargetTypeUnknown, match="did you mean credit_note") as refusal:
            delegated(an_agent(ada), resources={"creditnote": ("n1",)})

        assert refusal.value.pointer == "/resources/creditnote"
        assert not Delegation.objects.exists()

    def test_hears_which_of_two_times_is_wrong(self, ada: User) -> None:
        agent, late = an_agent(ada), ENDS + timedelta(seconds=1)

        for too_late in (ENDS, late):
            with pytest.raises(DelegationStartOutOfRange) as start:
                delegated(agent, starts_at=too_late)
        with pytest.raises(DelegationExpiryOutOfRange) as end:
            delegated(agent, starts_at=late, expires_at=timezone.now() - timedelta(seconds=1))

        assert (start.value.pointer, end.value.pointer) == ("/starts_at", "/expires_at")


class TestBudgets:
    def test_of_actions_is_kept_by_twenty_threads(self, ada: User) -> None:
        link = delegated(an_agent(ada), actions_max=7)

        outcomes = _at_once(20, act, link)

        link.refresh_from_db()
        assert outcomes.count("done") == 7
        assert outcomes.count("budget_exceeded") == 13
        assert link.actions_used == 7
        assert Entry.objects.filter(action_name="thing.do", status="succeeded").count() == 7

    def test_of_money_is_kept_across_children(self, ada: User) -> None:
        parent = delegated(an_agent(ada, "first"), cents_max=100, currency="EUR")
        children = [
            delegated(an_agent(ada, f"child {number}"), parent_id=parent.pk) for number in (1, 2)
        ]

        outcomes = _at_once(10, lambda: act(amount_cents=30, currency="EUR"), *children)

        parent.refresh_from_db()
        assert outcomes.count("done") == 3
        assert parent.cents_used == 90

    def test_in_money_are_of_one_currency(self, ada: User) -> None:
        with (
            acting(delegated(an_agent(ada), cents_max=100, currency="EUR")),
            pytest.raises(BudgetExceeded),
        ):
            act(amount_cents=1, currency="USD")

    def test_are_not_spent_by_what_is_rolled_back(self, ada: User) -> None:
        link = delegated(an_agent(ada), actions_max=1)

        with acting(link), pytest.raises(ZeroDivisionError):
            _fail_after_recording()

        link.refresh_from_db()
        assert link.actions_used == 0

    def test_of_a_minute_are_full_again_after_it(self, ada: User) -> None:
        link = delegated(an_agent(ada), per_minute_max=2)

        with acting(link):
            act()
            act()
            with pytest.raises(RateExceeded):
                act()
            with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
                act()

        denied = Entry.objects.filter(action_name="thing.do", status="denied")
        assert [each.principal_type for each in denied] == ["agent"]


class TestStopping:
    def test_the_switch_stops_every_agent_and_lets_them_go_on(self, ada: User) -> None:
        link = delegated(an_agent(ada))

        with context.acting(SYSTEM):
            agents.stop_all_agents(reason="it runs wild")
        with acting(link), pytest.raises(DelegationEnded):
            act()
        with context.acting(SYSTEM):
            agents.resume_all_agents(reason="calm again")
        with acting(link):
            act()

    def test_of_one_agent_leaves_the_others_alone(self, ada: User) -> None:
        first, second = delegated(an_agent(ada, "first")), delegated(an_agent(ada, "second"))

        with context.acting(SYSTEM):
            agents.stop_agent(agent_id=first.agent_id, reason="it runs wild")

        with acting(first), pytest.raises(DelegationEnded):
            act()
        with acting(second):
            act()

    def test_reaches_work_that_was_left_behind(self, ada: User) -> None:
        link = delegated(an_agent(ada), "api_key.read", actions_max=1)

        with context.acting(link.principal):
            act(capability="event.read")  # What follows was paid for with what it follows from.
            with context.acting(SYSTEM):
                delegations.revoke_delegation(delegation_id=link.pk, reason="enough")
            with pytest.raises(DelegationEnded):
                act(capability="event.read")

    def test_lets_nothing_commit_that_was_under_way(self, ada: User) -> None:
        link = delegated(an_agent(ada))
        is_inside, is_stopped = Event(), Event()

        def slow() -> str:
            try:
                with acting(link), recording.recorded(_an_action()):
                    is_inside.set()
                    assert is_stopped.wait(60)
            except DomainError as why:
                return why.code
            finally:
                connection.close()
            return "done"

        with ThreadPoolExecutor(1) as pool:
            outcome = pool.submit(slow)
            assert is_inside.wait(60)
            with context.acting(SYSTEM):
                agents.stop_all_agents(reason="now")
            is_stopped.set()

            assert outcome.result() == "delegation_ended"
        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()


class TestTheTables:
    def test_refuse_other_terms_and_a_second_life(self, ada: User) -> None:
        link = delegated(an_agent(ada), actions_max=5)
        with acting(link):
            act()

        for change in (
            "scopes = '{*}'",
            "actions_max = 100",
            "expires_at = expires_at + interval '1 day'",
            "actions_used = 0",
        ):
            with (
                pytest.raises(IntegrityError, match="fixed"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(f"UPDATE ledger_delegation SET {change}")

    def test_refuse_a_budget_that_is_overdrawn(self, ada: User) -> None:
        delegated(an_agent(ada), actions_max=1)

        with (
            pytest.raises(IntegrityError, match="keeps_its_count"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("UPDATE ledger_delegation SET actions_used = 2")

    def test_refuse_a_delegation_from_anybody_but_the_owner(self, ada: User) -> None:
        link = delegated(an_agent(ada))
        eve = User.objects.create_user("eve")
        stolen = Delegation(
            root=eve,
            agent=link.agent,
            depth=1,
            reason="mine",
            scopes=["*"],
            starts_at=link.starts_at,
            expires_at=link.expires_at,
        )

        with pytest.raises(IntegrityError, match="of_the_owner"), transaction.atomic():
            stolen.save(force_insert=True)

    def test_hold_no_key_in_clear(self, ada: User) -> None:
        text = key_of(delegated(an_agent(ada)))

        [key] = AgentKey.objects.all()
        assert text.startswith(f"daybook_agent_{key.prefix}_")
        assert text not in f"{vars(key)}"


def _an_action() -> Action:
    return Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="event.read",
    )


def _fail_after_recording() -> None:
    with transaction.atomic():
        with recording.recorded_in_transaction(_an_action()):
            pass
        raise ZeroDivisionError


def _at_once(threads: int, attempt: object, *links: Delegation) -> list[str]:
    barrier = Barrier(threads)

    def run(number: int) -> str:
        try:
            with acting(links[number % len(links)]):
                barrier.wait(60)
                attempt()  # type: ignore[operator]
        except DomainError as why:
            return why.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))
