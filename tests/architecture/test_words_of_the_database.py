"""Lists of words stand twice: as enums, and in the functions of PostgreSQL. They are equal."""

import re
from collections.abc import Iterable
from enum import StrEnum
from types import SimpleNamespace
from typing import cast

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from commerce.domain.chargebacks import ChargebackStatus
from commerce.domain.refunds import RefundStatus
from commerce.models.products import ProductStatus
from events.domain.envelope import Category, Source
from events.domain.principal import PrincipalKind
from ledger.domain import reversals
from ledger.domain.action import Kind, Status
from ledger.domain.approval import ApprovalStatus, Decision
from ledger.domain.capability import EVERY_PRINCIPAL, Risk
from ledger.domain.payload import RETENTIONS, PayloadKind, Redaction
from ledger.domain.policy import PolicyStatus
from ledger.domain.reversals import ENDING, Outcome, ReversalKind, StepKind
from workflows.work.domain.ends import Outcome as End
from workflows.work.domain.life import FINISHED, WAITING, State

pytestmark = pytest.mark.django_db

RETENTION_CLASSES = cast("Iterable[StrEnum]", [SimpleNamespace(value=name) for name in RETENTIONS])

RULES: dict[tuple[str, str, str], Iterable[StrEnum]] = {
    ("events_event", "category", "events_category_is_known"): Category,
    ("events_event", "source", "events_source_is_known"): Source,
    ("ledger_entry", "action_kind", "ledger_entry_kind_is_known"): Kind,
    ("ledger_entry", "status", "ledger_entry_status_is_known"): Status,
    ("ledger_entry", "evaluated_risk", "ledger_entry_risk_is_known"): Risk,
    ("ledger_entry", "principal_type", "ledger_entry_principal_is_known"): EVERY_PRINCIPAL,
    ("ledger_mutation", "reversal_kind", "ledger_mutation_reversal_is_known"): ReversalKind,
    ("commerce_product", "status", "commerce_product_status_is_known"): ProductStatus,
    ("ledger_payload", "kind", "ledger_payload_kind_is_known"): PayloadKind,
    ("ledger_payload", "redaction", "ledger_payload_redaction_is_known"): Redaction,
    ("ledger_payload", "retention", "ledger_payload_retention_is_known"): RETENTION_CLASSES,
    ("ledger_reversalstanding", "state", "ledger_standing_state_is_known"): reversals.State,
    ("work", "status", "work_state_is_known"): State,
    ("work_attempt", "outcome", "work_attempt_outcome_is_known"): End,
}
"""Table, column and rule, and the words that the rule lets through."""

DONE = {Status.SUCCEEDED, Status.REVERSED, Status.COMPENSATED}

SOME: dict[str, list[Iterable[StrEnum]]] = {
    "work_broken_rule": [FINISHED, {State.LEASED, State.CANCELLED}],
    "ledger_mutation_broken_rule": [
        ENDING,
        {Outcome.FULL, Outcome.PARTIAL},
        {StepKind.FAILED, StepKind.RETURNED},
    ],
    "ledger_payload_broken_rule": [{Redaction.TOMBSTONED, Redaction.CRYPTO_SHREDDED}],
    "ledger_reversalstanding_broken_rule": [Outcome, {Outcome.FULL, Outcome.PARTIAL}],
    "ledger_demand_entry": [DONE],
    "ledger_demand_entry_of_approval": [DONE],
    "ledger_entry_keeps_its_rules": [
        {risk for risk in Risk if risk.is_grave},
        {risk for risk in Risk if risk.is_grave},
        {Kind.CREATE, Kind.UPDATE, Kind.DELETE},
        {risk for risk in Risk if risk.is_grave},
        DONE,
        {Kind.APPROVE, Kind.REJECT},
    ],
    "work_claim_next": [WAITING],
    "ledger_payload_only_fades": [Redaction, {Redaction.TOMBSTONED, Redaction.CRYPTO_SHREDDED}],
}
"""The other lists in functions, in the order in which they stand there."""

WORDS: dict[str, Iterable[StrEnum]] = {
    "action_kind": Kind,
    "decision": Decision,
    "outcome": End,
    "redaction": Redaction,
    "reversal_kind": ReversalKind,
    "reversal_outcome": Outcome,
    "reversal_step": StepKind,
}
STATES: dict[str, Iterable[StrEnum]] = {
    "commerce_check_money_back": RefundStatus,
    "commerce_check_resolution": ChargebackStatus,
    "commerce_check_surplus": RefundStatus,
    "ledger_check_approval": ApprovalStatus,
    "ledger_check_policy": PolicyStatus,
    "ledger_demand_entry": Status,
    "ledger_entry_keeps_its_rules": Status,
    "work_claim": State,
    "work_claim_next": State,
    "work_complete": State,
    "work_forget": State,
    "work_hand_over": State,
    "work_hand_over_many": State,
    "work_broken_rule": State,
}
"""Whose states a function means, where it compares a `status`."""

_OF_RULES = re.compile(r"_keeps_its_rules$|_broken_rule$")
_LIST = re.compile(r"(?:\bIN\s*\(|\bARRAY\[)(\s*'[^)\]]*)[)\]]")
_WORD = re.compile(r"\b(\w+)\s*(?:=|<>)\s*'(\w+)'")
_CASE = re.compile(r"WHEN NOT \((.*)\) THEN '(\w+)'$", re.MULTILINE)


def functions() -> dict[str, str]:
    """Return the functions of the database and what they say."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
        return dict(cursor.fetchall())


def lists_of(source: str) -> list[list[str]]:
    return [re.findall(r"'([\w-]+)'", each) for each in _LIST.findall(source)]


def broken_by(table: str, column: str, word: str) -> str | None:
    """Return which rule of `table` a word breaks that stands alone: what is unknown is kept."""
    names = [f"{table}_broken_rule", f"{table}_keeps_its_rules"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, proargnames FROM pg_proc"
            " WHERE proname = ANY (%s) AND proargnames IS NOT NULL",
            [names],
        )
        [(function, columns)] = cursor.fetchall()
        given = ", ".join("%s" if each == column else "NULL" for each in columns)
        try:
            with transaction.atomic():
                cursor.execute(f"SELECT {function}({given})", [word])
                [(definition,)] = cursor.fetchall()
                return definition if function == names[0] else None
        except IntegrityError as error:
            cause = cast("psycopg.Error", error.__cause__)
            return cause.diag.constraint_name


@pytest.mark.parametrize(("table", "column", "rule"), RULES)
def test_a_rule_knows_every_word_of_its_enum_and_no_other(
    table: str, column: str, rule: str
) -> None:
    words = {word.value for word in RULES[table, column, rule]}

    refused = {word for word in words if broken_by(table, column, word) == rule}
    foreign = {word.upper() for word in words} | {"nonsense", ""}
    let_through = {word for word in foreign if broken_by(table, column, word) != rule}

    assert (refused, let_through) == (set(), set())


def test_every_rule_that_is_a_list_is_compared_with_an_enum() -> None:
    found = {}
    for name, source in functions().items():
        for condition, rule in _CASE.findall(source):
            if rule.endswith("_known"):
                [words] = lists_of(condition)
                table, column = re.sub(_OF_RULES, "", name), condition.split()[0]
                found[table, column, rule] = sorted(words)

    assert found == {at: sorted(each.value for each in words) for at, words in RULES.items()}


def test_every_other_list_in_a_function_means_what_python_means() -> None:
    found = {}
    for name, source in functions().items():
        rest = "\n".join(line for line in source.splitlines() if not line.endswith("_known'"))
        if lists := lists_of(rest):
            found[name] = [sorted(words) for words in lists]

    assert found == {
        name: [sorted(each.value for each in words) for words in lists]
        for name, lists in SOME.items()
    }


def test_the_rule_of_personal_content_names_every_class_of_it() -> None:
    named = re.findall(r"retention <> '([^']+)'", functions()["ledger_payload_broken_rule"])

    assert named == [each.name for each in RETENTIONS.values() if each.is_personal]


def test_the_steps_by_which_content_fades_stand_in_their_order() -> None:
    steps = lists_of(functions()["ledger_payload_only_fades"])[0]

    assert steps == [each.value for each in Redaction]


def test_no_function_compares_with_a_word_that_does_not_exist() -> None:
    unknown = [
        (name, column, word)
        for name, source in functions().items()
        for column, word in _WORD.findall(source)
        if column in WORDS or column == "status"
        if word not in {each.value for each in WORDS.get(column) or STATES.get(name, ())}
    ]

    assert unknown == []


def test_a_person_who_decides_is_of_a_kind_that_exists() -> None:
    kinds = re.findall(r"NOT LIKE '(\w+):%'", functions()["ledger_check_vote"])

    assert set(kinds) == {PrincipalKind.USER, PrincipalKind.API_KEY}
