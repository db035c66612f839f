"""Filters of entries. An unknown query parameter is a 400."""

import django_filters as filters
from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError

from events.domain.principal import PrincipalKind
from ledger import timelines
from ledger.bodies import MomentFilter, OneOrMore, WholeNumberFilter
from ledger.disclosure import free_texts
from ledger.domain.action import Kind, Status
from ledger.domain.capability import EVERY_PRINCIPAL, Risk
from ledger.domain.reversals import Outcome, ReversalKind, State
from ledger.models import Entry
from ledger.models.entries import choices

TARGET_IDS_MAX = 200


def _is(field: str | None = None) -> filters.CharFilter:
    return filters.CharFilter(field_name=field)


class EntryFilters(filters.FilterSet):
    action_name = _is()
    action_kind = OneOrMore(choices=choices(Kind))
    actor_type = _is()
    principal_type = OneOrMore(choices=choices(sorted(EVERY_PRINCIPAL)))
    principal_id = _is()
    principal_subtype = _is()
    api_token_id = filters.CharFilter(method="of_key")
    session_id = _is()
    caller_type = _is()
    organization_id = _is()
    delegation_id = filters.UUIDFilter()
    delegated_by_type = _is()
    delegated_by_id = _is()
    target_type = _is()
    target_id = _is()
    target_ids = filters.CharFilter(
        method="among_targets", help_text="Several ids of targets, separated by commas."
    )
    route_or_tool_name = _is()
    workflow_run_id = _is()
    workflow_step_id = _is()
    correlation_id = _is()
    causation_id = _is()
    capability_id = _is()
    capability_version = WholeNumberFilter(min_value=1)
    authorization_source = _is()
    approval_id = filters.UUIDFilter()
    amends_id = filters.UUIDFilter()
    idempotency_scope = _is()
    idempotency_key = _is()
    evaluated_risk = OneOrMore(choices=choices(Risk))
    status = OneOrMore(choices=choices(Status))
    reversal_kind = OneOrMore("mutation__reversal_kind", choices=choices(ReversalKind))
    reversal_state = OneOrMore(method="in_reversal_state", choices=choices(State))
    reversal_outcome = OneOrMore("standing__outcome", choices=choices(Outcome))
    reverses_id = filters.UUIDFilter("mutation__reverses")
    reversed_by_id = filters.UUIDFilter("standing__reversed_by")
    reason_code = filters.CharFilter(method="looked_because")
    decision_policy = _is("disclosure__decision_policy")
    occurred_after = MomentFilter("occurred_at", lookup_expr="gte")
    occurred_before = MomentFilter("occurred_at", lookup_expr="lt")

    def in_reversal_state(
        self, entries: QuerySet[Entry], _name: str, states: list[str]
    ) -> QuerySet[Entry]:
        """Keep actions whose reversal has come so far."""
        return entries.filter(timelines.whose_reversal_is(states))

    def of_key(self, entries: QuerySet[Entry], _name: str, prefix: str) -> QuerySet[Entry]:
        """Keep what one API key did; by ledger_entries_of_principal."""
        acting = {"principal_type": PrincipalKind.API_KEY.value, "principal_id": prefix}
        return entries.filter(api_token_id=prefix, **acting)

    def looked_because(self, entries: QuerySet[Entry], _name: str, value: str) -> QuerySet[Entry]:
        """Keep disclosures with exactly this reason, as the caller may read it."""
        if free_texts.redacted_for(value, self.request) != value:
            return entries.none()
        now = Q(disclosure__isnull=False, remark__text=value)
        return entries.filter(now | Q(disclosure__old_reason_code=value))

    def among_targets(self, entries: QuerySet[Entry], _name: str, written: str) -> QuerySet[Entry]:
        """Keep entries about one of several targets."""
        ids = [each for each in written.split(",") if each]
        if len(ids) > TARGET_IDS_MAX:
            raise ValidationError({"target_ids": [f"Say up to {TARGET_IDS_MAX} ids."]})
        if self.data.get("target_id"):
            raise ValidationError({"target_ids": ["Say target_id or target_ids, not both."]})
        return entries.filter(target_id__in=ids)
