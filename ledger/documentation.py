"""Generates docs/capabilities.md from the registry."""

from events.domain.principal import PrincipalKind
from ledger import capabilities
from ledger.domain.capability import EVERY_PRINCIPAL, Capability

_HEAD = """# Capabilities

Made by `manage.py capabilities_docs` from the registry; do not edit. Each is a Django permission
(`ledger.<id>`), a scope of API keys and of delegations, and what an entry of the ledger names.
The risk is a floor: where it says so, facts can make an action graver. What is high or critical
is always recorded, done or refused. An agent holds what its whole chain and its owner hold.

| capability | meaning | risk | for | on one object | record | needs too | approval | undone by |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def markdown() -> str:
    """Return the text of docs/capabilities.md."""
    return _HEAD + "".join(map(_row, capabilities.every()))


def _row(capability: Capability) -> str:
    cells = (
        f"`{capability.id}`",
        capability.meaning,
        f"{capability.risk.value}{' and up' if capability.weigh else ''}",
        _principals(capability.principals),
        f"`{capability.object_permission}`" if capability.object_permission else "",
        capability.ledger.value,
        _grants(capability),
        capability.approval.value,
        f"`{capability.reversal}`" if capability.reversal else "",
    )
    return f"| {' | '.join(cells)} |\n"


def _principals(principals: frozenset[PrincipalKind]) -> str:
    if principals == EVERY_PRINCIPAL:
        return "everybody"
    return ", ".join(sorted(kind.value.replace("_", " ") for kind in principals))


def _grants(capability: Capability) -> str:
    needed = [f"`{id_}`" for id_ in sorted(capability.all_of)]
    if capability.any_of:
        needed.append("one of " + ", ".join(f"`{id_}`" for id_ in sorted(capability.any_of)))
    return " and ".join(needed)
