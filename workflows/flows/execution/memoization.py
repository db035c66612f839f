"""Stores the results of memoizable steps in the database, for so many days.

Argyll keeps a number of them in memory until it is restarted. A step that is asked again gives the
same, so it only costs a call to forget what it gave.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from django.utils import timezone

from events.domain.canonical import fingerprint
from workflows.flows import conf
from workflows.flows.domain.flow import Flow, WorkStatus
from workflows.flows.domain.step import Step
from workflows.flows.domain.work_items import item_inputs
from workflows.flows.models import Remembered

ANSWERS_PER_PAGE = 500
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


def forget_old() -> int:
    """Forget the outputs that are older than the setting says, page by page; return how many."""
    before = timezone.now() - timedelta(days=conf.current().remembered_days)
    old = Remembered.objects.filter(made_at__lt=before).order_by("made_at")
    forgotten = 0
    while keys := list(old.values_list("key", flat=True)[:ANSWERS_PER_PAGE]):
        forgotten += Remembered.objects.filter(key__in=keys).delete()[0]
    return forgotten


def _key(step: Step, inputs: Mapping[str, Any]) -> str:
    definition = {
        name: value for name, value in step.as_json().items() if name not in _NOT_FUNCTIONAL
    }
    return fingerprint([definition, dict(inputs)])
