"""The command line of `manage.py`. Nothing is imported before it is installed."""

import errno
import os
import signal
import sys
from difflib import get_close_matches
from importlib.util import find_spec
from itertools import takewhile
from typing import TYPE_CHECKING

from config import bootstrap, checkout
from config.embedded import attach
from config.embedded.binaries import ServersUnavailable
from config.embedded.state import State, StateRefused

if TYPE_CHECKING:
    from django.core.management import BaseCommand

OURS = "config.settings.base"

BEFORE_DJANGO = """\
Before Django's own commands come those of Daybook:

    up      [--port N] [--state DIR] [--check] [--no-demo-data] [--open-engine] [--workers N]
            PostgreSQL, Valkey, web, worker, sequencer and sweeper, with one command
    demo    [story]
            a story told on what runs, or on a Daybook started for it; 0 if all was true
    pytest  [arguments of pytest]
            the tests, on servers of their own
    interpreter
            print which Python has what the tests and checks need

Every other command talks to what runs on DAYBOOK_STATE (default .daybook), or
starts its database for as long as the command takes.
"""

_CHECKING = frozenset({"pytest", "interpreter"})
# They are about the product itself; a project that installed it has its own.
_OF_A_CHECKOUT = frozenset({*_CHECKING, "demo"})
# These read none of the product's tables, or diagnose them.
_ON_ANY_SCHEMA = frozenset(
    {
        "api_docs",
        "capabilities_docs",
        "dbshell",
        "diffsettings",
        "events_docs",
        "inspectdb",
        "makemigrations",
        "metrics_docs",
        "migrate",
        "optimizemigration",
        "settings_docs",
        "shell",
        "showmigrations",
        "sqlmigrate",
        "squashmigrations",
    }
)
_NOT_UNDERSTOOD = 2
# These look at the code only.
_WITHOUT_SERVERS = frozenset(
    {"check", "collectstatic", "compilemessages", "makemessages", "version", "--version"}
)
# What Django answers without a command.
_DJANGOS_OWN = frozenset({"help", "version", "--help", "--version", "-h", "--commands"})
# Of no interest where in our code: the machine has to be mended.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_NOWHERE = {
    "DATABASE_URL": "postgresql:///not-started",
    "REDIS_URL": "unix:///not-started",
    "SECRET_KEY": "of-a-command-that-signs-nothing-0123456789-abcdefghijklmnop",
}


def main(argv: list[str]) -> int:
    """Run one command line and return its exit code."""
    command = argv[1] if len(argv) > 1 else "help"
    if checkout.IS_INSTALLED and command in _OF_A_CHECKOUT:
        print(f"`{command}` needs a checkout of Daybook.", file=sys.stderr)
        return _NOT_UNDERSTOOD
    profile = bootstrap.CHECKING if command in _CHECKING else bootstrap.RUNNING
    try:
        python = bootstrap.ensure(profile)
        bootstrap.compile_once(python)
        bootstrap.enter(python, argv)
        return _run(command, argv)
    except (bootstrap.CannotInstall, ServersUnavailable, StateRefused) as error:
        return attach.complain(error)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        return attach.complain(error)


def _run(command: str, argv: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", OURS)
    match command:
        case "up":
            from config.processes import up

            return up.main(argv[2:])
        case "demo":
            from config import demo

            return demo.main(argv[2:])
        case "pytest":
            return _pytest(argv[2:])
        case "interpreter":
            print(sys.executable)
            return 0
        case "help" | "--help" | "-h":
            return _help(argv)
        case _:
            return _run_known(argv, servers=needs_servers(argv[1:]))


def _help(argv: list[str]) -> int:
    match argv[2:]:
        case []:
            print(BEFORE_DJANGO)
            return _run_django([argv[0], "help"], servers=False)
        case [("up" | "demo") as ours]:
            return _run(ours, [argv[0], ours, "--help"])
        case asked:
            return _run_known([argv[0], "help", *asked], servers=False)


def needs_servers(arguments: list[str]) -> bool:
    """Return whether a command of Django's kind looks at more than the code."""
    options = takewhile(lambda each: each != "--", arguments[1:])
    return arguments[0] not in _WITHOUT_SERVERS and not {"-h", "--help"}.intersection(options)


def unknown_command(arguments: list[str]) -> str | None:
    """Return what is asked for if there is no such command, as `help` of it too; else None.

    No settings are read for it: they may name servers that are not there yet. So what apps
    there are in settings of somebody's own only Django can say.
    """
    if os.environ.get("DJANGO_SETTINGS_MODULE", OURS) != OURS:
        return None
    asked = arguments[1:2] if arguments[0] == "help" else arguments[:1]
    is_known = not asked or asked[0] in {*_DJANGOS_OWN, *known_commands()}
    return None if is_known else asked[0]


def known_commands() -> list[str]:
    """Return the names of the commands of all apps."""
    from django.core.management import find_commands

    from config.settings.installed import INSTALLED_APPS

    packages = {"django.core", *map(_package_of, INSTALLED_APPS)}
    found = [find_spec(package) for package in packages]
    places = [place for spec in found if spec for place in spec.submodule_search_locations or ()]
    return [name for place in places for name in find_commands(f"{place}/management")]


def _package_of(app: str) -> str:
    # As in Django: the package, or the class of its configuration.
    parts = app.split(".")
    return ".".join(parts[:-2]) if parts[-1][0].isupper() else app


def _not_understood(asked: str) -> int:
    close = get_close_matches(asked, known_commands(), n=1)
    guess = f". Did you mean {close[0]}?" if close else ""
    print(f"Unknown command: {asked!r}{guess}", file=sys.stderr)
    print("Type 'python3 manage.py help' for usage.", file=sys.stderr)
    return _NOT_UNDERSTOOD


def _pytest(arguments: list[str]) -> int:
    import pytest

    # Whoever runs in the background is told to ignore it, and so would be what the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("DJANGO_SETTINGS_MODULE")  # The tests have settings of their own.
    # Containers like to say this. The tests start a hundred processes, and each would compile
    # the whole product anew, which takes as long as to start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if is_whole_suite(arguments):
        from config.testing import whole_suite

        return whole_suite.main(arguments)
    return int(pytest.main(arguments))


def is_whole_suite(arguments: list[str]) -> bool:
    """Return whether the command line names no tests and no way to run them."""
    chosen = ("-n", "-k", "-m", "-p", "--dist", "--collect-only", "--co", "--pdb")
    return all(each.startswith("-") and not each.startswith(chosen) for each in arguments)


def _run_known(argv: list[str], *, servers: bool) -> int:
    if (unknown := unknown_command(argv[1:])) is not None:
        return _not_understood(unknown)
    return _run_django(argv, servers=servers)


def _run_django(argv: list[str], *, servers: bool) -> int:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import (
        ManagementUtility,
        call_command,
        execute_from_command_line,
    )

    from config.processes import given_servers
    from events.tables import migration_status

    class OnOurSchema(ManagementUtility):
        def fetch_command(self, subcommand: str) -> "BaseCommand":
            """Return the command, if the database is such that it can be run.

            :raises ServerUnfit: if no command can.
            :raises SchemaDiffers: if this one cannot.
            """
            command = super().fetch_command(subcommand)
            if subcommand == "migrate" or subcommand not in _ON_ANY_SCHEMA:
                given_servers.demand_database()
            if subcommand not in _ON_ANY_SCHEMA and not {"-h", "--help"}.intersection(argv):
                migration_status.check()
            return command

    def first_run() -> None:
        import django

        django.setup()
        call_command("migrate", verbosity=0)

    try:
        if not servers:
            os.environ.update(
                {name: value for name, value in _NOWHERE.items() if name not in os.environ}
            )
            execute_from_command_line(argv)
            return 0
        # A first run writes too, while the servers are being attached.
        with given_servers.written_to(), attach.attached(State.chosen(), first_run=first_run):
            OnOurSchema(argv).execute()
    except (
        given_servers.ServerUnfit,
        migration_status.SchemaDiffers,
        ImproperlyConfigured,
    ) as error:
        return attach.complain(error)
    return 0
