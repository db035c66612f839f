"""The pages that say no, and the headers that every page carries."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from django.test.utils import override_settings

from console.views import refusals

pytestmark = pytest.mark.django_db


class TestRefusals:
    def test_an_unknown_address_gets_our_own_page(self, client: Client) -> None:
        response = client.get("/no/such/page")

        assert response.status_code == 404
        assert "There is nothing here" in response.content.decode()

    def test_a_refusal_escapes_what_it_repeats(self, rf: RequestFactory) -> None:
        request = rf.get("/")

        response = refusals.forbidden(request, PermissionDenied("<script>alert(1)</script>"))

        assert response.status_code == 403
        assert "<script>alert(1)" not in response.content.decode()

    @pytest.mark.parametrize("address", ["/flows/start", "/logout/"])
    def test_an_address_of_a_button_says_that_it_is_no_page(
        self, admin_client: Client, address: str
    ) -> None:
        response = admin_client.get(address)

        assert response.status_code == 405
        assert "POST" in response["Allow"]
        assert "It belongs to a button" in response.content.decode()

    @pytest.mark.parametrize(
        ("referrer", "next_page"),
        [
            ("http://testserver/jobs/7?tab=log", "/jobs/7%3Ftab%3Dlog"),
            ("http://elsewhere.example/jobs/7", "/"),
            ("", "/"),
        ],
    )
    def test_a_form_sent_after_the_session_leads_back_to_its_page(
        self, client: Client, referrer: str, next_page: str
    ) -> None:
        response = client.post("/ledger/seals/export", HTTP_REFERER=referrer)

        assert response["Location"] == f"/login/?next={next_page}"

    def test_a_form_without_its_token_is_told_to_reload(self) -> None:
        client = Client(enforce_csrf_checks=True)

        response = client.post("/login/", {"username": "ada", "password": "x"})

        assert response.status_code == 403
        assert "This form has gone stale" in response.content.decode()

    @pytest.mark.parametrize(
        "address",
        ["/flows/starts/a%00b", "/admin/auth/user/?email__exact=%00"],
    )
    def test_an_address_that_no_text_of_the_database_has_is_no_bug(
        self, admin_client: Client, address: str
    ) -> None:
        response = admin_client.get(address)

        assert response.status_code == 400
        assert "That request made no sense" in response.content.decode()

    def test_a_bug_gets_a_page_that_needs_neither_database_nor_session(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*args: object, **kwargs: object) -> None:
            raise RuntimeError("a secret detail")

        monkeypatch.setattr("django.contrib.auth.views.LoginView.get_context_data", broken)
        client.raise_request_exception = False

        response = client.get("/login/")

        assert response.status_code == 500
        assert "Something broke on our side" in response.content.decode()
        assert "a secret detail" not in response.content.decode()


class TestHeaders:
    def test_allow_nothing_inline_and_nothing_from_elsewhere(self, client: Client) -> None:
        policy = client.get("/login/")["Content-Security-Policy"]

        directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert directives == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self'",
            "font-src": "'self'",
            "connect-src": "'self'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }

    @override_settings(DEBUG=False)
    def test_forbid_sniffing_and_sharing_a_window(self, client: Client) -> None:
        response = client.get("/login/")

        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"


class TestAdminSite:
    def test_sends_visitors_to_the_one_log_in_page(self, client: Client) -> None:
        response = client.get("/admin/", follow=True)

        assert response.redirect_chain[-1] == ("/login/?next=/admin/", 302)

    def test_tells_those_without_staff_rights_instead_of_looping(self, client: Client) -> None:
        client.force_login(User.objects.create_user("bob"))

        response = client.get("/admin/", follow=True)

        assert response.status_code == 403
        assert "it needs the staff flag" in response.content.decode()

    def test_leads_back_to_the_console(self, client: Client) -> None:
        client.force_login(User.objects.create_superuser("root"))

        page = client.get("/admin/").content.decode()

        assert '<a href="/">Console</a>' in page
        assert "Users, and groups with their permissions." in page
