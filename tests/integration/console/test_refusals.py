"""The pages that say no, and the headers that every page carries."""

from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn
from urllib.parse import unquote_to_bytes

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, ProgrammingError, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from console.views import refusals
from events import context
from events.domain.errors import Conflict
from events.domain.principal import SYSTEM
from ledger.access import authority
from ledger.approving.gate import ApprovalRequired
from ledger.domain.delegation import RateExceeded
from ledger.models import Approval
from ledger.services import api_keys

pytestmark = pytest.mark.django_db

A_BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class TestRefusals:
    def test_an_unknown_address_gets_our_own_page(self, client: Client) -> None:
        response = client.get("/no/such/page")

        assert response.status_code == 404
        assert "<h1>Not found</h1>" in response.content.decode()

    def test_a_refusal_escapes_what_it_repeats(self, rf: RequestFactory) -> None:
        request = rf.get("/")

        response = refusals.forbidden(request, PermissionDenied("<script>alert(1)</script>"))

        assert response.status_code == 403
        assert "<script>alert(1)" not in response.content.decode()

    @pytest.mark.parametrize("address", ["/logout/", "/admin/logout/"])
    def test_an_address_of_a_button_says_that_it_is_no_page(
        self, admin_client: Client, address: str
    ) -> None:
        response = admin_client.get(address)

        assert response.status_code == 405
        assert "POST" in response["Allow"]
        assert "This address is for a form" in response.content.decode()

    def test_a_page_says_what_it_does_not_take(self, admin_client: Client) -> None:
        response = admin_client.delete("/doctor")

        page = response.content.decode()
        assert response.status_code == 405
        assert "It does not take DELETE. Nothing was changed." in page
        assert f"It takes {response['Allow']}" in page

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
        assert "This form has expired" in response.content.decode()

    @pytest.mark.parametrize(
        "address",
        ["/flows/starts/a%00b", "/admin/auth/user/?email__exact=%00"],
    )
    def test_an_address_that_no_text_of_the_database_has_is_no_bug(
        self, admin_client: Client, address: str
    ) -> None:
        response = admin_client.get(address)

        assert response.status_code == 400
        assert "Bad request" in response.content.decode()

    @pytest.mark.parametrize("sent", [b"%FF", b"%ED%A0%80", b"\xff"])
    def test_text_that_is_not_utf_8_is_refused_and_not_guessed_at(
        self, admin_client: Client, sent: bytes
    ) -> None:
        in_parts = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n%s\r\n--b--\r\n'
        bodies = {
            "application/x-www-form-urlencoded": b"name=N" + sent,
            "multipart/form-data; boundary=b": in_parts % unquote_to_bytes(sent),
        }

        for type_, body in bodies.items():
            answer = admin_client.post("/admin/auth/group/add/", body, content_type=type_)
            page = answer.content.decode()
            assert answer.status_code == 400
            assert "Some of what was sent is not UTF-8. Nothing was changed." in page
        assert not Group.objects.exists()

    def test_parts_in_a_charset_that_they_name_are_read_in_it(self, admin_client: Client) -> None:
        part = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nN\xe9\r\n--b--\r\n'
        type_ = "multipart/form-data; boundary=b"

        assert admin_client.post("/admin/auth/group/add/", part, type_).status_code == 400
        named = part.decode("latin-1")  # The client writes it in the charset that is named.
        answer = admin_client.post("/admin/auth/group/add/", named, f"{type_}; charset=latin-1")

        assert 'value="N\xe9"' in answer.content.decode()

    @pytest.mark.parametrize("type_", ["application/json", "text/plain"])
    def test_what_is_no_form_is_not_read_as_one(self, admin_client: Client, type_: str) -> None:
        answer = admin_client.post("/admin/auth/group/add/", b"name=\xff", content_type=type_)

        assert "This field is required." in answer.content.decode()

    def test_programs_are_refused_in_their_own_way(self, admin_client: Client) -> None:
        answer = admin_client.get("/api/v1/jobs?status=%FF")

        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"

    def test_text_in_an_address_is_utf_8_too(self, admin_client: Client) -> None:
        assert admin_client.get("/flows?goal=%FF").status_code == 400
        assert admin_client.get("/flows?goal=%EF%BF%BD").status_code == 200

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

    def test_says_by_which_id_the_log_knows_of_it(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.raise_request_exception = False
        named = {"X-Request-ID": "req-42"}
        assert "<code>req-42</code>" in client.get("/nothing", headers=named).content.decode()

        monkeypatch.setattr(authority, "principal_of", raising(RuntimeError))
        assert "<code>req-42</code>" in client.get("/login/", headers=named).content.decode()

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_database_that_is_away_is_said_on_a_page_that_does_without(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        monkeypatch.setattr(
            "config.web.middleware.authority.principal_of", raising(OperationalError)
        )
        client.raise_request_exception = False

        with CaptureQueriesContext(connection) as asked:
            response = client.generic(method, "/jobs?status=dead", headers=A_BROWSER)

        page = response.content.decode()
        assert (response.status_code, response["Retry-After"]) == (503, "2")
        assert "The database does not answer" in page
        assert ('href="/jobs?status=dead"' in page) == (method == "GET")
        assert ("check whether it was done" in page) == (method == "POST")
        assert len(asked) == 0

    def test_a_script_or_a_probe_is_told_the_same_as_a_problem(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "config.web.middleware.authority.principal_of", raising(OperationalError)
        )
        client.raise_request_exception = False

        response = client.get("/badges", headers={"Accept": "*/*"})

        assert (response.status_code, response["Retry-After"]) == (503, "2")
        assert response.json()["code"] == "database_unavailable"

    def test_another_revision_of_the_database_is_an_upgrade(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "config.web.middleware.authority.principal_of", raising(ProgrammingError)
        )
        monkeypatch.setattr("config.web.problems._schema_differs", lambda: True)
        client.raise_request_exception = False

        response = client.get("/jobs", headers=A_BROWSER)

        assert response.status_code == 503
        assert "Daybook is being upgraded" in response.content.decode()

    @override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
    def test_a_form_that_is_too_large_is_told_so(self, client: Client) -> None:
        response = client.post("/login/", {"username": "a" * 100})

        assert response.status_code == 413
        assert "Request too large" in response.content.decode()

    def test_a_rule_that_no_page_expected_says_no_in_its_own_words(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("console.views.doctor.render", raising(SealedAlready))

        response = admin_client.get("/doctor")

        page = response.content.decode()
        assert response.status_code == 409
        assert "It is sealed. Nothing was changed." in page
        assert "Open another one." in page

    @pytest.mark.parametrize(
        ("address", "view"),
        [
            ("/doctor", "console.views.doctor.render"),
            ("/admin/", "console.admin_site.DaybookAdminSite.get_app_list"),
        ],
    )
    def test_what_is_done_too_often_says_how_long_to_wait(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch, address: str, view: str
    ) -> None:
        def too_often(*args: object) -> NoReturn:
            raise RateExceeded("d1", per_minute=5)

        monkeypatch.setattr(view, too_often)

        response = admin_client.get(address)

        page = response.content.decode()
        assert (response.status_code, response["Retry-After"]) == (429, "60")
        assert "Too many requests" in page
        assert "allows 5 actions a minute" in page
        assert "Wait 60 seconds, then try again." in page
        assert "Retry-After" not in page

    def test_what_needs_somebody_to_agree_leads_to_the_approval(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        approval = Approval(expires_at=timezone.now())

        def asked(*args: object) -> NoReturn:
            raise ApprovalRequired(approval, is_replayed=False)

        monkeypatch.setattr("console.views.doctor.render", asked)

        response = admin_client.get("/doctor")

        assert response.status_code == 202
        assert f'href="/approvals/{approval.pk}"' in response.content.decode()


class SealedAlready(Conflict):
    code = "sealed_already"
    hint = "Open another one."

    def __init__(self, _said: str) -> None:
        super().__init__("It is sealed.")


def raising(error: type[Exception]) -> Callable[..., NoReturn]:
    def broken(*args: object, **kwargs: object) -> NoReturn:
        raise error("a secret detail")

    return broken


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
    def test_writes_moments_to_the_second_and_with_their_zone(self, admin_client: Client) -> None:
        ends = timezone.now() + timedelta(days=30)
        with context.acting(SYSTEM):
            api_keys.issue_api_key(
                name="a key", owner=User.objects.get(), scopes=["job.read"], expires_at=ends
            )

        page = admin_client.get("/admin/ledger/apikey/").content.decode().replace("\xa0", " ")

        assert f"{ends.day} {ends:%b %Y, %H:%M:%S} UTC" in page

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
