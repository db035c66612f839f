"""The addresses of the console. Filters are in the query string, so every view can be shared."""

from django.urls import path, register_converter

from console.addresses import IdConverter
from console.views import (
    approvals,
    doctor,
    events,
    flow,
    flows,
    home,
    jobs,
    ledger,
    session,
    step,
    steps,
    trade,
)

register_converter(IdConverter, "id")

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
    path("flows", flows.listing, name="flows"),
    path("flows/start", steps.start, name="flow-start"),
    path("flows/steps", steps.show, name="steps"),
    path("flows/steps/new", step.new, name="step-new"),
    path("flows/steps/<id:step_id>", step.detail, name="step"),
    path("flows/steps/<id:step_id>/edit", step.edit, name="step-edit"),
    path("flows/steps/<id:step_id>/unregister", step.unregister, name="step-unregister"),
    path("flows/<id:flow_id>", flow.detail, name="flow"),
    path("flows/<id:flow_id>/fork", flow.fork, name="flow-fork"),
    path("flows/<id:flow_id>/pause", flow.pause, name="flow-pause"),
    path("flows/<id:flow_id>/resume", flow.resume, name="flow-resume"),
    path("flows/<id:flow_id>/cancel", flow.cancel, name="flow-cancel"),
    path("flows/<id:flow_id>/steps/<id:step_id>/skip", flow.skip, name="flow-step-skip"),
    path("flows/<id:flow_id>/steps/<id:step_id>/force", flow.force, name="flow-step-force"),
    path("flows/<id:flow_id>/steps/<id:step_id>/retry", flow.retry, name="flow-step-retry"),
    path("approvals", approvals.inbox, name="approvals"),
    path("approvals/<uuid:approval_id>", approvals.detail, name="approval"),
    path("approvals/<uuid:approval_id>/decide", approvals.decide, name="approval-decide"),
    path("ledger/seals", ledger.listing, name="seals"),
    path("ledger/seals/export", ledger.export, name="seals-export"),
    path("bookings", trade.bookings, name="bookings"),
    path("bookings/<uuid:booking_id>", trade.booking, name="booking"),
    path("invoices", trade.invoices, name="invoices"),
    path("invoices/<uuid:invoice_id>", trade.invoice, name="invoice"),
    path("doctor", doctor.show, name="doctor"),
    path("figures", home.figures, name="figures"),
    path("badges", home.badges, name="badges"),
]
