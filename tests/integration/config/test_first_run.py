"""What `up` makes in a new installation, and leaves alone in an old one."""

from functools import lru_cache
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection

from config import roles
from config.embedded.state import State
from config.processes import first_run
from config.processes.first_run import Accounts
from examples.demo_peers.server import STEPS_URL
from ledger.access import credentials
from ledger.models import ApiKey, Entry
from workflows.flows.execution import engine
from workflows.flows.models import FlowStart
from workflows.flows.triggers import starts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.prepare()
    return state


class TestPrepare:
    def test_makes_an_administrator_who_can_log_in(self, state: State) -> None:
        first_run.prepare(state)

        password = state.secrets()[first_run.PASSWORD]
        admin = authenticate(username="admin", password=password)
        assert isinstance(admin, User)
        assert admin.is_superuser

    def test_makes_a_key_that_opens_everything(self, state: State) -> None:
        first_run.prepare(state)

        assert credentials.key_for(state.secrets()[first_run.API_KEY]).scopes == ["*"]

    def test_makes_nothing_twice(self, state: State) -> None:
        first_run.prepare(state)
        before = state.secrets()

        first_run.prepare(state)

        assert state.secrets() == before
        assert ApiKey.objects.count() == User.objects.filter(username="admin").count() == 1

    def test_replaces_a_key_that_this_database_does_not_know(self, state: State) -> None:
        state.keep_secret(first_run.API_KEY, "daybook_ofanotherone")

        first_run.prepare(state)

        assert credentials.key_for(state.secrets()[first_run.API_KEY])

    def test_puts_who_may_do_everything_on_record(self, state: State) -> None:
        first_run.prepare(state)

        entry = Entry.objects.get(action_name="user.create")
        admin = User.objects.get(username="admin")
        assert (entry.principal_type, entry.target_id) == ("system", str(admin.pk))
        assert entry.remark.text == "Made by `up`"


class TestAccountsAsTheyAre:
    def test_names_who_may_log_in_and_has_nothing_to_say_of_a_good_key(self, state: State) -> None:
        first_run.prepare(state)
        first_run.make_people(state)
        User.objects.filter(username="viewer").update(is_active=False)

        found = first_run.accounts_as_they_are(state)

        assert found == Accounts(people=["admin", "operator"], key_opens=True)

    def test_names_apart_who_has_set_another_password(self, state: State) -> None:
        first_run.prepare(state)
        people = first_run.make_people(state)
        people["operator"].set_password("one-of-their-own")
        people["viewer"].set_unusable_password()
        for person in people.values():
            person.save()

        found = first_run.accounts_as_they_are(state)

        assert (found.people, found.with_other_passwords) == (["admin"], ["operator"])

    def test_looks_at_passwords_that_were_made_before(
        self, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first_run.prepare(state)
        # As in the process of the next start, which has hashed nothing.
        monkeypatch.setattr(first_run, "_password_hash", lru_cache(make_password))

        assert first_run.accounts_as_they_are(state).people == ["admin"]

    def test_says_that_the_key_opens_less(self, state: State) -> None:
        first_run.prepare(state)
        User.objects.update(is_superuser=False)

        found = first_run.accounts_as_they_are(state)

        assert found.key_opens
        assert found.key_remark == "admin is no superuser any more: it may do less"

    def test_says_that_there_is_none_and_makes_none(self, state: State) -> None:
        first_run.prepare(state)
        User.objects.update(is_active=False)

        first_run.prepare(state)

        found = first_run.accounts_as_they_are(state)
        assert found == Accounts(people=[], key_opens=False, key_remark="admin is inactive")
        assert ApiKey.objects.count() == 1


class TestWrittenAtTheEnd:
    def test_waits_for_the_disk_once(self) -> None:
        def waits() -> str:
            with connection.cursor() as cursor:
                cursor.execute("SHOW synchronous_commit")
                [(setting,)] = cursor.fetchall()
            return str(setting)

        with first_run.written_at_the_end():
            within = waits()
            with roles.as_owner():
                as_owner = waits()

        assert (within, as_owner, waits()) == ("off", "off", "on")


class TestExample:
    def test_has_people_who_may_do_different_things(self, state: State) -> None:
        first_run.prepare(state)

        first_run.make_example(state)

        operator, viewer = (User.objects.get(username=name) for name in ("operator", "viewer"))
        assert operator.has_perm("ledger.booking.create")
        assert not operator.has_perm("ledger.api_key.create")
        assert viewer.has_perm("ledger.booking.read")
        assert not viewer.has_perm("ledger.booking.create")

    def test_leaves_alone_who_was_taken_out_of_their_group(self, state: State) -> None:
        first_run.make_people(state)["operator"].groups.clear()

        people = first_run.make_people(state)

        assert not people["operator"].groups.exists()

    def test_hashes_no_password_within_a_transaction(
        self, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @lru_cache
        def hashed(password: str) -> str:
            assert not connection.in_atomic_block
            return make_password(password)

        monkeypatch.setattr(first_run, "_password_hash", hashed)

        person = first_run.demo_person("operator", state)

        assert person.check_password(state.secrets()[first_run.PASSWORD])

    def test_makes_nobody_who_may_do_only_a_part(
        self, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(_group: str) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(first_run, "_permissions", killed)
            with pytest.raises(KeyboardInterrupt):
                first_run.make_people(state)
        people = first_run.make_people(state)

        assert people["operator"].has_perm("ledger.booking.create")

    def test_lets_flows_start_until_the_operator_has_it_otherwise(
        self, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(STEPS_URL, "http://127.0.0.1:1")
        first_run.prepare(state)
        first_run.make_example(state)

        start = FlowStart.objects.get()
        assert (start.name, start.enabled) == ("monday-seats", True)
        operator = User.objects.get(username="operator")
        assert start.declared_by == f"user:{operator.pk}"
        starts.remove_start(name=start.name)
        first_run.make_example(state)
        assert not FlowStart.objects.exists()


class TestRegisterSteps:
    def test_tells_the_catalogue_where_its_services_are_now(self) -> None:
        first_run.register_steps("http://127.0.0.1:1")
        first_run.register_steps("http://127.0.0.1:2")

        steps = engine.catalog().steps
        assert sorted(steps) == ["charge-card", "hold-seats", "issue-ticket", "send-notice"]
        for step in steps.values():
            assert step.http is not None
            assert step.http.endpoint.startswith("http://127.0.0.1:2/")
            assert step.http.compensate
            assert step.http.health_check
