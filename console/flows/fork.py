"""The form of a fork: from which step, under which id, with which values replaced."""

import json
from typing import Any

from django import forms

from console.fields import JsonField
from console.forms import ReasonForm
from events.domain.canonical import first_difference
from events.domain.errors import DomainError
from events.domain.json_pointer import pointer_to
from workflows.flows import selectors
from workflows.flows.domain import ids
from workflows.flows.domain.flow import Flow, StepStatus

_FIELDS = {"/id": "new_flow_id", "/from_step": "from_step"}


class ForkForm(ReasonForm):
    """`init.<name>` holds the values that one attribute has in the original, given or made."""

    from_step = forms.ChoiceField(label="Restart from")
    new_flow_id = forms.CharField(
        label="Id of the new flow", max_length=ids.FLOW_ID_BYTES_MAX, strip=True
    )

    def __init__(self, query: Any, *, original: Flow, from_step: str) -> None:
        first = from_step if from_step in original.plan.steps else _suggested(original)
        super().__init__(
            query,
            label_suffix="",
            initial={"from_step": first, "new_flow_id": _new_id(original.id)},
        )
        self.fields["from_step"].choices = [  # type: ignore[attr-defined]
            (key, f"{key} ({original.executions[key].status.value})") for key in original.plan.steps
        ]
        self._values = {
            **{name: [one.value for one in values] for name, values in original.attributes.items()},
            **original.init,
        }
        self._init = {f"init.{name}": name for name in self._values}
        for field, name in self._init.items():
            self.fields[field] = JsonField(
                kind=list,
                required=False,
                help_text="Leave empty to keep the current values.",
                label=f"{name}: its values, as a JSON array",
                initial=_written(self._values[name]),
                widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"}),
            )
        self.order_fields(["from_step", "new_flow_id", *self._init, "reason"])

    def asked(self) -> dict[str, Any]:
        """Return what the service is asked for. Valid forms only."""
        return {
            "new_flow_id": self.cleaned_data["new_flow_id"],
            "from_step": self.cleaned_data["from_step"],
            "init": {
                name: self.cleaned_data[field]
                for field, name in self._init.items()
                if self.cleaned_data[field] is not None
                and first_difference(self.cleaned_data[field], self._values[name])
            },
            "reason": self.cleaned_data["reason"],
        }

    def refuse(self, refusal: DomainError) -> None:
        """Put a refusal of the service beside the field that it is about."""
        pointers = _FIELDS | {pointer_to("init", name): key for key, name in self._init.items()}
        self.add_error(pointers.get(refusal.pointer or ""), refusal.sentences)


def _suggested(flow: Flow) -> str:
    """Return the step that failed first, else the first of the plan."""
    failed = [key for key, one in flow.executions.items() if one.status == StepStatus.FAILED]
    return next(iter(failed or flow.plan.steps), "")


_FORK = "-fork"
_NUMBER_CHARS_MAX = 8


def _new_id(flow_id: str) -> str:
    """Return an id that no flow has: the same fork under a known id would start nothing."""
    # Clients cannot write the colons of a child's id.
    beginning = ids.sanitized(flow_id)[: ids.FLOW_ID_BYTES_MAX - len(_FORK) - _NUMBER_CHARS_MAX]
    return selectors.free_id(f"{beginning}{_FORK}")


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
