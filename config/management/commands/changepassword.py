"""Django's `changepassword`, through the service, so that the ledger names who typed it."""

from getpass import getuser
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import User
from django.core.management.base import CommandError

from config.management import typed
from events import context
from ledger.services import accounts


class Command(changepassword.Command):
    """Without a name it is the user who is called as whoever types.

    :raises CommandError: if there is no such user, or no password was given.
    """

    help = "Give a user another password; it is on record who typed it."

    def handle(self, *_args: Any, **options: Any) -> None:
        """Ask for a password twice, and set it."""
        username = options["username"] or getuser()
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}.")
        self.stdout.write(f"The password of {username!r}:")
        password = typed.new_password(user, say=self.stderr.write)
        with context.acting(typed.COMMAND_LINE):
            accounts.set_password(
                user_id=user.pk,
                password=password,
                caller=None,
                reason=typed.reason("changepassword"),
            )
        self.stdout.write("It is changed.")
