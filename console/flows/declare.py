"""The form of a start: by cron rule, or on an event.

Which attributes there are to be given follows from the goals, so the form is written again
when they change; what it means is for the engine to check.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict

from console.fields import JsonField, ScriptField
from console.flows.editor import LANGUAGES
from console.flows.start import (
    AnyField,
    OptionsForm,
    field_for,
    is_given,
    specs_of,
    written_labels,
)
from events.domain.errors import DomainError
from events.domain.json_pointer import pointer_to
from workflows.flows.domain.errors import GoalsUnknown, InputsMissing
from workflows.flows.domain.start import NAME_CHARS_MAX
from workflows.flows.domain.step import Attribute, Script
from workflows.flows.execution import engine, plans
from workflows.flows.models import FlowStart
from workflows.flows.triggers import starts
from workflows.work.domain.timing import Missed, ScheduleInvalid

CLOCK, EVENT = "cron", "event"
ADDRESSED = ("name", "goals", "by", "cron", "tz", "event")
"""What of the form may stand in its address."""
_POINTERS = {
    "/name": "name",
    "/id": "name",
    "/goals": "goals",
    "/cron": "cron",
    "/tz": "tz",
    "/missed": "missed",
    "/event": "event",
    "/filter/script": "filter",
    "/labels": "labels",
}
_MISSED = {
    Missed.SKIP: "skip them",
    Missed.MERGE: "one flow for all of them",
    Missed.ALL: "a flow for each of them",
}


class DeclareForm(OptionsForm):
    """`value.<attribute>` is a fixed value, `take.<attribute>` where it is in the event."""

    name = forms.CharField(
        max_length=NAME_CHARS_MAX,
        help_text="Lower case letters, digits, . _ + and -; its flows begin with it.",
    )
    goals = forms.CharField(
        label="Goals",
        max_length=10_000,
        help_text="Step ids, separated by spaces.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "data-addressed": "goals"}),
    )
    by = forms.ChoiceField(
        label="Flows start",
        choices=[(CLOCK, "on a schedule"), (EVENT, "on an event")],
        widget=forms.Select(attrs={"data-addressed": "by"}),
    )
    cron = forms.CharField(
        required=False,
        max_length=120,
        label="Cron rule",
        help_text="Minute, hour, day of the month, month, day of the week.",
        widget=forms.TextInput(
            attrs={"placeholder": "30 6 * * 1-5", "class": "mono", "data-addressed": "cron"}
        ),
    )
    tz = forms.CharField(
        required=False,
        max_length=60,
        label="Time zone",
        widget=forms.TextInput(attrs={"list": "zones", "data-addressed": "tz"}),
    )
    missed = forms.ChoiceField(
        label="Missed slots",
        help_text="Slots that came due while nothing was running.",
        choices=[(each.value, says) for each, says in _MISSED.items()],
        required=False,
    )
    event = forms.CharField(
        required=False,
        max_length=120,
        label="Event",
        widget=forms.TextInput(
            attrs={
                "list": "event-names",
                "placeholder": "booking.confirmed",
                "data-addressed": "event",
            }
        ),
    )
    language = forms.ChoiceField(
        required=False,
        label="Condition language",
        choices=[("", "any event"), *((each, each) for each in LANGUAGES)],
    )
    filter = ScriptField(
        required=False,
        strip=False,
        max_length=100_000,
        label="Only if",
        help_text="A condition on the event's data (value), such as value.amount_cents > 10000.",
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"}),
    )
    enabled = forms.BooleanField(required=False, label="Switched on")
    version = forms.IntegerField(
        required=False, min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput
    )

    def __init__(self, data: QueryDict | None, query: QueryDict, known: FlowStart | None) -> None:
        asked = {key: query[key] for key in ADDRESSED if key in query}
        super().__init__(data, label_suffix="", initial={**_initial_of(known), **asked})
        self.known = known
        self._values: dict[str, str] = {}
        self._takes: dict[str, str] = {}
        self.goals_unknown = ""
        if known is not None:
            del self.fields["name"]
        for name, spec in self._attributes():
            self._ask(name, spec)

    @property
    def slots(self) -> list[datetime]:
        """When the cron rule that is written in the form is due next; nothing if it is none."""
        rule, tz = self["cron"].value(), self["tz"].value()
        try:
            return starts.next_slots(cron=str(rule or ""), tz=str(tz or "")) if rule else []
        except ScheduleInvalid:
            return []

    @property
    def slots_fault(self) -> str:
        """Why there are none, if a rule is written and is not shown as wrong already."""
        rule, tz = self["cron"].value(), self["tz"].value()
        if not rule or self.errors.get("cron") or self.errors.get("tz"):
            return ""
        try:
            starts.next_slots(cron=str(rule), tz=str(tz or ""), count=1)
        except ScheduleInvalid as fault:
            return str(fault)
        return ""

    def rows(self) -> list[tuple[str, forms.BoundField, forms.BoundField]]:
        """Return the attributes, each with the field of its value and that of its path."""
        takes = {name: field for field, name in self._takes.items()}
        return [(name, self[field], self[takes[name]]) for field, name in self._values.items()]

    def stated(self) -> dict[str, Any]:
        """Return what the service is asked for. Valid forms only."""
        values = self.cleaned_data
        is_clock = values["by"] == CLOCK
        script = Script(language=values["language"], text=values["filter"])
        cause: dict[str, Any] = (
            {
                "cron": values["cron"],
                "tz": values["tz"] or "UTC",
                "missed": values["missed"] or Missed.SKIP.value,
            }
            if is_clock
            else {
                "event": values["event"],
                "filter": script if script.language or script.text else None,
                "takes": {
                    name: values[field] for field, name in self._takes.items() if values[field]
                },
            }
        )
        return {
            "name": self.known.name if self.known else values["name"],
            "goals": values["goals"].split(),
            "init": dict(self._init(is_clock=is_clock)),
            "labels": values["labels"],
            "options": self._options(),
            "enabled": values["enabled"],
            **cause,
        }

    def refuse(self, refusal: DomainError) -> None:
        """Put a refusal of the service beside the field that it is about."""
        match refusal:
            case InputsMissing():
                for name in refusal.facts["names"]:
                    field = f"value.{name}"
                    where = field if field in self.fields else None
                    self.add_error(where, "This is needed: give a value, or take it of the event.")
                return
            case GoalsUnknown():
                field = "goals"
            case _:
                field = _POINTERS.get(refusal.pointer or "", "")
        pointer = refusal.pointer or ""
        for take, name in self._takes.items():
            if pointer == pointer_to("takes", name):
                field = take
        if pointer == "/cron" and self.cleaned_data.get("by") == EVENT:
            field = "event"
        where = field if field in self.fields else None
        self.add_error(where, refusal.sentences if where is None else str(refusal))

    def expected_version(self) -> int:
        """Return the version that the form was written for. Valid forms only."""
        asked = self.cleaned_data["version"]
        return asked if asked is not None else self.known.version if self.known else 0

    def _options(self) -> dict[str, Any]:
        options = self.options()
        if self.known and "timeout_s" not in self.changed_data and "timeout_ms" in options:
            options["timeout_ms"] = self.known.options["timeout_ms"]  # To the millisecond.
        return options

    def _init(self, *, is_clock: bool) -> Iterator[tuple[str, list[Any]]]:
        known = self.known.init if self.known else {}
        for field, name in self._values.items():
            value = self.cleaned_data[field]
            is_taken = not is_clock and self.cleaned_data[f"take.{name}"]
            if is_taken or not is_given(self[field]):
                continue
            # Several values are written as one array, which is what they are.
            yield name, value if _has_several(known.get(name)) else [value]

    def _attributes(self) -> Iterator[tuple[str, Attribute | None]]:
        """Yield what the goals need first, then what their steps may be given, then the rest."""
        goals = str(self["goals"].value() or "").split()
        kept = {
            **(self.known.init if self.known else {}),
            **(self.known.takes if self.known else {}),
        }
        if goals:
            try:
                plan, missing = plans.ahead(engine.catalog(), goals, {})
            except DomainError as refusal:
                self.goals_unknown = str(refusal)
            else:
                specs = specs_of(plan)
                for name in missing:
                    yield name, specs.get(name)
                for name, spec in specs.items():
                    if spec.is_input and not spec.is_required and name not in plan.attributes:
                        yield name, spec
        for name in kept:
            yield name, None

    def _ask(self, name: str, spec: Attribute | None) -> None:
        field = f"value.{name}"
        if field in self.fields:
            return
        values = self.known.init.get(name) if self.known else None
        if _has_several(values):
            self.fields[field] = JsonField(
                kind=list, required=False, label=name, help_text="Several values, as a JSON array."
            )
            self.initial[field] = json.dumps(values, ensure_ascii=False)
        elif values == [""] and spec is not None and spec.type == "string":
            # An empty field is no value: as a text this one would be lost when it comes back.
            self.fields[field] = JsonField(
                kind=str, required=False, label=name, help_text="A JSON string: it is empty."
            )
            self.initial[field] = json.dumps("")
        else:
            self.fields[field] = field_for(name, spec, is_required=False)
            if values:
                self.initial[field] = _written(values[0], spec)
        self._values[field] = name
        self._takes[f"take.{name}"] = name
        self.fields[f"take.{name}"] = forms.CharField(
            required=False,
            max_length=1000,
            label=f"{name} of the event",
            widget=forms.TextInput(
                attrs={"placeholder": f"$.{name}", "class": "mono", "spellcheck": "false"}
            ),
        )
        if self.known and name in self.known.takes:
            self.initial[f"take.{name}"] = self.known.takes[name]


def _initial_of(known: FlowStart | None) -> dict[str, Any]:
    if known is None:
        return {"by": CLOCK, "tz": "UTC", "missed": Missed.SKIP.value, "enabled": True}
    options: Mapping[str, Any] = known.options
    timeout_ms = options.get("timeout_ms")
    return {
        "goals": " ".join(known.goals),
        "by": EVENT if known.event else CLOCK,
        "cron": known.cron,
        "tz": known.tz,
        "missed": known.missed,
        "event": known.event,
        "language": known.language,
        "filter": known.filter,
        "labels": written_labels(known.labels),
        "compensate": bool(options.get("compensate")),
        # Rounded up: what is shown must not be refused when it comes back as it is.
        "timeout_s": -(-timeout_ms // 1000) if timeout_ms else None,
        "concurrency_key": options.get("concurrency_key", ""),
        # A start that is off stays off until it is enabled.
        "enabled": known.enabled,
        "version": known.version,
    }


def _has_several(values: list[Any] | None) -> bool:
    return values is not None and len(values) > 1


def _written(value: Any, spec: Attribute | None) -> str:
    if isinstance(value, str) and (spec is not None and spec.type == "string"):
        return value
    # A text that reads as JSON would come back as what it reads as.
    if isinstance(value, str) and AnyField(required=False).clean(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
