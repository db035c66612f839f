"""The start: the state of the house in a few figures."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def show(request: HttpRequest) -> HttpResponse:
    """Show the figures."""
    return render(request, "console/home.html")
