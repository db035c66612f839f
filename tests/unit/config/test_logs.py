"""Log lines: followed by their ids, one line each, without secrets."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import DisallowedHost

from config import logs
from config.bootstrap import ROOT
from events import context
from events.domain.principal import Principal, PrincipalKind

ALICE = Principal(kind=PrincipalKind.USER, id="7")
CANARY = "c4n4ryDoNotPrint"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the handler of the settings writes."""
    handler = logging.StreamHandler(io.StringIO())
    handler.addFilter(logs.WithIds())
    handler.addFilter(logs.WithoutSecrets())
    handler.setFormatter(logs.LineFormatter())
    logger = logging.getLogger("daybook.test")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.stream
    logger.removeHandler(handler)


LOGGER = logging.getLogger("daybook.test")


class TestIds:
    def test_are_those_of_the_request_and_its_story(self, lines: io.StringIO) -> None:
        token = logs.request_id.set("req_1")
        with context.acting(ALICE, correlation_id="cor_1"):
            LOGGER.info("Hello.")
        logs.request_id.reset(token)

        assert "INFO daybook.test [req_1 cor_1 user:7] Hello.\n" in lines.getvalue()

    def test_are_dashes_when_nothing_is_served(self, lines: io.StringIO) -> None:
        LOGGER.info("Hello.")

        assert "[- - -] Hello." in lines.getvalue()

    def test_are_known_to_what_django_says_after_the_request(self, lines: io.StringIO) -> None:
        LOGGER.info("Not Found: /x", extra={"request": SimpleNamespace(request_id="req_2")})

        assert "[req_2 - -] Not Found: /x\n" in lines.getvalue()


class TestCallers:
    @pytest.mark.parametrize(
        ("logger", "error"),
        [
            (
                "django.security.DisallowedHost",
                DisallowedHost("Invalid HTTP_HOST header: 'evil.example'."),
            ),
            ("uvicorn.error", UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")),
        ],
    )
    def test_leave_a_line_and_no_traceback(self, logger: str, error: Exception) -> None:
        record = logging.LogRecord(logger, logging.ERROR, __file__, 1, "Invalid.", (), None)
        record.exc_info = (type(error), error, error.__traceback__)

        logs.WithoutTracesOfCallers().filter(record)

        assert (vars(record)["exc_info"], record.levelname) == (None, "WARNING")

    def test_have_nothing_to_do_with_a_bug_of_ours(self) -> None:
        record = logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, "Bug.", (), None)
        record.exc_info = (ValueError, ValueError("a bug"), None)

        logs.WithoutTracesOfCallers().filter(record)

        assert (vars(record)["exc_info"] is not None, record.levelname) == (True, "ERROR")

    def test_are_told_apart_by_the_handler_of_the_settings(self) -> None:
        logging_: dict[str, Any] = settings.LOGGING

        assert "callers" in logging_["handlers"]["stderr"]["filters"]


class TestSecrets:
    def test_are_taken_out_of_every_part_of_a_line(self, lines: io.StringIO) -> None:
        try:
            int(f"postgres://u:{CANARY}@h/x")
        except ValueError:
            LOGGER.exception(
                f"Bearer {CANARY} %s",  # noqa: G004 - a message may have one anywhere.
                f"whsec_{CANARY}",
                extra={"password": CANARY, "headers": {"Authorization": f"Bearer {CANARY}"}},
                stack_info=True,
            )

        assert CANARY not in lines.getvalue()
        assert "ValueError" in lines.getvalue()

    def test_are_taken_out_of_a_line_with_wrong_arguments(self, lines: io.StringIO) -> None:
        wrong = "%d %d"
        LOGGER.info(wrong, f"Bearer {CANARY}")

        assert CANARY not in lines.getvalue()
        assert "%d %d" in lines.getvalue()


class TestLines:
    @pytest.mark.parametrize(
        ("text", "written"),
        [
            ("a\nb", "a\\nb"),
            ("a\r\n2026 INFO forged", "a\\r\\n2026 INFO forged"),
            ("\x1b[31mred", "\\x1b[31mred"),
            ("\u202etxt.exe", "\\u202etxt.exe"),
            ("Zürich", "Zürich"),
        ],
    )
    def test_cannot_be_forged(self, lines: io.StringIO, text: str, written: str) -> None:
        LOGGER.info(text)
        LOGGER.info("Hello.", extra={"name_of_it": text})

        first, second = lines.getvalue().splitlines()
        assert first.endswith(f"] {written}")
        assert second.endswith(f"] Hello. name_of_it={written}")


def test_a_server_that_has_set_up_its_own_lines_says_ours_from_then_on() -> None:
    code = (
        "import logging.config, uvicorn.config\n"
        "logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)\n"
        "import django\n"
        "django.setup()\n"
        f"said = '/ws/events?ticket={CANARY}'\n"
        "logging.getLogger('uvicorn.error').info('WebSocket %s', said)\n"
        "logging.getLogger('uvicorn.access').info('GET %s', said)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.base"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert CANARY not in done.stderr
    assert [line.split(" ", 1)[1] for line in done.stderr.splitlines()] == [
        "INFO uvicorn.error [- - -] WebSocket /ws/events?ticket=[redacted]",
        "INFO uvicorn.access [- - -] GET /ws/events?ticket=[redacted]",
    ]
