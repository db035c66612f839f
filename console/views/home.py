"""The home page: the key figures of the installation, live."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from console import dashboard, navigation
from console.access import signed_in


@signed_in
def show(request: HttpRequest) -> HttpResponse:
    """Show the figures."""
    current = dashboard.Dashboard(request, minutes=dashboard.MINUTES)
    context = {
        "figures": current.figures(),
        "states": current.states(),
        "pulse": current.pulse(),
        "bars_height": dashboard.BARS_HEIGHT,
        "minutes": dashboard.MINUTES,
    }
    return render(request, "console/home.html", context)


@never_cache
@signed_in
def figures(request: HttpRequest) -> JsonResponse:
    """Return the figures that the page shows, for it to show them again."""
    current = dashboard.Dashboard(request)
    shown = {
        each.key: {"value": each.value, "note": each.note, "tone": each.tone}
        for each in current.figures()
    }
    states = {
        f"{each.key}.{state}": count for each in current.states() for state, count in each.counts
    }
    return JsonResponse({"figures": shown, "states": states})


@never_cache
@signed_in
def badges(request: HttpRequest) -> JsonResponse:
    """Return the badges of the navigation, for a page to show them again.

    Each is counted for the visitor of this session; who may not open a place has no badge.
    """
    return JsonResponse(navigation.badges(request))
