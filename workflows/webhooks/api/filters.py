"""Filters of deliveries."""

import django_filters

from workflows.webhooks.models import DeliveryQuerySet, DeliveryStatus, Purpose


class DeliveryFilter(django_filters.FilterSet):
    subscription = django_filters.UUIDFilter(field_name="subscription_id")
    status = django_filters.ChoiceFilter(choices=DeliveryStatus.choices)
    purpose = django_filters.ChoiceFilter(choices=Purpose.choices)
    event = django_filters.CharFilter(field_name="event_name")
    event_id = django_filters.CharFilter(method="of_event")

    def of_event(self, rows: DeliveryQuerySet, _name: str, value: str) -> DeliveryQuerySet:
        """Keep what was sent of just this event."""
        return rows.of_event(value)
