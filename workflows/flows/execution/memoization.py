"""Stores the results of memoizable steps in the database."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.utils import timezone

from events.domain.canonical import fingerprint
from workflows.flows.domain.flow import Flow, WorkStatus
from workflows.flows.domain.step import Step
from workflows.flows.domain.work_items import item_inputs
from workflows.flows.models import Remembered

_NOT_FUNCTIONAL = frozenset({"id", "name", "labels"})


def find_outputs(step: Step, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the outputs that `step` once gave for `inputs`, None if it never did."""
    found = Remembered.objects.filter(key=_key(step, inputs)).values_list("outputs", flat=True)
    for outputs in found:
        remembered: dict[str, Any] = orjson.loads(outputs)
        return remembered
    return None


def keep_outputs(flow: Flow, step: Step, token: str) -> None:
    """Keep what an item of `flow` has given, in the caller's transaction. The first answer stays.

    Only what is on record is kept: not what came too late, or could not be recorded.
    """
    execution = flow.executions[step.id]
    item = execution.items[token]
    if item.status is not WorkStatus.SUCCEEDED:
        return
    Remembered.objects.bulk_create(
        [
            Remembered(
                key=_key(step, item_inputs(execution, item)),
                outputs=orjson.dumps(dict(item.outputs or {})).decode(),
                made_at=timezone.now(),
            )
        ],
        ignore_conflicts=True,
    )


def _key(step: Step, inputs: Mapping[str, Any]) -> str:
    definition = {
        name: value for name, value in step.as_json().items() if name not in _NOT_FUNCTIONAL
    }
    return fingerprint([definition, dict(inputs)])
