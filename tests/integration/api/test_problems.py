"""Every refusal under /api is one problem document, whoever refuses and why."""

import logging
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.test import Client
from rest_framework.test import APIClient

from config.web.problems import MEDIA_TYPE
from ledger.access import credentials
from tests.unit.events.domain.test_strict_json import MALFORMED

URL = "/api/v1/gadgets"


def problem(answer: Any) -> dict[str, Any]:
    """Return the body, once it is certain that it is a whole problem document."""
    assert answer["Content-Type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"/docs/errors.md#{body['code']}"
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == answer.wsgi_request.path
    assert body["request_id"] == answer["X-Request-ID"]
    return body


class TestDomainErrors:
    def test_are_answered_with_their_code_and_facts(self, client: APIClient) -> None:
        answer = client.get(f"{URL}/fail?how=conflict")

        assert answer.status_code == 409
        assert problem(answer) == {
            "type": "/docs/errors.md#gadget_gone",
            "title": "Gadget gone",
            "status": 409,
            "detail": "It went.",
            "instance": "/api/v1/gadgets/fail",
            "code": "gadget_gone",
            "request_id": answer["X-Request-ID"],
            "facts": {"gadget": "7"},
        }

    def test_say_when_to_come_back(self, client: APIClient) -> None:
        answer = client.get(f"{URL}/fail?how=away")

        assert (answer.status_code, answer["Retry-After"]) == (503, "7")
        assert problem(answer)["code"] == "supplier_away"


class TestBugs:
    def test_are_answered_without_their_text_and_logged_with_it(
        self, client: APIClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.ERROR):
            answer = client.get(f"{URL}/fail?how=bug")

        assert answer.status_code == 500
        assert problem(answer)["code"] == "internal_error"
        assert "hunter2" not in answer.content.decode()
        assert "ZeroDivisionError" in caplog.text

    def test_a_value_that_postgresql_refuses_is_the_callers(
        self, client: APIClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = client.get(f"{URL}/fail?how=value")

        assert answer.status_code == 400
        assert problem(answer)["code"] == "value_out_of_range"
        assert "PostgreSQL refused a value" in caplog.text

    def test_a_database_that_is_away_is_none(self, client: APIClient) -> None:
        answer = client.get(f"{URL}/fail?how=database")

        assert (answer.status_code, answer["Retry-After"]) == (503, "2")
        assert problem(answer)["code"] == "database_unavailable"

    def test_a_database_that_is_away_when_the_credential_is_read_is_none_either(
        self, client: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(_text: str) -> None:
            raise OperationalError("the connection is lost")

        monkeypatch.setattr(credentials, "key_for", lost)

        assert problem(client.get(URL))["code"] == "database_unavailable"

    def test_nor_when_the_session_is_read_before_any_view(
        self, client: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(_request: object) -> None:
            raise OperationalError("the connection is lost")

        monkeypatch.setattr("config.web.middleware.authority.principal_of", lost)

        answer = client.get(URL)

        assert (answer.status_code, answer["Retry-After"]) == (503, "2")
        assert problem(answer)["code"] == "database_unavailable"


class TestFramework:
    def test_an_unknown_address(self, client: APIClient) -> None:
        assert problem(client.get("/api/v1/nothing"))["code"] == "not_found"
        assert problem(client.get("/api/nothing"))["code"] == "not_found"

    def test_an_unknown_address_elsewhere_is_a_page(self, client: APIClient) -> None:
        answer = client.get("/nothing")

        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("text/html")

    def test_a_method_that_nobody_has(self, client: APIClient) -> None:
        for method in (client.put, client.patch, client.delete, client.trace):
            answer = method(URL)
            assert answer.status_code == 405
            assert problem(answer)["code"] == "method_not_allowed"
            assert "GET" in answer["Allow"]

    def test_a_host_that_is_not_ours(self, client: APIClient) -> None:
        answer = client.get(URL, headers={"Host": "evil.example"})

        assert answer.status_code == 400
        assert problem(answer)["code"] == "malformed"

    def test_an_answer_in_a_form_that_we_do_not_speak(self, client: APIClient) -> None:
        answer = client.get(URL, headers={"Accept": "text/csv"})

        assert answer.status_code == 406
        assert problem(answer)["code"] == "not_acceptable"

    @pytest.mark.parametrize(
        "id_",
        [
            "0",
            "999999",
            "9223372036854775807",
            "-1",
            "x",
            "%00",
            "..",
            "a/b",
            "1" * 1001,
            "%20",
            ".",
            "null",
            "NULL",
            "1.0",
            "1e3",
            "%2e%2e",
            "e%CC%81",
            "%C3%A9",
            "%E2%80%AE1",
            "%FF",
        ],
    )
    def test_an_id_that_nothing_has(self, client: APIClient, id_: str) -> None:
        answer = client.get(f"{URL}/{id_}")

        assert answer.status_code == 404
        assert problem(answer)["code"] == "not_found"


class TestBody:
    @pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
    def test_that_is_not_strict_json_is_400_and_does_nothing(
        self, client: APIClient, raw: bytes
    ) -> None:
        answer = client.post(URL, raw, content_type="application/json")

        assert answer.status_code == 400
        assert problem(answer)["code"] in {"json_malformed", "invalid"}
        assert not Group.objects.exists()

    @pytest.mark.parametrize(
        "type_", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "x"]
    )
    def test_of_another_type_is_415(self, client: APIClient, type_: str) -> None:
        answer = client.post(URL, b'{"name":"bolt"}', content_type=type_)

        assert answer.status_code == 415
        assert problem(answer)["code"] == "unsupported_media_type"

    def test_that_is_compressed_is_415(self, client: APIClient) -> None:
        answer = client.post(
            URL, b"\x1f\x8b", content_type="application/json", headers={"Content-Encoding": "gzip"}
        )

        assert answer.status_code == 415

    def test_that_is_too_large_is_413(self, client: APIClient, settings: Any) -> None:
        settings.API_BODY_BYTES_MAX = 20

        fits = client.post(URL, b'{"name":"12345678"}'.ljust(20), content_type="application/json")
        larger = client.post(URL, b'{"name":"12345678"}'.ljust(21), content_type="application/json")

        assert fits.status_code == 201
        assert larger.status_code == 413
        assert problem(larger)["code"] == "json_too_large"

    def test_says_of_each_part_what_is_wrong_with_it(self, client: APIClient) -> None:
        body = {"name": "", "parts": [{"amount": 1}, {"amount": 0}, {"am/ou~nt": 1}, 7]}

        answer = client.post(URL, body)

        assert answer.status_code == 400
        assert problem(answer)["code"] == "invalid"
        found = {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
        assert found == {
            ("/name", "blank"),
            ("/parts/1/amount", "min_value"),
            ("/parts/2/am~1ou~0nt", "unknown"),
            ("/parts/3", "invalid"),
        }

    def test_says_what_a_field_may_be_called_that_there_is_not(self, client: APIClient) -> None:
        [error] = problem(client.post(URL, {"name": "bolt", "part": []}))["errors"]

        assert error["detail"] == "There is no such field here; did you mean parts?"

    def test_names_the_choices_when_it_says_none_of_them(self, client: APIClient) -> None:
        [error] = problem(client.post(URL, {"name": "bolt", "colour": "pink"}))["errors"]

        assert (error["code"], error["detail"]) == ("invalid_choice", "Say one of: red, green.")

    def test_says_null_where_it_means_null(self, client: APIClient) -> None:
        blank = client.post(URL, {"name": "bolt", "maker": ""})
        null = client.post(URL, {"name": "bolt", "maker": None})

        assert (blank.status_code, null.status_code) == (400, 201)
        assert problem(blank)["errors"][0]["pointer"] == "/maker"

    @pytest.mark.parametrize("body", [[], "x", 7, True])
    def test_that_is_no_object_is_400(self, client: APIClient, body: object) -> None:
        answer = client.post(URL, body)

        assert answer.status_code == 400
        assert problem(answer)["errors"][0]["pointer"] == ""


class TestQuery:
    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("size=huge", "size"),
            ("size=big,huge", "size"),
            ("at_least=x", "at_least"),
            ("at_least=NaN", "at_least"),
            ("sise=big", "sise"),
            ("size=", "size"),
            ("at_least=1&at_least=2", "at_least"),
            ("page_size=1&page_size=2", "page_size"),
            ("is_big=AAA", "is_big"),
            ("is_big=1.0", "is_big"),
            ("since=x", "since"),
            ("since=0001-01-01T00:00:00%2B20:00", "since"),
            ("page_size=0", "page_size"),
            ("page_size=201", "page_size"),
            ("page_size=-1", "page_size"),
            ("page_size=x", "page_size"),
            ("page_size=%D9%A3", "page_size"),
            ("page_size=", "page_size"),
            ("cursor=", "cursor"),
            ("cursor=x", "cursor"),
            ("cursor=%FF", "cursor"),
            ("cursor=WzFd", "cursor"),
            ("cursor=WyJuIixbbnVsbF1d", "cursor"),
            ("cursor=WyJuIixbInh4Il1d", "cursor"),
            ("cursor=WyJ4IixbMV1d", "cursor"),
            ("cursor=eyJhIjoxfQ", "cursor"),
        ],
    )
    def test_that_means_nothing_is_refused_by_name(
        self, client: APIClient, query: str, parameter: str
    ) -> None:
        answer = client.get(f"{URL}?{query}")

        assert answer.status_code == 400
        [error] = problem(answer)["errors"]
        assert error["parameter"] == parameter

    @pytest.mark.parametrize(
        ("query", "detail"),
        [
            ("sise=big", "There is no such parameter here; did you mean size?"),
            (
                "colour=red",
                (
                    "There is no such parameter here. "
                    "There are: at_least, cursor, is_big, page_size, since, size."
                ),
            ),
            ("size=huge", "Say one of: big, small."),
            (
                "since=2026-05-04T12:00:00",
                "Say with which offset: 2026-12-01T09:00:00+01:00, or Z for UTC.",
            ),
            ("since=2026-05-04", "Say with which offset: 2026-12-01T09:00:00+01:00, or Z for UTC."),
            (
                "since=2026-05-04T12:00:00+01:00",
                "Say a moment, such as 2026-12-01T09:00:00Z; in a URL, escape a plus sign.",
            ),
        ],
    )
    def test_that_means_nothing_is_told_what_would(
        self, client: APIClient, query: str, detail: str
    ) -> None:
        [error] = problem(client.get(f"{URL}?{query}"))["errors"]

        assert error["detail"] == detail

    def test_may_say_a_time_with_an_offset_that_postgresql_does_not_know(
        self, client: APIClient
    ) -> None:
        Group.objects.create(name="bolt")

        answer = client.get(f"{URL}?since=2026-05-04T12:00:00%2B20:30")

        assert [row["name"] for row in answer.json()["results"]] == ["bolt"]


class TestPreconditions:
    @pytest.mark.parametrize(
        ("header", "status", "code"),
        [
            (None, 428, "if_match_required"),
            ('"3"', 412, "version_moved"),
            ('W/"4"', 412, "version_moved"),
            ("4", 412, "version_moved"),
            ('"x"', 412, "version_moved"),
            ('"3", "5"', 412, "version_moved"),
            ('"3", W/"4"', 412, "version_moved"),
            ('"3" "4"', 412, "version_moved"),
            ('"3, "4"', 412, "version_moved"),
            ('*, "4"', 412, "version_moved"),
        ],
    )
    def test_that_do_not_hold_are_refused(
        self, client: APIClient, header: str | None, status: int, code: str
    ) -> None:
        gadget = Group.objects.create(name="bolt")

        answer = client.post(
            f"{URL}/{gadget.pk}/change", headers={"If-Match": header} if header else {}
        )

        assert answer.status_code == status
        assert problem(answer)["code"] == code

    @pytest.mark.parametrize(
        "header", ['"4"', "*", '"3", "4"', '"4","5"', '"a,b", W/"4" ,, "4"', ', "4",']
    )
    def test_that_hold_are_met(self, client: APIClient, header: str) -> None:
        gadget = Group.objects.create(name="bolt")

        answer = client.post(f"{URL}/{gadget.pk}/change", headers={"If-Match": header})

        assert (answer.status_code, answer["ETag"]) == (200, '"4"')


class TestCsrf:
    def test_a_session_without_its_token_is_refused_as_a_problem(self, alice: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)

        answer = client.post(URL, {"name": "bolt"}, content_type="application/json")

        assert answer.status_code == 403
        assert problem(answer)["code"] == "permission_denied"
        assert not Group.objects.exists()
