"""`createsuperuser` and `changepassword` go through the services: who typed them is on record."""

import getpass
import os
import pwd
from collections.abc import Callable
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from ledger.models import Entry

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "quite-a-long-password"
Typing = Callable[..., None]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Typing:
    """Type answers and passwords, in order."""

    def type_(*answers: str, passwords: tuple[str, ...] = ()) -> None:
        lines, secrets = iter(answers), iter(passwords)
        monkeypatch.setattr("builtins.input", lambda _question: next(lines))
        monkeypatch.setattr("config.management.typed.getpass", lambda _question: next(secrets))

    return type_


def me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


class TestCreateSuperuser:
    def test_is_on_record_with_who_typed_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
        monkeypatch.setenv("LOGNAME", "somebody-else")

        call_command("createsuperuser", "--noinput", username="ada", email="", verbosity=0)

        user = User.objects.get(username="ada")
        assert (user.is_superuser, user.is_staff) == (True, True)
        assert user.check_password(PASSWORD)
        entry = Entry.objects.get(action_name="user.create")
        assert (entry.principal_type, entry.principal_id) == ("system", "command-line")
        assert entry.target_id == str(user.pk)
        assert entry.remark.text == f"Typed `createsuperuser` as {me()}"

    def test_asks_for_what_was_not_given_until_it_is_well(self, typing: Typing) -> None:
        User.objects.create_user("taken")
        typing("taken", "no good", "ada", "not-an-address", "ada@example.org",
               passwords=(PASSWORD, "another", "short", "short", PASSWORD, PASSWORD))  # fmt: skip
        errors = StringIO()

        call_command("createsuperuser", stdin=Terminal(), stderr=errors, stdout=StringIO())

        user = User.objects.get(username="ada")
        assert (user.email, user.check_password(PASSWORD)) == ("ada@example.org", True)
        for fault in ("there is a 'taken' already", "valid email address", "differ", "too short"):
            assert fault in errors.getvalue()

    def test_without_a_password_lets_nobody_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DJANGO_SUPERUSER_PASSWORD", raising=False)

        call_command("createsuperuser", "--noinput", username="ada", email="", verbosity=0)

        assert not User.objects.get(username="ada").has_usable_password()

    @pytest.mark.parametrize(
        ("environment", "why"),
        [
            ({}, "--noinput needs --username"),
            ({"username": "taken"}, "there is a 'taken' already"),
            ({"username": "no good"}, "Enter a valid username"),
            ({"username": "ada", "email": "x"}, "Enter a valid email address"),
        ],
    )
    def test_refuses_what_makes_no_user(self, environment: dict[str, str], why: str) -> None:
        User.objects.create_user("taken")

        with pytest.raises(CommandError, match=why):
            call_command("createsuperuser", "--noinput", **environment)

        assert not User.objects.filter(is_superuser=True).exists()
        assert not Entry.objects.exists()

    def test_asks_nobody_where_nobody_is(self) -> None:
        with pytest.raises(CommandError, match="nobody to ask"):
            call_command("createsuperuser", stdin=StringIO())


class TestChangePassword:
    def test_is_on_record_with_who_typed_it(self, typing: Typing) -> None:
        user = User.objects.create_user("ada")
        typing(passwords=(PASSWORD, PASSWORD))

        call_command("changepassword", "ada", stdout=StringIO())

        user.refresh_from_db()
        assert user.check_password(PASSWORD)
        entry = Entry.objects.get(action_name="user.set_password")
        assert (entry.principal_id, entry.target_id) == ("command-line", str(user.pk))
        assert entry.remark.text == f"Typed `changepassword` as {me()}"

    def test_is_that_of_whoever_types_without_a_name(
        self, typing: Typing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user = User.objects.create_user(getpass.getuser())
        typing(passwords=(PASSWORD, PASSWORD))

        call_command("changepassword", stdout=StringIO())

        user.refresh_from_db()
        assert user.check_password(PASSWORD)

    def test_changes_nothing_after_three_attempts(self, typing: Typing) -> None:
        User.objects.create_user("ada", password=PASSWORD)
        typing(passwords=("a", "b", "short", "short", "c", "d"))

        with pytest.raises(CommandError, match="no password in 3 attempts"):
            call_command("changepassword", "ada", stdout=StringIO(), stderr=StringIO())

        assert User.objects.get(username="ada").check_password(PASSWORD)
        assert not Entry.objects.exists()

    def test_refuses_a_name_that_nobody_has(self) -> None:
        with pytest.raises(CommandError, match="no user 'nobody'"):
            call_command("changepassword", "nobody")
