"""The addresses of the log, under /api/v1/."""

from django.urls import path

from events.api import views

urlpatterns = [
    path("events", views.Events.as_view(), name="events"),
    path("events/<str:event_id>", views.Event.as_view(), name="event"),
    path("event-types", views.EventTypes.as_view(), name="event-types"),
    path("streams/<path:stream>/events", views.StreamEvents.as_view(), name="stream-events"),
    path("ws-tickets", views.SocketTickets.as_view(), name="ws-tickets"),
]
