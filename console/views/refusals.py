"""Error pages: what happened, and what to do about it."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from events.domain.errors import DomainError, Throttled

_HOME = {"url": "/", "label": "Go to the home page"}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """There is nothing here, or nothing that this visitor may know of."""
    return _refusal(
        request,
        status=404,
        title="Not found",
        says="There is no such page or record, or you have no permission to see it.",
        remedy="Check the address. If somebody sent it to you, ask an administrator for access.",
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The visitor is known, and may not."""
    return _refusal(
        request,
        status=403,
        title="Permission denied",
        says=str(exception) or "Your account lacks the permission for this page.",
        remedy="Ask an administrator, or log in with another account.",
        login=True,
    )


def not_a_page(request: HttpRequest, *, allow: str) -> HttpResponse:
    """A form is sent to this address, and somebody opened it; or the other way around."""
    if request.method in {"GET", "HEAD"}:
        title = "There is no page at this address"
        says = "This address is for a form. Nothing was changed."
        remedy = "Go back to the page with the form, and submit it there."
    else:
        title = "Nothing can be sent to this address"
        says = f"It does not take {request.method}. Nothing was changed."
        remedy = f"It takes {allow}: open it as a page, or go back and reload the form."
    response = _refusal(request, status=405, title=title, says=says, remedy=remedy)
    response["Allow"] = allow
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The request cannot be understood."""
    return _refusal(
        request,
        status=400,
        title="Bad request",
        says="Part of the request was malformed. Nothing was changed.",
        remedy="Go back, reload the page and try again.",
    )


def not_utf_8(request: HttpRequest) -> HttpResponse:
    """Some text cannot be read: to guess at it would keep something else than was written."""
    return _refusal(
        request,
        status=400,
        title="Text that cannot be read",
        says="Some of what was sent is not UTF-8. Nothing was changed.",
        remedy="Go back, write the text anew (what was pasted may be damaged), and send it again.",
    )


def too_large(request: HttpRequest) -> HttpResponse:
    """More was sent than a request may hold."""
    return _refusal(
        request,
        status=413,
        title="Request too large",
        says="The request exceeds the size limit. Nothing was changed.",
        remedy="Go back, and send less at a time.",
    )


def refused(request: HttpRequest, refusal: DomainError, *, status: HTTPStatus) -> HttpResponse:
    """A rule said no where the page did not expect it: in its own words."""
    title, remedy = "Request refused", refusal.hint
    if isinstance(refusal, Throttled):
        # Its hint is about a header, which does not help on a page.
        title = "Too many requests"
        remedy = f"Wait {refusal.retry_after_seconds} seconds, then try again."
    return _refusal(
        request,
        status=status,
        title=title,
        says=f"{refusal} Nothing was changed.",
        remedy=remedy or "Go back and reload the page to see the current state.",
    )


def waits_for_approval(request: HttpRequest, approval_id: object) -> HttpResponse:
    """What was asked for waits until somebody else agrees."""
    address = reverse("console:approval", args=[approval_id])
    return _refusal(
        request,
        status=202,
        title="Approval required",
        says="Your request waits for somebody else's approval. Nothing has been done yet.",
        remedy="Once it is approved, repeat the request.",
        first={"url": address, "label": "Open the approval"},
    )


def database_away(request: HttpRequest) -> HttpResponse:
    """The database does not answer. Whether something that was sent is done is not known."""
    if request.method in {"GET", "HEAD"}:
        says = "Daybook is running, but cannot reach its database at the moment."
        remedy = "Try again in a moment. If the error persists, tell your operator."
        again = {"url": request.get_full_path(), "label": "Try again"}
    else:
        says = "The connection was lost: your request was carried out completely or not at all."
        remedy = "Go back in a moment, and check whether it was done before you send it again."
        again = None
    title = "The database does not answer"
    return _refusal(request, status=503, title=title, says=says, remedy=remedy, first=again)


def schema_differs(request: HttpRequest) -> HttpResponse:
    """The database is of another revision than this process: an upgrade is under way."""
    return _refusal(
        request,
        status=503,
        title="Daybook is being upgraded",
        says="The database is of another revision than the program. Nothing was changed.",
        remedy="Try again in a minute. If it stays like this, tell the operator of Daybook: "
        "manage.py migrate says what is missing.",
    )


def broken(request: HttpRequest) -> HttpResponse:
    """A bug. The page says by which id the log knows of it."""
    page = render_to_string("500.html", {"request_id": _id_of(request)})
    return HttpResponse(page, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form came without its token: an old page, or a form of somebody else."""
    return _refusal(
        request,
        status=403,
        title="This form has expired",
        says="It was opened before your last log-in, or cookies are blocked. Nothing was changed.",
        remedy="Go back, reload the page and send it again.",
        login=True,
    )


def _refusal(
    request: HttpRequest,
    *,
    status: int,
    title: str,
    says: str,
    remedy: str,
    login: bool = False,
    first: dict[str, str] | None = None,
) -> HttpResponse:
    links = [*([first] if first else []), _HOME]
    if login:
        links.append({"url": reverse("console:login"), "label": "Log in with another account"})
    context = {"title": title, "says": says, "remedy": remedy, "links": links}
    # Not by the request: its context reads the session, and there may be no database.
    page = render_to_string("console/refusal.html", {**context, "request_id": _id_of(request)})
    return HttpResponse(page, status=status)


def _id_of(request: HttpRequest) -> str:
    return getattr(request, "request_id", "")
