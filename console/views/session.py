"""Log in and out. One pair of pages for the console and for Django's admin."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from ledger.access import authority, guesses


class _LogInForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        # The same words whether the name or the password is wrong: they tell a guesser nothing.
        "invalid_login": "That name and password do not belong together. Check both and try again.",
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if self.errors:
            for field in self.fields.values():
                field.widget.attrs["aria-invalid"] = "true"

    def clean(self) -> dict[str, Any]:
        """Look whether name and password belong together.

        :raises TooManyWrongPasswords: if too many did not.
        """
        name = self.cleaned_data.get("username")
        if self.request is None or name is None:
            return super().clean()
        guesses.check(self.request, account=name)
        try:
            return super().clean()
        except ValidationError:
            guesses.note_wrong(self.request, account=name)
            raise


class LogIn(LoginView):
    """Ask for name and password, then go where the visitor wanted to go."""

    template_name = "console/login.html"
    authentication_form = _LogInForm


class LogOut(LogoutView):
    """End the session. POST only, so that no link elsewhere can do it."""


log_in = authority.public(LogIn.as_view())
log_out = authority.public(LogOut.as_view())


@authority.public
@never_cache
def state(request: HttpRequest) -> HttpResponse:
    """Tell an open page whose session its browser has, or 401: forms ask before they are sent."""
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    return JsonResponse({"user": request.user.get_username()})
