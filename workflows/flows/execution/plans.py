"""The plan cache of the process: the same goals of the same catalog are planned once.

A plan depends on the catalog, the goals, and which attributes are supplied. Where a script
reads their values it depends on those too, and is not cached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step import Script
from workflows.flows.languages.in_place import InPlace

KEPT_MAX: Final = 256

_Key = tuple[tuple[str, ...], tuple[str, ...]]
"""The goals, and the attributes that have values, both in their order."""


@dataclass(frozen=True, slots=True)
class _Made:
    catalog: Catalog
    plan: Plan


_made: dict[_Key, _Made] = {}


def make(catalog: Catalog, goals: Sequence[str], init: Mapping[str, Sequence[Any]]) -> Plan:
    """Return the plan of a flow, as `make_plan` does and with its refusals."""
    key = (tuple(goals), tuple(name for name, values in init.items() if values))
    known = _made.get(key)
    # The state of the catalog is another object after each of its events.
    if known is not None and known.catalog is catalog:
        return known.plan
    asked = _Asked()
    plan = make_plan(catalog, goals, init, matches=asked.matches)
    if not asked.anything:
        if len(_made) >= KEPT_MAX:
            _made.clear()
        _made[key] = _Made(catalog, plan)
    return plan


def ahead(
    catalog: Catalog, goals: Sequence[str], init: Mapping[str, Sequence[Any]]
) -> tuple[Plan, list[str]]:
    """Return the plan with which a flow would start, or one that shows what init must have first.

    The second has the providers that lack something too, as a preview of Argyll has; but not
    those of optional inputs, for which no flow waits. Refuses as `make_plan` does.
    """
    plan = make(catalog, goals, init)
    missing = _missing(plan, init)
    if not missing:
        return plan, []
    preview = make_plan(
        catalog, goals, init, matches=InPlace().matches, is_preview=True, only_required=True
    )
    return preview, _missing(preview, init) or missing


def _missing(plan: Plan, init: Mapping[str, Sequence[Any]]) -> list[str]:
    return [name for name in plan.required if not init.get(name)]


class _Asked:
    """Whether a script had a word in a plan."""

    def __init__(self) -> None:
        self.anything = False
        self._languages = InPlace()

    def matches(self, script: Script, value: Any) -> bool:
        self.anything = True
        return self._languages.matches(script, value)
