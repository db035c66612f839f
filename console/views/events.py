"""Events: the live list, one stream, one event with its causes and effects."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse

from console import addresses, story
from console.access import may_see, signed_in, streams_to_show
from console.feeds import feed
from console.forms import EventFilters, PageForm
from console.paging import page_links
from events import catalogue, explore
from events.domain.envelope import Stream
from events.explore import Window
from ledger.access import authority
from ledger.access.people import names_of
from workflows.flows.models import FlowStart

_SUBJECTS = {
    "booking": "console:booking",
    "invoice": "console:invoice",
    "job": "console:job",
    "flow": "console:flow",
    "flow_start": "console:start",
    "approval": "console:approval",
}


@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """Show the newest events that match the filters, and update live."""
    form = EventFilters(request.GET)
    readable = authority.readable_kinds(request)
    context: dict[str, Any] = {
        "form": form,
        "types": [each for each in catalogue.all_types() if each.stream in readable],
        "kinds": [each for each in catalogue.all_streams() if each.kind in readable],
    }
    if not form.is_valid():
        return render(request, "console/events/list.html", context, status=400)
    asked = form.cleaned_data
    window = Window(
        streams=streams_to_show(request, asked["stream"]),
        names=asked["type"],
        category=asked["category"],
        since=asked["since"],
        until=asked["until"],
        before=asked["before"],
    )
    page = feed(window, label="Events")
    context |= {"feed": page, **page_links(request.GET, page.oldest)}
    return render(request, "console/events/list.html", context)


@signed_in
def stream(request: HttpRequest, path: str) -> HttpResponse:
    """Show one stream, newest first, and update live."""
    wanted = addresses.stream_at(path)
    form = PageForm(request.GET)
    if not wanted or not form.is_valid() or not authority.may_read_stream(request, wanted):
        raise Http404
    page = feed(
        Window(streams=[wanted], before=form.cleaned_data["before"]),
        label="Events of this stream",
        empty_template="console/events/_none_in_stream.html",
    )
    context = {
        "stream": wanted,
        "kind": catalogue.stream_kind(wanted[0]),
        "head": explore.head_sequence(wanted),
        "subject_url": _subject_url(wanted),
        "feed": page,
        **page_links(request.GET, page.oldest),
    }
    return render(request, "console/events/stream.html", context)


@signed_in
def detail(request: HttpRequest, event_id: str) -> HttpResponse:
    """Show one event, what led to it and what followed from it."""
    event = explore.one(event_id)
    if event is None or not may_see(request, event):
        raise Http404
    who = str(event.principal)
    whole = explore.story(event.correlation_id)
    seen = [each for each in whole if may_see(request, each)]
    context = {
        "event": event,
        "who": names_of([who])[who],
        "type": _type_of(event.name),
        "cause": next((each for each in seen if each.event_id == event.causation_id), None),
        "story": story.lines(seen),
        "hidden": len(whole) - len(seen),
    }
    return render(request, "console/events/detail.html", context)


def _type_of(name: str) -> Any:
    return next((each for each in catalogue.all_types() if each.name == name), None)


def _subject_url(wanted: Stream) -> str | None:
    if wanted[0] == "flow_start" and not FlowStart.objects.filter(name__in=wanted[1:]).exists():
        return None  # It was removed, and this is what is left of it.
    view = _SUBJECTS.get(wanted[0])
    try:
        return reverse(view, args=[wanted[1]]) if view and len(wanted) > 1 else None
    except NoReverseMatch:
        return None  # What is no id has no page.
