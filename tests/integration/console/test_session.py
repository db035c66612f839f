"""Log in, log out, and what a visitor without a session is told."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client, RequestFactory
from django.utils import timezone

from ledger.access import guesses, step_up

pytestmark = pytest.mark.django_db

RIGHT = "correct horse"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=RIGHT)


class TestLogIn:
    def test_leads_to_where_the_visitor_wanted_to_go(self, client: Client, ada: User) -> None:
        response = client.post(
            "/login/", {"username": "ada", "password": RIGHT, "next": "/jobs?status=dead"}
        )

        assert response.status_code == 302
        assert response["Location"] == "/jobs?status=dead"

    def test_never_leads_to_another_host(self, client: Client, ada: User) -> None:
        response = client.post(
            "/login/",
            {"username": "ada", "password": RIGHT, "next": "https://evil.example/"},
        )

        assert response["Location"] == "/"

    def test_says_the_same_of_a_wrong_name_and_a_wrong_password(
        self, client: Client, ada: User
    ) -> None:
        wrong_name = client.post("/login/", {"username": "bob", "password": RIGHT})
        wrong_password = client.post("/login/", {"username": "ada", "password": "wrong"})

        says = "That name and password do not belong together. Check both and try again."
        assert says in wrong_name.content.decode()
        assert says in wrong_password.content.decode()
        assert "_auth_user_id" not in client.session

    def test_tells_a_visitor_whose_session_ended_why_they_are_here(self, client: Client) -> None:
        response = client.get("/", follow=True)

        assert response.redirect_chain == [("/login/?next=/", 302)]
        assert "your session has expired" in response.content.decode()


class TestWrongPasswords:
    @pytest.fixture(autouse=True)
    def _two_in_a_minute_that_does_not_end(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        monkeypatch.setattr(guesses, "OF_AN_ADDRESS_MAX", 2)
        monkeypatch.setattr(guesses, "FOR_AN_ACCOUNT_MAX", 4)
        # Counts of its own for each test; clearing the cache would clear the broker's database.
        fresh = {**settings.CACHES["default"], "KEY_PREFIX": uuid4().hex}
        settings.CACHES = {"default": fresh}
        with time_machine.travel(timezone.now(), tick=False) as clock:
            self.clock = clock
            yield

    def test_are_counted_by_address_and_then_not_even_the_right_one_is_tried(
        self, client: Client, ada: User
    ) -> None:
        assert [tried(client, name, "wrong") for name in ("ada", "bob")] == [200, 200]

        form = {"username": "ada", "password": RIGHT}
        refused = client.post("/login/", form, REMOTE_ADDR="192.0.2.1")

        assert refused.status_code == 429
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert "Too many wrong passwords" in refused.content.decode()
        assert "_auth_user_id" not in client.session
        assert tried(client, "ada", RIGHT, address="192.0.2.2") == 302

    def test_are_counted_by_account_whatever_the_address(self, client: Client, ada: User) -> None:
        for address in ("192.0.2.1", "192.0.2.2"):
            for name in ("ada", "ADA"):
                assert tried(client, name, "wrong", address=address) == 200

        assert tried(client, "ada", RIGHT, address="192.0.2.3") == 429
        assert tried(client, "bob", "wrong", address="192.0.2.3") == 200

    def test_are_forgotten_with_the_minute(self, client: Client, ada: User) -> None:
        for _ in range(2):
            tried(client, "ada", "wrong")

        self.clock.shift(60)

        assert tried(client, "ada", RIGHT) == 302

    def test_are_counted_where_a_password_is_asked_for_again(self, ada: User) -> None:
        request = RequestFactory().post("/", REMOTE_ADDR="192.0.2.1")
        request.user, request.session = ada, SessionStore()
        assert not step_up.prove(request, "wrong")
        assert not step_up.prove(request, "wrong")

        with pytest.raises(guesses.TooManyWrongPasswords):
            step_up.prove(request, RIGHT)

        assert not step_up.is_fresh(request)

    def test_of_those_without_an_address_are_counted_by_account_alone(self) -> None:
        request = RequestFactory().post("/login/")
        del request.META["REMOTE_ADDR"]  # As over a Unix socket.
        for _ in range(3):
            guesses.note_wrong(request, account="ada")
        guesses.check(request, account="ada")

        guesses.note_wrong(request, account="ada")

        guesses.check(request, account="bob")
        with pytest.raises(guesses.TooManyWrongPasswords):
            guesses.check(request, account="ada")


def tried(client: Client, name: str, password: str, *, address: str = "192.0.2.1") -> int:
    """Return the status that a visitor gets who tries to log in."""
    form = {"username": name, "password": password}
    return client.post("/login/", form, REMOTE_ADDR=address).status_code


class TestLogOut:
    def test_ends_the_session(self, client: Client, ada: User) -> None:
        client.force_login(ada)

        response = client.post("/logout/")

        assert response["Location"] == "/login/"
        assert "_auth_user_id" not in client.session

    def test_refuses_a_mere_link(self, client: Client, ada: User) -> None:
        client.force_login(ada)

        assert client.get("/logout/").status_code == 405
        assert "_auth_user_id" in client.session
