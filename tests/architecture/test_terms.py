"""What a service is asked with is in the terms of its action: so an approval is bound to it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import Function, functions, name_of, service_files
from workflows.flows.triggers import starts

NO_TERMS = frozenset(
    {
        "expected_version",
        "proof",
        "claim",
        "is_fresh",
        "issuer",
        "caller",
        "decider",
        "taken",
        "job",
    }
)
"""Preconditions, who works and who asks: they say nothing of what is to be done."""
OF_ITS_OWN = {
    # Steps of an approval: none is asked for.
    "ledger/services/approvals.py": {"cancel_approval", "decide_approval", "delegate_approval"},
    # What undoes an action is a command, whose service names its terms.
    "ledger/services/reversals.py": {"execute_reversal"},
    # The terms are those of each in turn.
    "ledger/services/approval_policies.py": {"install_policies"},
    # Not what is asked for: how a request for it is found again.
    "commerce/services/actions.py": {"action_on"},
    # How it is drawn, said by the code of a test.
    "commerce/services/renditions.py": {"generate_invoice_document"},
    # What goes wrong with one of its references is noted; nobody asked for that.
    "commerce/services/settlement.py": {"poll_invoice_settlement"},
}
UNBOUND = frozenset({"workflow_run_id", "workflow_step_id", "amends", "delegated_by", "reference"})
"""What an action says for its entry alone."""


def test_what_a_service_is_asked_with_is_in_the_terms_of_its_action() -> None:
    found = {
        name: missing
        for path in [*service_files(), Path(starts.__file__)]
        for name, missing in unnamed(path).items()
        if name not in OF_ITS_OWN.get(name_of(path), set())
    }

    assert found == {}


def test_the_walk_finds_a_term_that_nobody_agrees_to(tmp_path: Path) -> None:
    path = tmp_path / "services.py"
    path.write_text(
        "def sell(*, thing, price, to, why):\n"
        "    asked = {'to': to}\n"
        "    with recorded(_action('thing.sell', thing, asked, reason=why)):\n"
        "        pass\n"
        "def _action(name, thing, asked, *, reason) -> Action:\n"
        "    return Action(name=name, target=thing, input=asked, workflow_run_id=reason)\n"
    )

    assert unnamed(path) == {"sell": {"price"}}


def makers(path: Path) -> set[str]:
    """Return the names of the functions of a module that make an action, or hand on to one."""
    made = {one.name for one in functions(path) if _returned(one) == "Action"} | {"Action"}
    made |= {"action_on", "action_of", "on_step", "on_flow", "starting", "forking", "on_start"}
    while more := {
        one.name
        for one in functions(path)
        if one.name.startswith("_") and one.name not in made and list(_calls(one, made))
    }:
        made |= more
    return made


def unnamed(path: Path) -> dict[str, set[str]]:
    """Return of each service that makes an action the arguments that it leaves out of it."""
    made = makers(path)
    found = {
        one.name: _parameters(one) - _said(one, made) - NO_TERMS
        for one in functions(path)
        if not one.name.startswith("_") and list(_calls(one, made))
    }
    return {name: missing for name, missing in found.items() if missing}


def _parameters(function: Function) -> set[str]:
    stated = function.args
    every = [*stated.posonlyargs, *stated.args, *stated.kwonlyargs, stated.kwarg]
    return {one.arg for one in every if one is not None}


def _said(function: Function, made: set[str]) -> set[str]:
    names = {name for call in _calls(function, made) for name in _names_of_call(call)}
    while (
        more := {
            name
            for node in ast.walk(function)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
            and _targets(node) & names
            and node.value is not None
            for name in _names(node.value)
        }
        - names
    ):
        names |= more
    return names


def _calls(function: Function, made: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in made:
                yield node


def _names_of_call(call: ast.Call) -> set[str]:
    bound = [one.value for one in call.keywords if one.arg not in UNBOUND]
    return {name for part in [*call.args, *bound] for name in _names(part)}


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _targets(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {name for target in targets for name in _names(target)}


def _returned(function: Function) -> str:
    return ast.unparse(function.returns) if function.returns else ""
