"""The form of a step: converts a definition to fields, and back.

What a definition may hold is not decided here: the form makes a document, the engine
reads and checks it, and each of its messages goes back beside the field that it is about.
Only what is typed as a URL has to look like one.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.forms import BaseFormSet, formset_factory

from console.fields import ScriptField
from console.flows.start import LabelsField, written_labels
from events.domain.canonical import filled
from events.domain.errors import DomainError
from events.domain.json_pointer import pointer_to
from ledger.domain.capability import Risk
from workflows.flows.domain.errors import StepExists
from workflows.flows.domain.step import Attribute, Collect, Effect, Role, Step, StepType
from workflows.flows.domain.validation import BACKOFF_TYPES, METHODS
from workflows.flows.domain.value_types import ATTRIBUTE_TYPES
from workflows.flows.execution.approval_requests import DEFAULT_POLICY
from workflows.flows.steps import callables

ATTRIBUTES_MAX = 200
LANGUAGES = ("ale", "lua", "cel", "jpath")
_CHARS_MAX = 100_000
_OWN = {StepType.PYTHON: {"callable", "compensate"}, StepType.WAIT: {"for_ms", "event", "filter"}}
_EVERY = ("id", "name", "type", "labels", "memoizable")
PARTS = (
    ("http", "The call"),
    ("script", "The script"),
    ("flow", "The child flow"),
    ("python", "The function"),
    ("wait", "The wait"),
    ("approval", "The approval"),
)
_SHORT = {
    "/http": "http.endpoint",
    "/script": "script.script",
    "/predicate": "predicate.script",
    "/flow": "flow.goals",
    "/python": "python.callable",
    "/wait": "wait.for_ms",
}


def _text(label: str, hint: str = "", **attrs: Any) -> forms.CharField:
    widget = forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", **attrs})
    return forms.CharField(
        required=False, max_length=_CHARS_MAX, label=label, help_text=hint, widget=widget
    )


def _url(label: str, hint: str = "") -> forms.CharField:
    # The API takes any text here, as Argyll does; a person has mistyped it.
    field = _text(label, hint)
    field.validators.append(
        RegexValidator(r"^https?://[^\s/]", "Give a URL that begins with http:// or https://.")
    )
    return field


def _area(label: str, *, rows: int = 3) -> ScriptField:
    widget = forms.Textarea(attrs={"rows": rows, "class": "mono", "spellcheck": "false"})
    return ScriptField(
        required=False,
        strip=False,
        max_length=_CHARS_MAX,
        label=label,
        widget=widget,
    )


def _choice(label: str, values: Any, *, blank: str | None = "…") -> forms.ChoiceField:
    empty = [] if blank is None else [("", blank)]
    choices = [*empty, *((str(value), str(value)) for value in values if value)]
    return forms.ChoiceField(required=False, label=label, choices=choices)


def _whole(label: str, hint: str = "") -> forms.IntegerField:
    # The engine says which numbers are too small; those that no column holds stop here.
    return forms.IntegerField(
        required=False, min_value=-(2**53), max_value=2**53, label=label, help_text=hint
    )


class AttributeForm(forms.Form):
    """One attribute; a row without a name is none."""

    name = _text("Name")
    role = _choice("Role", Role, blank=None)
    type = _choice("Type", sorted(ATTRIBUTE_TYPES), blank="untyped")
    for_each = forms.BooleanField(required=False, label="One work item for each element")
    collect = _choice("If there are several values", Collect, blank="first")
    default = _text("Default", "JSON; for optional inputs.")
    deadline = _whole("Deadline", "Milliseconds; for optional inputs.")
    value = _text("Value", "JSON; for constants.")
    key = _text("Meta key", "Such as flow_id; for meta values.")
    mapping__name = _text("Name inside the step")
    mapping__language = _choice("Mapping language", LANGUAGES)
    mapping__script = _area("Mapping", rows=2)
    match__language = _choice("Match language", LANGUAGES)
    match__script = _area("Only values that match", rows=2)

    def has_details(self) -> bool:
        """Whether something is set beyond name, role and type."""
        return any(self[name].value() for name in list(self.fields)[3:])

    def document(self, known: Attribute | None) -> dict[str, Any]:
        """Return the attribute's definition. Valid forms only.

        An empty object of the role is there if it is in the `known` definition: the two
        compare as different.
        """
        values = self.cleaned_data
        config = {
            "collect": values["collect"],
            "for_each": values["for_each"],
            "default": values["default"],
            "deadline": values["deadline"],
            "value": values["value"],
            "key": values["key"],
            "mapping": filled(
                name=values["mapping__name"],
                script=_script(values["mapping__language"], values["mapping__script"]),
            ),
            "match": _script(values["match__language"], values["match__script"]),
        }
        role, settings = values["role"], filled(**config)
        is_kept = known is not None and role in known.config_keys
        own = {role: settings} if settings or is_kept else {}
        return {"role": role, **filled(type=values["type"]), **own}


AttributeForms = formset_factory(
    AttributeForm, extra=1, max_num=ATTRIBUTES_MAX, validate_max=True, absolute_max=ATTRIBUTES_MAX
)


class StepForm(forms.Form):
    """All that a step may have; which parts count depends on its type."""

    def __init__(self, data: Any, *, known: Step | None, type_: str) -> None:
        document = known.as_json() if known else {"type": type_}
        super().__init__(data, label_suffix="", initial=dict(_flat(document)))
        self.known = known
        self.attributes: BaseFormSet[AttributeForm] = AttributeForms(
            data, prefix="a", initial=list(_rows(document)), form_kwargs={"label_suffix": ""}
        )
        self.fields |= _fields(is_new=known is None)

    def own_fields(self) -> list[forms.BoundField]:
        """Return the fields that every type has."""
        return [self[name] for name in _EVERY if name in self.fields]

    def is_valid(self) -> bool:
        """Return whether the fields can be read; what they mean is for the engine to check."""
        # Both are asked, so that every field shows its fault at once.
        return all([super().is_valid(), self.attributes.is_valid()])

    def document(self) -> dict[str, Any]:
        """Return the definition that the fields say. Valid forms only."""
        values = self.cleaned_data
        type_ = values["type"]
        nested: dict[str, Any] = {}
        for name in self.fields:
            part, _, member = name.partition(".")
            if member and values[name] not in (None, ""):
                nested.setdefault(part, {})[member] = values[name]
        named = [form for form in self.attributes if form.cleaned_data.get("name")]
        self.rows = {form.cleaned_data["name"]: form for form in named}
        known = self.known.attributes if self.known else {}
        return {
            "id": self.known.id if self.known else values["id"],
            "name": values["name"],
            "type": type_,
            "labels": values["labels"],
            "memoizable": values["memoizable"],
            "attributes": {
                name: form.document(known.get(name)) for name, form in self.rows.items()
            },
            **filled(predicate=nested.get("predicate"), work_config=nested.get("work_config")),
            **self._own(type_, nested, values),
        }

    def refuse(self, refusal: DomainError) -> None:
        """Put a message of the engine beside the field that it is about, word for word."""
        pointer = "/id" if isinstance(refusal, StepExists) else refusal.pointer or ""
        for name, form in self.rows.items():
            if pointer == pointer_to("attributes", name):
                form.add_error("name", str(refusal))
                return
        field = _SHORT.get(pointer, pointer.removeprefix("/").replace("/", "."))
        self.add_error(field if field in self.fields else None, str(refusal))

    def _own(self, type_: str, nested: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Return the object named after the type, and nothing of the other types."""
        match type_:
            case StepType.SYNC | StepType.ASYNC:
                return {"http": nested.get("http")}
            case StepType.SCRIPT:
                return {"script": nested.get("script")}
            case StepType.FLOW:
                goals = values["flow.goals"].replace(",", " ").split()
                return {"flow": {"goals": goals}}
            case StepType.APPROVAL:
                return {"approval": nested.get("approval", {})}
            case StepType.PYTHON | StepType.WAIT:
                return {type_: self._settings(StepType(type_), nested)}
            case _:
                return {}

    def _settings(self, type_: StepType, nested: dict[str, Any]) -> dict[str, Any]:
        # What the form has no field for is kept as it is.
        kept = self.known.settings if self.known and self.known.type == type_ else {}
        rest = {key: value for key, value in (kept or {}).items() if key not in _OWN[type_]}
        own = nested.get(type_.value, {})
        language, text = own.pop("filter_language", ""), own.pop("filter_script", "")
        return {**rest, **own, **filled(filter=_script(language, text))}


def written(step: Step | None, type_: str) -> str:
    """Return the definition as JSON to be edited."""
    document = step.as_json() if step else {"id": "", "name": "", "type": type_, "attributes": {}}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _fields(*, is_new: bool) -> dict[str, forms.Field]:
    known = callables.names()
    fields: dict[str, forms.Field] = {
        "name": _text("Name"),
        "type": _choice("Type", StepType, blank=None),
        "labels": LabelsField(
            required=False,
            max_length=2000,
            label="Labels",
            help_text="key=value pairs, separated by commas; or a JSON object.",
        ),
        "memoizable": forms.BooleanField(
            required=False, label="Memoize: the same inputs give the same outputs"
        ),
        "http.endpoint": _url("Endpoint", "{name} stands for a required input."),
        "http.method": _choice("Method", sorted(METHODS), blank="POST"),
        "http.timeout": _whole("Timeout", "Milliseconds."),
        "http.compensate": _url("Compensation URL", "Called to undo what succeeded."),
        "http.health_check": _url("Health check URL"),
        "http.effect": _choice("Effect of a second call", Effect, blank="idempotent"),
        "http.verify": _url(
            "Verification URL",
            "For verify: asked before a second call; 404 says that the first had no effect.",
        ),
        "http.callback_timeout": _whole("Callback timeout", "Milliseconds; for async."),
        "script.language": _choice("Language", LANGUAGES[:3]),
        "script.script": _area("Script", rows=8),
        "flow.goals": _text("Goals of the child flow", "Step ids, separated by spaces."),
        "python.callable": _text("Function", f"This process knows: {', '.join(known) or 'none'}."),
        "python.compensate": _text("Function that undoes it"),
        "wait.for_ms": _whole("Wait for", "Milliseconds."),
        "wait.event": _text("Or until this event", "Such as booking.confirmed."),
        "wait.filter_language": _choice("Condition language", LANGUAGES),
        "wait.filter_script": _area("Only if"),
        "approval.title": _text("What is to be approved"),
        "approval.reason": _text("Why"),
        "approval.policy": _text("Policy", f"Says who decides; {DEFAULT_POLICY} if left empty."),
        "approval.risk": _choice("Risk", Risk, blank="medium"),
        "approval.quorum": _whole("How many people", "Not the person who started the flow."),
        "approval.ttl_ms": _whole("Expires after", "Milliseconds."),
        "predicate.language": _choice("Language", LANGUAGES),
        "predicate.script": _area("Run only if"),
        "work_config.max_retries": _whole("Retries", "A negative number: without limit."),
        "work_config.init_backoff": _whole("First backoff", "Milliseconds."),
        "work_config.max_backoff": _whole("Longest backoff", "Milliseconds."),
        "work_config.backoff_type": _choice("Backoff", sorted(BACKOFF_TYPES)),
        "work_config.parallelism": _whole("Items at a time"),
    }
    return {"id": _text("Id"), **fields} if is_new else fields


def _flat(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("id", "name", "type", "memoizable"):
        yield name, document.get(name, "")
    yield "labels", written_labels(document.get("labels") or {})
    for part in ("http", "script", "predicate", "work_config", "python", "wait", "approval"):
        for member, value in (document.get(part) or {}).items():
            yield f"{part}.{member}", value
    yield "flow.goals", " ".join((document.get("flow") or {}).get("goals", ()))
    condition = (document.get("wait") or {}).get("filter") or {}
    yield "wait.filter_language", condition.get("language", "")
    yield "wait.filter_script", condition.get("script", "")


def _rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, spec in (document.get("attributes") or {}).items():
        config = (spec or {}).get((spec or {}).get("role"), {})
        mapping, match = config.get("mapping") or {}, config.get("match") or {}
        script = mapping.get("script") or {}
        yield {
            "name": name,
            **{key: value for key, value in (spec or {}).items() if key in {"role", "type"}},
            **config,
            "mapping__name": mapping.get("name", ""),
            "mapping__language": script.get("language", ""),
            "mapping__script": script.get("script", ""),
            "match__language": match.get("language", ""),
            "match__script": match.get("script", ""),
        }


def _script(language: str, text: str) -> dict[str, str] | None:
    return {"language": language, "script": text} if language or text else None
