"""The start: the state of the house in a few figures."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ledger import authority
from ledger.authority import AUTHENTICATED


@authority.requires(AUTHENTICATED)
def show(request: HttpRequest) -> HttpResponse:
    """Show the figures."""
    return render(request, "console/home.html")
