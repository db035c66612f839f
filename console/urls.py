"""The addresses of the console. Filters are in the query string, so every view can be shared."""

from django.urls import path

from console.views import events, home, session

app_name = "console"
urlpatterns = [
    path("", home.show, name="home"),
    path("login/", session.log_in, name="login"),
    path("logout/", session.log_out, name="logout"),
    path("session", session.state, name="session"),
    path("events", events.listing, name="events"),
    path("events/streams/<path:path>", events.stream, name="stream"),
    path("events/<path:event_id>", events.detail, name="event"),
]
