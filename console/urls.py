"""The addresses of the console. Filters are in the query string, so every view can be shared."""

from django.urls import path

from console.views import doctor, events, home, jobs, session, trade

app_name = "console"
urlpatterns = [
    path("", home.show, name="home"),
    path("login/", session.log_in, name="login"),
    path("logout/", session.log_out, name="logout"),
    path("session", session.state, name="session"),
    path("events", events.listing, name="events"),
    path("events/streams/<path:path>", events.stream, name="stream"),
    path("events/<path:event_id>", events.detail, name="event"),
    path("jobs", jobs.listing, name="jobs"),
    path("jobs/<uuid:job_id>", jobs.detail, name="job"),
    path("jobs/<uuid:job_id>/retry", jobs.retry, name="job-retry"),
    path("jobs/<uuid:job_id>/cancel", jobs.cancel, name="job-cancel"),
    path("jobs/<uuid:job_id>/discard", jobs.discard, name="job-discard"),
    path("bookings", trade.bookings, name="bookings"),
    path("bookings/<uuid:booking_id>", trade.booking, name="booking"),
    path("invoices", trade.invoices, name="invoices"),
    path("invoices/<uuid:invoice_id>", trade.invoice, name="invoice"),
    path("doctor", doctor.show, name="doctor"),
    path("figures", home.figures, name="figures"),
]
