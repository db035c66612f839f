"""Stores the results of memoizable steps in the database."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.utils import timezone

from events.domain.canonical import fingerprint
from workflows.flows.domain.step import Step
from workflows.flows.models import Remembered

_NOT_FUNCTIONAL = frozenset({"id", "name", "labels"})


def find_outputs(step: Step, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the outputs that `step` once gave for `inputs`, None if it never did."""
    found = Remembered.objects.filter(key=_key(step, inputs)).values_list("outputs", flat=True)
    for outputs in found:
        remembered: dict[str, Any] = orjson.loads(outputs)
        return remembered
    return None


def keep_outputs(step: Step, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None) -> None:
    """Keep what `step` gave, in the caller's transaction. The first answer stays."""
    Remembered.objects.bulk_create(
        [
            Remembered(
                key=_key(step, inputs),
                outputs=orjson.dumps(dict(outputs or {})).decode(),
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
