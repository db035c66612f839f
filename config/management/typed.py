"""Who types a command: for changes of accounts, which are on record (ADR 0180)."""

import os
import pwd
from collections.abc import Callable
from getpass import getpass
from typing import Final

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from events.domain.principal import Principal, PrincipalKind

ATTEMPTS: Final = 3
COMMAND_LINE: Final = Principal(kind=PrincipalKind.SYSTEM, id="command-line")


def reason(command: str) -> str:
    """Return what the entry says of a command: what it was, and as whom it ran on this machine.

    By the id of the process. The environment, which `getpass` believes, is whatever was typed.
    """
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # As in a container whose user has no name.
        name = f"user {uid}"
    return f"Typed `{command}` as {name}"


def new_password(user: User, *, say: Callable[[str], object]) -> str:
    """Ask for a password that `user` may have, twice.

    :raises CommandError: if that did not succeed in three attempts.
    """
    for _ in range(ATTEMPTS):
        password = getpass("Password: ")
        if password != getpass("Password (again): "):
            say("The two differ.")
            continue
        try:
            validate_password(password, user)
        except ValidationError as error:
            say("\n".join(error.messages))
        else:
            return password
    raise CommandError(f"Nothing was changed: no password in {ATTEMPTS} attempts.")
