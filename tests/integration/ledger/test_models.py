"""What the tables of the ledger refuse by themselves."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.utils import timezone

from events import context
from events.domain.principal import Principal, PrincipalKind
from events.ids import new_id
from ledger.domain.action import Action, Kind, Target
from ledger.models import ApiKey, Entry, Mutation
from ledger.recording import recorded
from tests.integration.ledger.conftest import issue


class TestApiKey:
    @pytest.mark.parametrize(
        "change",
        [
            {"digest": "not hashed"},
            {"scopes": []},
            {"expires_at": timezone.now() + timedelta(days=400)},
            {"prefix": "UPPER-CASE!!"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_refuses_what_no_service_would_write(self, alice: User, change: dict[str, Any]) -> None:
        issue(alice, ["*"])

        with pytest.raises(IntegrityError):
            ApiKey.objects.update(**change)


class TestEntry:
    ACTION = Action(
        name="note.keep",
        kind=Kind.EXECUTE,
        target=Target(type="note", id="n"),
        capability="api_key.revoke",
    )

    @pytest.fixture
    def entry(self, transactional_db: None) -> Entry:
        with context.acting(Principal(kind=PrincipalKind.USER, id="7")), recorded(self.ACTION):
            pass
        return Entry.objects.get()

    def test_refuses_another_transaction_than_its_own(self, entry: Entry) -> None:
        entry.id = new_id()

        with pytest.raises(IntegrityError, match="another transaction than its own"):
            entry.save(force_insert=True)

        assert Entry.objects.count() == 1

    def test_takes_no_detail_but_its_own(self, entry: Entry) -> None:
        with pytest.raises(IntegrityError, match="append-only: INSERT refused"):
            Mutation.objects.create(entry_id=new_id())

        assert Mutation.objects.get().entry_id == entry.pk

    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            ({"digest": "0" * 64}, "ledger_entry_is_digested"),
            ({"action_version": 0}, "ledger_entry_versions_start_at_one"),
            ({"capability_version": -1}, "ledger_entry_versions_start_at_one"),
            ({"target_id": ""}, "ledger_entry_says_who_and_what"),
            ({"idempotency_key": "k"}, "ledger_entry_key_has_a_scope"),
            ({"delegated_by_id": "7"}, "ledger_entry_delegation_is_whole"),
        ],
        ids=lambda each: next(iter(each)) if isinstance(each, dict) else each,
    )
    def test_refuses_a_row_that_breaks_a_rule(
        self, entry: Entry, change: dict[str, Any], rule: str
    ) -> None:
        entry.id = new_id()
        for name, value in change.items():
            setattr(entry, name, value)

        with pytest.raises(IntegrityError, match=rule):
            entry.save(force_insert=True)

    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            ({"reversal_kind": "odd"}, "ledger_mutation_reversal_is_known"),
            ({"reversal_command_id": "note.drop"}, "ledger_mutation_names_what_undoes_it"),
            ({"reversal_amount_cents": 0}, "ledger_mutation_declared_amount_is_positive"),
            ({"reverses_id": str(new_id())}, "ledger_reversal_step_has_an_original"),
            ({"reversal_step": "begun"}, "ledger_reversal_step_has_an_original"),
            ({"reversal_number": 1}, "ledger_reversal_step_has_an_original"),
            ({"reversal_outcome": "full"}, "ledger_reversal_outcome_fits_its_step"),
            ({"reversed_cents": -1}, "ledger_reversed_amount_is_not_negative"),
            ({"reversal_command_version": 0}, "ledger_reversal_version_starts_at_one"),
        ],
        ids=lambda each: next(iter(each)) if isinstance(each, dict) else each,
    )
    def test_refuses_a_change_that_breaks_a_rule_in_one_column_alone(
        self, entry: Entry, change: dict[str, Any], rule: str
    ) -> None:
        row = json.dumps({"id": str(new_id()), **change})

        with pytest.raises(IntegrityError, match=rule), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ledger_entry"
                " SELECT (jsonb_populate_record(e, %s::jsonb)).* FROM ledger_entry e",
                [row],
            )
