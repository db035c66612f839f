"""Filter forms of the lists. Every filter is validated here, and only here."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict

from commerce.models.numbers import ends_in
from console.fields import LabelField, MomentField, NamesField, StreamField
from events.domain.envelope import Category
from ledger.domain.action import REASON_CHARS_MAX, TARGET_CHARS_MAX
from ledger.domain.approval import ApprovalStatus
from ledger.domain.policy import PolicyStatus
from ledger.models import Approval, ApprovalPolicyVersion
from ledger.selectors import policies_about
from workflows.flows.argyll import listing
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.models import FlowStart, FlowSummary
from workflows.work import registry, selectors
from workflows.work.domain.life import State
from workflows.work.models import WorkQuerySet

POSITION_MAX = 2**53 - 1
SHOWN = "shown"
START_STATES = {
    "on": Q(enabled=True),
    "off": Q(enabled=False, paused_because=""),
    "paused": ~Q(paused_because=""),
}


class MarkedForm(forms.Form):
    """A form that shows its errors beside the fields, and to who cannot see colours."""

    error_css_class = "invalid"

    def full_clean(self) -> None:
        """Check everything, and mark what is wrong."""
        super().full_clean()
        for name in self.fields.keys() & self.errors.keys():
            self.fields[name].widget.attrs["aria-invalid"] = "true"


class Filters(MarkedForm):
    """A form that is read from the query string."""

    search: ClassVar[str]

    def __init__(self, query: QueryDict) -> None:
        super().__init__(query, label_suffix="")
        self.fields[self.search].widget.attrs["data-search"] = True

    @property
    def has_asked(self) -> bool:
        """Whether any filter is set."""
        return any(self.data.get(name) for name in self.fields)


class EventFilters(Filters):
    search = "type"

    type = NamesField(
        required=False,
        max_length=2000,
        widget=forms.TextInput(
            attrs={"placeholder": "invoice.settled, booking.*", "list": "event-types"}
        ),
    )
    stream = StreamField(
        required=False,
        max_length=512,
        widget=forms.TextInput(attrs={"placeholder": "invoice/7", "list": "stream-kinds"}),
    )
    category = forms.TypedChoiceField(
        required=False,
        choices=[("", "Any"), *((each.value, each.value) for each in Category)],
        coerce=Category,
        empty_value=None,
    )
    since = MomentField(
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"placeholder": "24h or a time", "list": "moments"}),
    )
    until = MomentField(
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"placeholder": "now", "list": "moments"}),
    )
    before = forms.IntegerField(
        required=False, min_value=1, max_value=POSITION_MAX, widget=forms.HiddenInput
    )


class JobFilters(Filters):
    search = "kind"

    kind = forms.CharField(
        required=False,
        max_length=120,
        widget=forms.TextInput(
            attrs={"placeholder": "commerce.send_documents", "list": "job-kinds"}
        ),
    )
    subject = forms.CharField(
        required=False,
        max_length=200,
        label="About",
        widget=forms.TextInput(attrs={"placeholder": "exactly as in the list"}),
    )
    housekeeping = forms.ChoiceField(
        required=False, choices=[("", "hidden when done"), (SHOWN, "shown")]
    )
    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((each.value, each.value) for each in State)],
        widget=forms.HiddenInput,
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    @property
    def leaves_out(self) -> bool:
        """Whether housekeeping that went well is left out: unless somebody asks for it."""
        asked = self.cleaned_data
        return not asked["housekeeping"] and asked["kind"] not in registry.housekeeping()

    def narrowed(self, jobs: WorkQuerySet) -> WorkQuerySet:
        """Return those of `jobs` that fit."""
        asked = self.cleaned_data
        if asked["kind"]:
            jobs = jobs.of_kind(asked["kind"])
        elif self.leaves_out:
            jobs = selectors.without_housekeeping(jobs)
        if asked["status"]:
            jobs = jobs.filter(status=asked["status"])
        if asked["subject"]:
            jobs = jobs.about(subject=asked["subject"])
        return jobs.filter(id__lt=asked["before"]) if asked["before"] else jobs


class FlowFilters(Filters):
    search = "id"

    id = forms.CharField(
        required=False,
        max_length=256,
        label="Flow",
        widget=forms.TextInput(attrs={"placeholder": "the beginning of its id"}),
    )
    goal = forms.CharField(
        required=False,
        max_length=256,
        widget=forms.TextInput(attrs={"placeholder": "a step", "list": "steps"}),
    )
    label = LabelField(
        required=False, max_length=512, widget=forms.TextInput(attrs={"placeholder": "env=prod"})
    )
    since = MomentField(
        required=False,
        max_length=40,
        label="Started since",
        widget=forms.TextInput(attrs={"placeholder": "24h or a time", "list": "moments"}),
    )
    until = MomentField(
        required=False,
        max_length=40,
        label="Started before",
        widget=forms.TextInput(attrs={"placeholder": "now", "list": "moments"}),
    )
    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((each.value, each.value) for each in FlowStatus)],
        widget=forms.HiddenInput,
    )
    before = forms.CharField(required=False, max_length=1024, widget=forms.HiddenInput)

    def narrowed(self, flows: QuerySet[FlowSummary]) -> QuerySet[FlowSummary]:
        """Return those of `flows` that fit, the newest first."""
        asked = self.cleaned_data
        fits = {
            "flow_id__startswith": asked["id"],
            "goals__contains": [asked["goal"]] if asked["goal"] else None,
            "labels__contains": dict([asked["label"]]) if asked["label"] else None,
            "started_at__gte": asked["since"],
            "started_at__lt": asked["until"],
            "status": asked["status"],
        }
        flows = flows.filter(**{field: value for field, value in fits.items() if value})
        if asked["before"]:
            return listing.before(flows, asked["before"])
        return flows.order_by("-started_at", "-flow_id")


def in_state(starts: QuerySet[FlowStart], state: str) -> QuerySet[FlowStart]:
    """Return those of `starts` that are on, off or paused; "" are all."""
    return starts.filter(START_STATES.get(state, Q()))


class StartFilters(Filters):
    search = "name"

    name = forms.CharField(
        required=False,
        max_length=100,
        label="Start",
        widget=forms.TextInput(attrs={"placeholder": "the beginning of its name"}),
    )
    goal = forms.CharField(
        required=False,
        max_length=256,
        widget=forms.TextInput(attrs={"placeholder": "a step", "list": "steps"}),
    )
    event = forms.CharField(
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"placeholder": "booking.confirmed", "list": "event-names"}),
    )
    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((state, state) for state in START_STATES)],
        widget=forms.HiddenInput,
    )
    before = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)

    def narrowed(self, starts: QuerySet[FlowStart]) -> QuerySet[FlowStart]:
        """Return those of `starts` that fit, by name."""
        asked = self.cleaned_data
        fits = {
            "name__startswith": asked["name"],
            "goals__contains": [asked["goal"]] if asked["goal"] else None,
            "event": asked["event"],
            "name__gt": asked["before"],
        }
        starts = starts.filter(**{field: value for field, value in fits.items() if value})
        return in_state(starts, asked["status"]).order_by("name")


class TradeFilters(Filters):
    """Filters of the commerce lists, by number."""

    search = "number"

    number = forms.CharField(
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"placeholder": "or the end of it"}),
    )
    status = forms.ChoiceField(required=False, widget=forms.HiddenInput)
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, query: QueryDict, *, states: Sequence[str]) -> None:
        super().__init__(query)
        self.fields["status"].choices = [("", "Any"), *((state, state) for state in states)]  # type: ignore[attr-defined]

    def narrowed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of `rows` that fit."""
        asked = self.cleaned_data
        if asked["number"]:
            rows = rows.filter(ends_in("number", asked["number"]))
        if asked["status"]:
            rows = rows.filter(status=asked["status"])
        return rows.filter(id__lt=asked["before"]) if asked["before"] else rows


class AccessFilters(TradeFilters):
    """Filters of who was let in to documents; the number is that of the invoice."""

    search = "grantee"

    grantee = forms.CharField(
        required=False,
        max_length=200,
        label="Who",
        widget=forms.TextInput(attrs={"placeholder": "user:7 or api_key:…"}),
    )

    def narrowed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of `rows` that fit."""
        fits = {
            "grantee": self.cleaned_data["grantee"],
            "id__lt": self.cleaned_data["before"],
        }
        rows = rows.filter(**{field: value for field, value in fits.items() if value})
        number = self.cleaned_data["number"]
        return rows.filter(ends_in("document__invoice__number", number)) if number else rows


class ApprovalFilters(Filters):
    """Filters of the requests for approval; `target` is the id of what a request is about."""

    search = "target"

    target = forms.CharField(
        required=False,
        max_length=TARGET_CHARS_MAX,
        label="Target",
        widget=forms.TextInput(attrs={"placeholder": "the id of a booking, a flow, …"}),
    )
    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((each.value, each.value) for each in ApprovalStatus)],
        widget=forms.HiddenInput,
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def narrowed(self, approvals: QuerySet[Approval]) -> QuerySet[Approval]:
        """Return those of `approvals` that fit, the newest first."""
        fits = {
            "target_id": self.cleaned_data["target"],
            "status": self.cleaned_data["status"],
            "id__lt": self.cleaned_data["before"],
        }
        found = approvals.filter(**{field: value for field, value in fits.items() if value})
        return found.order_by("-id")


class PolicyFilters(Filters):
    """Filters of the versions of policies."""

    search = "name"

    name = forms.CharField(
        required=False,
        max_length=100,
        label="Policy",
        widget=forms.TextInput(attrs={"placeholder": "any part of its name"}),
    )
    capability = forms.CharField(
        required=False,
        max_length=100,
        label="About",
        widget=forms.TextInput(
            attrs={"placeholder": "refund.request or refund.*", "list": "capabilities"}
        ),
    )
    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((each.value, each.value) for each in PolicyStatus)],
        widget=forms.HiddenInput,
    )

    def narrowed(self, rows: QuerySet[ApprovalPolicyVersion]) -> QuerySet[ApprovalPolicyVersion]:
        """Return those of `rows` that fit."""
        asked = self.cleaned_data
        if asked["name"]:
            rows = rows.filter(name__icontains=asked["name"])
        if asked["status"]:
            rows = rows.filter(status=asked["status"])
        if asked["capability"]:
            rows = policies_about(asked["capability"], rows)
        return rows


class PageForm(forms.Form):
    """Where a page begins."""

    before = forms.IntegerField(required=False, min_value=1, max_value=POSITION_MAX)


class ReasonForm(forms.Form):
    """The reason of an action, which is recorded with it."""

    reason = forms.CharField(
        max_length=REASON_CHARS_MAX,
        strip=True,
        error_messages={"required": "Give a reason; it is kept with the entry."},
    )
