"""Policies with which an installation begins are part of the program: `migrate` trusts them."""

from importlib import import_module

import pytest
from django.apps import apps
from django.utils.module_loading import module_has_submodule

from ledger.approving import conditions
from ledger.services.approval_policies import Terms

DECLARED: list[Terms] = [
    terms
    for app in apps.get_app_configs()
    if app.module and module_has_submodule(app.module, "approval_policies")
    for terms in import_module(f"{app.name}.approval_policies").POLICIES
]


@pytest.mark.parametrize("terms", DECLARED, ids=lambda terms: terms.name)
def test_the_conditions_of_every_declared_policy_compile(terms: Terms) -> None:
    conditions.check(terms.condition)
    conditions.check(terms.escalate_when)


def test_the_policies_of_the_trade_are_among_the_declared() -> None:
    assert {"agent-action-approval", "invoice-issue-approval"} <= {each.name for each in DECLARED}
