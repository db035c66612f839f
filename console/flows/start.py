"""The form that starts a flow: a field for each attribute that the plan requires."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from console.fields import JsonField, LabelField
from events.domain.errors import DomainError
from workflows.flows.domain import ids
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.step import Attribute

TIMEOUT_S_MAX = 366 * 86_400
_FIELDS = {"/id": "flow_id", "/labels": "labels"}
_TYPES: dict[str, type] = {"object": dict, "array": list}


class LabelsField(forms.CharField):
    """Labels with commas between them: `env=prod, team=sales`; or any, as a JSON object."""

    def clean(self, value: Any) -> dict[str, str]:
        """Return them.

        :raises ValidationError: if one of them is no label.
        """
        text = super().clean(value)
        if text.startswith("{"):
            return self._of_json(text)
        one = LabelField(required=False)
        pairs = (one.clean(part) for part in text.split(",") if part.strip())
        return dict(pair for pair in pairs if pair is not None)

    def _of_json(self, text: str) -> dict[str, str]:
        labels: dict[str, Any] = JsonField(kind=dict).clean(text)
        if not all(isinstance(one, str) for one in labels.values()):
            raise forms.ValidationError("Every label is a text.")
        return labels


def written_labels(labels: Mapping[str, str]) -> str:
    """Return labels as `LabelsField` reads them: as JSON where commas or blanks would be lost."""
    text = ", ".join(f"{key}={value}" for key, value in labels.items())
    try:
        is_kept = LabelsField(required=False).clean(text) == labels
    except forms.ValidationError:
        is_kept = False
    return text if is_kept else json.dumps(labels, ensure_ascii=False)


class NumberField(JsonField):
    """A number, as JSON writes it."""

    def clean(self, value: Any) -> Any:
        """Return it.

        :raises ValidationError: if it is none.
        """
        found = super().clean(value)
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not is_number and _is_written(value):
            raise forms.ValidationError("Write a number.")
        return found


class AnyField(JsonField):
    """A value of an attribute without a type: JSON, or else the text as it stands."""

    def clean(self, value: Any) -> Any:
        """Return the value.

        :raises ValidationError: if it begins as JSON does and is none.
        """
        text = str(value or "").strip()
        if text.startswith(("{", "[", '"')):
            return super().clean(text)
        try:
            return super().clean(text)
        except forms.ValidationError:
            if not text:
                raise
            return text


def is_given(field: forms.BoundField) -> bool:
    """Return whether a field has a value: `null` is one, too. Valid forms only."""
    return field.form.cleaned_data[field.name] is not None or _is_written(field.value())


def _is_written(value: Any) -> bool:
    return bool(str(value or "").strip())


class OptionsForm(forms.Form):
    """What may be said of any flow that is to start."""

    labels = LabelsField(
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs={"placeholder": "env=prod, team=sales"}),
    )
    compensate = forms.BooleanField(
        required=False, label="If it fails, compensate its completed steps"
    )
    timeout_s = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=TIMEOUT_S_MAX,
        label="Deadline, in seconds",
    )
    concurrency_key = forms.CharField(
        required=False,
        max_length=200,
        help_text="One active flow per key.",
    )

    def option_fields(self) -> list[forms.BoundField]:
        """Return the fields of labels and options."""
        return [self[name] for name in OptionsForm.base_fields]

    def options(self) -> dict[str, Any]:
        """Return the options that are set. Valid forms only."""
        values = self.cleaned_data
        timeout = values["timeout_s"]
        options = {
            "compensate": values["compensate"],
            "concurrency_key": values["concurrency_key"],
            "timeout_ms": timeout * 1000 if timeout else None,
        }
        return {name: value for name, value in options.items() if value}


class StartForm(OptionsForm):
    """`init.<attribute>` is the value of one attribute; what is left empty is not given."""

    flow_id = forms.CharField(
        label="Id of the flow",
        max_length=ids.FLOW_ID_BYTES_MAX,
        help_text="Starting the same id with the same values again has no effect.",
    )

    def __init__(
        self, query: Any, *, plan: Plan, missing: Iterable[str], given: Iterable[str], flow_id: str
    ) -> None:
        super().__init__(query, label_suffix="", initial={"flow_id": flow_id})
        specs = specs_of(plan)
        self._init: dict[str, str] = {}
        for name in missing:
            self._ask(name, specs.get(name), is_required=True)
        for name in given:
            self._ask(name, specs.get(name), is_required=True)
        for name, spec in specs.items():
            if not spec.is_required and spec.is_input and name not in plan.attributes:
                self._ask(name, spec, is_required=False)

    def init_fields(self) -> list[forms.BoundField]:
        """Return the fields of attributes."""
        return [self[field] for field in self._init]

    def asked(self) -> dict[str, Any]:
        """Return what the service is asked for, but for the goals. Valid forms only."""
        values = self.cleaned_data
        return {
            "flow_id": values["flow_id"],
            "labels": values["labels"],
            "init": {
                name: [values[field]] for field, name in self._init.items() if is_given(self[field])
            },
            "options": self.options(),
        }

    def refuse(self, refusal: DomainError) -> None:
        """Put a refusal of the service beside the field that it is about."""
        self.add_error(_FIELDS.get(refusal.pointer or ""), refusal.sentences)

    def _ask(self, name: str, spec: Attribute | None, *, is_required: bool) -> None:
        field = f"init.{name}"
        if field not in self.fields:
            self._init[field] = name
            self.fields[field] = field_for(name, spec, is_required=is_required)


def specs_of(plan: Plan) -> Mapping[str, Attribute]:
    """Return how the steps of a plan declare the attributes that they take, required ones first."""
    taken = [pair for step in plan.steps.values() for pair in step.inputs()]
    return dict(sorted(taken, key=lambda pair: pair[1].is_required))


def field_for(name: str, spec: Attribute | None, *, is_required: bool) -> forms.Field:
    """Return the field for the value of one attribute, by how it is declared."""
    type_ = spec.type if spec else ""
    common: dict[str, Any] = {"required": is_required, "label": name}
    match type_:
        case "string":
            return forms.CharField(max_length=100_000, strip=False, empty_value=None, **common)
        case "boolean":
            choices = [("", "…"), ("true", "true"), ("false", "false")]
            return forms.TypedChoiceField(
                choices=choices, coerce=json.loads, empty_value=None, **common
            )
        case "null":
            choices = [("", "…"), ("null", "null")]
            return forms.TypedChoiceField(
                choices=choices, coerce=json.loads, empty_value=None, **common
            )
        case "number":
            return NumberField(help_text="A number.", **common)
        case "object" | "array":
            return JsonField(
                kind=_TYPES[type_], help_text=f"A JSON {type_}.", widget=_area(), **common
            )
        case _:
            return AnyField(help_text="JSON; anything else is taken as text.", **common)


def _area() -> forms.Textarea:
    return forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"})
