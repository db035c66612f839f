"""Log in, log out, and what a visitor without a session is told."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="correct horse")


class TestLogIn:
    def test_leads_to_where_the_visitor_wanted_to_go(self, client: Client, ada: User) -> None:
        response = client.post(
            "/login/", {"username": "ada", "password": "correct horse", "next": "/jobs?status=dead"}
        )

        assert response.status_code == 302
        assert response["Location"] == "/jobs?status=dead"

    def test_never_leads_to_another_host(self, client: Client, ada: User) -> None:
        response = client.post(
            "/login/",
            {"username": "ada", "password": "correct horse", "next": "https://evil.example/"},
        )

        assert response["Location"] == "/"

    def test_says_the_same_of_a_wrong_name_and_a_wrong_password(
        self, client: Client, ada: User
    ) -> None:
        wrong_name = client.post("/login/", {"username": "bob", "password": "correct horse"})
        wrong_password = client.post("/login/", {"username": "ada", "password": "wrong"})

        says = "That name and password do not belong together. Check both and try again."
        assert says in wrong_name.content.decode()
        assert says in wrong_password.content.decode()
        assert "_auth_user_id" not in client.session

    def test_tells_a_visitor_whose_session_ended_why_they_are_here(self, client: Client) -> None:
        response = client.get("/", follow=True)

        assert response.redirect_chain == [("/login/?next=/", 302)]
        assert "your session has expired" in response.content.decode()


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
