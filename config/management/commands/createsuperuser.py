"""Django's `createsuperuser`, through the service, so that the ledger names who typed it."""

import os
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.management.commands import createsuperuser
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from config.management import typed
from events import context
from ledger.domain.rights import Rights
from ledger.services import accounts

_FIELDS = {field.name for field in User._meta.get_fields()}  # noqa: SLF001 (Django's public spelling)
_ALL_BUT = {name: _FIELDS - {name} for name in ("username", "email")}
EVERYTHING = Rights(is_staff=True, is_superuser=True)


class Command(createsuperuser.Command):
    """With `--noinput` the password is that of DJANGO_SUPERUSER_PASSWORD; without one, none fits.

    :raises CommandError: if the name or the address is taken or malformed.
    """

    help = "Create a user who may do everything; it is on record who typed it."

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask for what was not given, and create the user."""
        try:
            answers = self._asked(options) if options["interactive"] else self._given(options)
        except KeyboardInterrupt:
            raise CommandError("Nobody was created.") from None
        username, email, password = answers
        with context.acting(typed.COMMAND_LINE):
            accounts.create_account(
                username=username,
                password_hash=make_password(password),
                rights=EVERYTHING,
                email=email,
                reason=typed.reason("createsuperuser"),
            )
        if options["verbosity"]:
            self.stdout.write("Superuser created successfully.")

    def _given(self, options: dict[str, Any]) -> tuple[str, str, str | None]:
        username = options["username"] or os.environ.get("DJANGO_SUPERUSER_USERNAME", "")
        email = options["email"] or os.environ.get("DJANGO_SUPERUSER_EMAIL", "")
        if not username:
            raise CommandError("--noinput needs --username, or DJANGO_SUPERUSER_USERNAME.")
        if fault := _fault("username", username) or _fault("email", email):
            raise CommandError(fault)
        return username, email, os.environ.get("DJANGO_SUPERUSER_PASSWORD")

    def _asked(self, options: dict[str, Any]) -> tuple[str, str, str]:
        if not self.stdin.isatty():
            raise CommandError("There is nobody to ask here; use --noinput.")
        username = self._answer("username", "Username: ", options["username"])
        email = self._answer("email", "Email address: ", options["email"])
        user = User(username=username, email=email)
        return username, email, typed.new_password(user, say=self.stderr.write)

    def _answer(self, field: str, question: str, given: str | None) -> str:
        answer = input(question) if given is None else given
        while fault := _fault(field, answer):
            self.stderr.write(fault)
            answer = input(question)
        return answer


def _fault(field: str, value: str) -> str:
    """Return what is wrong with a value, empty if nothing is."""
    try:
        User(**{field: value}).clean_fields(exclude=_ALL_BUT[field])
    except ValidationError as error:
        return f"{field}: {' '.join(error.messages)}"
    if field == "username" and User.objects.filter(username=value).exists():
        return f"username: there is a {value!r} already."
    return ""
