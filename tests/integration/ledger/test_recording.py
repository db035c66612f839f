import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import product
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from events import context
from events.domain.errors import DomainError
from events.domain.principal import ANONYMOUS, Principal, PrincipalKind
from ledger import recording
from ledger.disclosure import disclosing
from ledger.domain.action import Action, Idempotency, Kind, Proof, Read, Target
from ledger.domain.capability import CapabilityMissing
from ledger.entries import ActionInProgress, ActionKeyReused, ActionRepeated
from ledger.idempotency import AnonymousMayNotWrite
from ledger.models import ApiKey, Entry, Mutation
from ledger.recording import recorded
from ledger.services import api_keys

pytestmark = pytest.mark.django_db(transaction=True)

CLERK = Principal(kind=PrincipalKind.USER, id="7")


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK, correlation_id="cor_test", causation_id="req_1"):
        yield


def an_action(**facts: Any) -> Action:
    facts.setdefault("target", Target(type="thing", id="t1"))
    facts.setdefault("kind", Kind.EXECUTE)
    return Action(**{"name": "thing.do", "capability": "api_key.read", **facts})


def insert_key(owner: User) -> None:
    ApiKey.objects.create(
        prefix="abcdefghijkl",
        digest="0" * 64,
        name="a key",
        owner=owner,
        scopes=["*"],
        expires_at=timezone.now() + timedelta(days=3),
        created_at=timezone.now(),
    )


def insert_key_and_take_it_back(owner: User) -> None:
    with transaction.atomic():
        insert_key(owner)
        transaction.set_rollback(True)


class TestRecorded:
    def test_says_who_did_what_by_what_authority(self) -> None:
        with recorded(an_action(reason="because")) as proof:
            proof.says("Did it.")

        entry = Entry.objects.select_related("mutation").get(pk=proof.entry_id)
        assert (entry.principal_type, entry.principal_id) == ("user", "7")
        assert (entry.action_name, entry.status, entry.reason) == (
            "thing.do",
            "succeeded",
            "because",
        )
        assert (entry.capability_id, entry.capability_version) == ("api_key.read", 1)
        assert (entry.correlation_id, entry.causation_id) == ("cor_test", "req_1")
        assert entry.mutation.summary == "Did it."

    def test_cuts_a_sentence_that_is_too_long_so_that_it_is_seen(self) -> None:
        with recorded(an_action()) as proof:
            proof.says("x" * 501)
        with transaction.atomic():
            further = recording.record_further_target(an_action(), "y" * 501)

        summaries = dict(Mutation.objects.values_list("entry_id", "summary"))
        assert summaries == {proof.entry_id: "x" * 499 + "…", further: "y" * 499 + "…"}

    def test_names_the_run_and_the_step_in_which_it_was_done(self) -> None:
        robot = Principal(kind=PrincipalKind.WORKFLOW, id="trip")
        with (
            context.within_run(robot, run_id="trip", step_id="pay"),
            recorded(an_action()) as proof,
        ):
            pass

        entry = Entry.objects.get(pk=proof.entry_id)
        assert (entry.workflow_run_id, entry.workflow_step_id) == ("trip", "pay")
        assert (entry.principal_type, entry.correlation_id) == ("workflow", "cor_test")
        assert json.loads(bytes(entry.body))["workflow_step_id"] == "pay"

    def test_keeps_the_canonical_bytes_and_their_digest(self) -> None:
        with recorded(an_action()) as proof:
            pass

        entry = Entry.objects.get(pk=proof.entry_id)
        assert entry.digest == hashlib.sha256(entry.body).hexdigest()
        body = json.loads(bytes(entry.body))
        assert body["format"] == "daybook.entry/2"
        assert body["id"] == str(entry.pk)
        assert body["principal_id"] == "7"

    def test_leaves_nothing_when_the_change_fails(self) -> None:
        with pytest.raises(ZeroDivisionError), recorded(an_action()):
            raise ZeroDivisionError

        assert not Entry.objects.exists()

    def test_records_nothing_when_nothing_was_to_do(self) -> None:
        with recorded(an_action()) as proof:
            proof.changes_nothing()

        assert not Entry.objects.exists()

    def test_costs_one_statement(self, django_assert_num_queries: Callable[[int], Any]) -> None:
        # BEGIN, the entry with its detail, COMMIT: the transaction would be there anyway.
        with django_assert_num_queries(3), recorded(an_action()):
            pass

    def test_refuses_to_be_part_of_a_larger_transaction(self) -> None:
        with (
            pytest.raises(RuntimeError, match="durable"),
            transaction.atomic(),
            recorded(an_action()),
        ):
            pass

    def test_refuses_whoever_showed_no_credential(self) -> None:
        with (
            context.acting(ANONYMOUS),
            pytest.raises(AnonymousMayNotWrite),
            recorded(an_action()),
        ):
            pass

        assert not Entry.objects.exists()

    def test_weighs_what_becomes_known_and_only_upwards(self) -> None:
        action = an_action(name="booking.cancel", capability="booking.cancel")

        with recorded(action) as cheap:
            cheap.weighs(paid_cents=0)
        with recorded(action) as paid:
            paid.weighs(paid_cents=100)

        assert Entry.objects.get(pk=cheap.entry_id).evaluated_risk == "high"
        assert Entry.objects.get(pk=paid.entry_id).evaluated_risk == "critical"

    def test_names_what_the_action_made(self) -> None:
        with recorded(an_action(target=Target(type="thing"))) as proof:
            proof.refers_to("new")

        assert Entry.objects.get(pk=proof.entry_id).target_id == "new"


class TestRecordedInTransaction:
    def test_survives_a_rival_failure_outside_of_its_savepoint(self) -> None:
        with transaction.atomic():
            with (
                pytest.raises(ZeroDivisionError),
                recording.recorded_in_transaction(an_action()),
            ):
                raise ZeroDivisionError
            with recording.recorded_in_transaction(an_action()) as proof:
                pass

        assert Entry.objects.get().pk == proof.entry_id

    def test_needs_a_transaction(self) -> None:
        with (
            pytest.raises(AssertionError, match="no transaction"),
            recording.recorded_in_transaction(an_action()),
        ):
            pass


class TestOneKey:
    KEY = Idempotency(scope="test", key="k1")

    def test_lets_one_of_twenty_threads_act(self) -> None:
        start = Barrier(20)

        def act(_: int) -> str:
            start.wait()
            try:
                with context.acting(CLERK), recorded(an_action(idempotency=self.KEY)):
                    return "done"
            except (ActionRepeated, ActionInProgress) as refused:
                return refused.code
            finally:
                connection.close()

        with ThreadPoolExecutor(20) as pool:
            outcomes = list(pool.map(act, range(20)))

        assert outcomes.count("done") == 1
        assert Entry.objects.count() == 1

    def test_replays_what_was_made(self) -> None:
        with recorded(an_action(idempotency=self.KEY)) as proof:
            pass

        with pytest.raises(ActionRepeated) as repeated, recorded(an_action(idempotency=self.KEY)):
            pytest.fail("it was done again")

        assert repeated.value.entry.pk == proof.entry_id
        assert repeated.value.facts["target_id"] == "t1"

    def test_is_not_for_two_different_actions(self) -> None:
        with recorded(an_action(idempotency=self.KEY, input={"a": 1})):
            pass

        with (
            pytest.raises(ActionKeyReused),
            recorded(an_action(idempotency=self.KEY, input={"a": 2})),
        ):
            pytest.fail("it was done again")

        assert Entry.objects.count() == 1

    def test_leaves_the_outer_transaction_usable(self) -> None:
        with recorded(an_action(idempotency=self.KEY)):
            pass

        with transaction.atomic():
            with (
                pytest.raises(ActionRepeated),
                recording.recorded_in_transaction(an_action(idempotency=self.KEY)),
            ):
                pass
            assert Entry.objects.count() == 1


def test_an_action_that_fails_takes_no_more_back_than_itself() -> None:
    with transaction.atomic():
        with (
            pytest.raises(DatabaseError),
            recording.recorded_in_transaction(an_action()),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1 / 0")
        with recording.recorded_in_transaction(an_action()):
            pass

    assert Entry.objects.count() == 1


class TestRefused:
    def test_survives_the_rollback_of_what_was_refused(self) -> None:
        action = an_action(name="api_key.revoke", capability="api_key.revoke")

        with pytest.raises(CapabilityMissing), recorded(action):
            raise CapabilityMissing("api_key.revoke")

        entry = Entry.objects.select_related("mutation").get()
        assert (entry.status, entry.target_id) == ("denied", "t1")
        assert entry.mutation.summary == "Refused: capability_missing"

    def test_forgets_what_is_not_grave(self) -> None:
        with pytest.raises(CapabilityMissing), recorded(an_action()):
            raise CapabilityMissing("api_key.read")

        assert not Entry.objects.exists()


class TestTheDatabase:
    def test_refuses_a_change_without_an_entry(self, alice: User) -> None:
        with pytest.raises(IntegrityError, match="not on record in the ledger"):
            insert_key(alice)

        assert not ApiKey.objects.exists()

    def test_refuses_an_entry_without_its_change(self) -> None:
        action = Action(
            name="api_key.issue",
            kind=Kind.CREATE,
            target=Target(type="api_key", id="k"),
            capability="api_key.issue",
        )

        with pytest.raises(IntegrityError, match="did not happen"), recorded(action):
            pass

        assert not Entry.objects.exists()

    def test_refuses_an_entry_whose_change_was_taken_back(self, alice: User) -> None:
        action = Action(
            name="api_key.issue",
            kind=Kind.CREATE,
            target=Target(type="api_key", id="k"),
            capability="api_key.issue",
        )

        with pytest.raises(IntegrityError, match="did not happen"), recorded(action):
            insert_key_and_take_it_back(alice)

        assert not Entry.objects.exists()

    def test_accepts_both_together(self, alice: User) -> None:
        key, _ = api_keys.issue_api_key(
            name="k", owner=alice, scopes=["*"], expires_at=timezone.now() + timedelta(days=2)
        )

        issued, shown = Entry.objects.filter(target_id=str(key.pk)).order_by("action_name")
        assert (issued.action_name, shown.action_name) == ("api_key.issue", "api_key.show_secret")
        assert shown.disclosure.disclosed_fields == ["secret"]

    def test_lets_a_key_be_used_without_an_entry(self, alice: User) -> None:
        key, _ = api_keys.issue_api_key(
            name="k", owner=alice, scopes=["*"], expires_at=timezone.now() + timedelta(days=2)
        )

        ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())

        assert not Entry.objects.exclude(target_id=str(key.pk)).exists()

    @pytest.mark.parametrize(
        ("table", "verb"),
        [
            *product(
                ["ledger_entry", "ledger_mutation", "ledger_disclosure"],
                ["UPDATE {} SET {} = {}", "DELETE FROM {}"],
            ),
            ("ledger_entry", "TRUNCATE {}"),
            ("ledger_disclosure", "TRUNCATE {}"),
        ],
    )
    def test_lets_no_record_change(self, table: str, verb: str) -> None:
        with recorded(an_action()):
            pass
        read = Read(
            name="thing.read",
            target=Target(type="thing", id="t1"),
            capability="api_key.read",
            fields=("all",),
        )
        disclosing.disclosed(read, lambda: None)
        column = "id" if table == "ledger_entry" else "entry_id"
        tail = " CASCADE" if verb.startswith("TRUNCATE") else ""

        with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
            cursor.execute(verb.format(table, column, column) + tail)

    @pytest.mark.parametrize(
        ("column", "constraint"),
        [
            ("action_kind", "ledger_entry_kind_is_known"),
            ("status", "ledger_entry_status_is_known"),
            ("evaluated_risk", "ledger_entry_risk_is_known"),
            ("principal_type", "ledger_entry_principal_is_known"),
            ("digest", "ledger_entry_is_digested"),
        ],
    )
    def test_refuses_words_that_mean_nothing(self, column: str, constraint: str) -> None:
        body = b"{}"
        facts: dict[str, Any] = {
            "occurred_at": timezone.now(),
            "action_name": "a.b",
            "action_kind": "execute",
            "status": "succeeded",
            "evaluated_risk": "low",
            "principal_type": "user",
            "principal_id": "7",
            "correlation_id": "c",
            "target_type": "t",
            "target_id": str(uuid4()),
            "capability_id": "a.b",
            "capability_version": 1,
            "authorization_source": "permission",
            "body": body,
            "digest": hashlib.sha256(body).hexdigest(),
        }

        Entry.objects.create(**facts)
        with pytest.raises(IntegrityError, match=constraint):
            Entry.objects.create(**{**facts, column: "nonsense"})


class TestProof:
    def test_belongs_to_one_action(self) -> None:
        with recorded(an_action()) as proof:
            assert isinstance(proof, Proof)
            assert proof.target == Target(type="thing", id="t1")


def test_every_refusal_of_the_ledger_has_a_hint() -> None:
    refusals: list[type[DomainError]] = [ActionRepeated, ActionKeyReused, ActionInProgress]

    assert all(each.hint for each in refusals)
