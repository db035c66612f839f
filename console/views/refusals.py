"""The pages that say no: what happened, and what to do about it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

_HOME = {"url": "/", "label": "Go to the start"}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """There is nothing here, or nothing that this visitor may know of."""
    return _refusal(
        request,
        status=404,
        title="There is nothing here",
        says="No page and no record has this address, or it is not one that you may see.",
        remedy="Check the address. If somebody sent it to you, ask an administrator to let you in.",
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The visitor is known, and may not."""
    return _refusal(
        request,
        status=403,
        title="You may not see this",
        says=str(exception) or "Your account lacks the permission that this page asks for.",
        remedy="Ask an administrator for it, or log in with another account.",
        login=True,
    )


def not_a_page(request: HttpRequest, *, allow: str) -> HttpResponse:
    """A form is sent to this address; somebody opened it by its address, or reloaded it."""
    response = _refusal(
        request,
        status=405,
        title="There is no page at this address",
        says="It belongs to a button. Nothing was changed.",
        remedy="Go back to the page that the button is on, and press it there.",
    )
    response["Allow"] = allow
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The request cannot be understood."""
    return _refusal(
        request,
        status=400,
        title="That request made no sense",
        says="A part of it was malformed or too large.",
        remedy="Go back, reload the page and try again.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form came without its token: an old page, or a form of somebody else."""
    return _refusal(
        request,
        status=403,
        title="This form has gone stale",
        says="It was opened before your last log-in, or cookies are blocked. Nothing was changed.",
        remedy="Go back, reload the page and send it again.",
        login=True,
    )


def _refusal(
    request: HttpRequest, *, status: int, title: str, says: str, remedy: str, login: bool = False
) -> HttpResponse:
    links = [_HOME]
    if login:
        links.append({"url": reverse("console:login"), "label": "Log in with another account"})
    context = {"title": title, "says": says, "remedy": remedy, "links": links}
    return render(request, "console/refusal.html", context, status=status)
