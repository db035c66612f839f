"""Every setting, with values that make no sense: what starts with one says which it is."""

import runpy
import subprocess
import sys
from os import environ
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from config import checks, environment, worker_start
from config.settings import base
from events import failpoints

SEED_TOO_SHORT = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MA=="
WRONG = {
    "ALLOWED_HOSTS": ["https://books.example", "books.example:8000", "books.example/x"],
    "API_BODY_BYTES_MAX": ["0"],
    "API_REQUESTS_PER_MINUTE_AGENT": ["0"],
    "API_REQUESTS_PER_MINUTE_ANONYMOUS": ["0"],
    "API_REQUESTS_PER_MINUTE_API_KEY": ["0"],
    "API_REQUESTS_PER_MINUTE_USER": ["0"],
    "APPROVAL_MAIL_FROM": ["books", "books@example.org\nBcc: all@example.org"],
    "APPROVAL_POLICIES": ["x"],
    "BUS_SLOW_HANDLER_MS": ["-1"],
    "CELERY_BROKER_URL": ["kafka://hush", "books", "amqp://books:hush/", "http://books"],
    "COMMERCE_CMS_URL": ["books"],
    "COMMERCE_MAIL_URL": ["http://"],
    "COMMERCE_PAYMENT_URL": ["http://books:port", "http://books/?to=x"],
    "COMMERCE_PAYMENT_WEBHOOK_SECRETS": ["whsec_!!!", "whsec_", "x"],
    "COMMERCE_TIMETABLE": ["x"],
    "CSRF_TRUSTED_ORIGINS": ["books.example"],
    "DATABASE_IDLE_TIMEOUT_MS": ["-1", "99999999999"],
    "DATABASE_LOCK_TIMEOUT_MS": ["-1", "99999999999"],
    "DATABASE_OWNER_URL": ["mysql://books/x", "postgresql://books"],
    "DATABASE_POOL": ["x"],
    "DATABASE_POOL_SIZE": ["0"],
    "DATABASE_STATEMENT_TIMEOUT_MS": ["-1", "99999999999"],
    "DATABASE_URL": ["", "mysql://books/x", "postgresql://books/", "postgresql://[books/x"],
    "DAYBOOK_FLOW_START_CHAIN_MAX": ["0"],
    "DAYBOOK_HEALTH_INTERVAL": ["-1"],
    "DAYBOOK_HTTP_ALLOW": ["10.0.0.0/99"],
    "DAYBOOK_NODE": ["", "x" * 201],
    "DAYBOOK_REMEMBERED_DAYS": ["0", "1e300"],
    "DAYBOOK_RETRY_BACKOFF_TYPE": ["sudden"],
    "DAYBOOK_RETRY_INITIAL_BACKOFF": ["0"],
    "DAYBOOK_RETRY_MAX": ["x"],
    "DAYBOOK_RETRY_MAX_BACKOFF": ["1"],
    "DAYBOOK_STEP_TIMEOUT": ["0", "999999999999"],
    "DAYBOOK_WEBHOOK_BASE_URL": ["", "books.example"],
    "DEBUG": ["x"],
    "EMAIL_PORT": ["0", "65536"],
    "EMAIL_USE_SSL": ["x"],
    "EMAIL_USE_TLS": ["x"],
    "FAILPOINTS": ["step.claimed:explode", "step.claims:kill"],
    "EVENTS_STRICT": ["x"],
    "HTTPS": ["x"],
    "LEDGER_DATA_KEYS": ["hush", SEED_TOO_SHORT],
    "LEDGER_SIGNING_KEY": ["hush", SEED_TOO_SHORT],
    "LEDGER_SIGNING_KEY_BEFORE": ["hush"],
    "LEDGER_WITNESSES": ["ftp://books", "file://folder/x"],
    "LEDGER_WITNESS_S3_LOCK_DAYS": ["-1", "9999999999"],
    "LEDGER_WITNESS_S3_REGION": ["", "the moon"],
    "LEDGER_WITNESS_S3_URL": ["books"],
    "LEDGER_WITNESS_TOKENS": ["hush"],
    "LIVE_HEARTBEAT_S": ["0"],
    "LIVE_QUEUE_BYTES": ["0"],
    "LIVE_QUEUE_FRAMES": ["0"],
    "LIVE_RECHECK_S": ["0"],
    "LIVE_SUBSCRIPTIONS": ["0"],
    "LOG_LEVEL": ["LOUD"],
    "OPEN_ENGINE": ["x"],
    "PUBLIC_URL": ["books"],
    "REDIS_URL": ["http://books", "redis://books:hush/0", "redis://books/first", "redis://[books"],
    "SECRET_KEY": [""],
    "TRUST_FORWARDED_PROTO": ["x"],
    "WEBHOOK_CALLS_PER_RECEIVER": ["0", "99999999999"],
    "WEB_THREADS": ["0"],
    "WORK_HOUSEKEEPING_DAYS": ["0.5", "1e300"],
    "WORK_LEASE_S": ["0", "nan", "1e300"],
    "WORK_PATIENCE_S": ["0", "1e300"],
    "WORK_QUEUES": ["x", "no.such.kind=slow"],
}
# Any text may be right, or whoever reads it says so: the embedded servers, one command.
NOT_JUDGED = {
    "DAYBOOK_AGENT_KEY",
    "DAYBOOK_CARELESS",
    "DAYBOOK_STATE",
    "DJANGO_SUPERUSER_EMAIL",
    "DJANGO_SUPERUSER_PASSWORD",
    "DJANGO_SUPERUSER_USERNAME",
    "EMAIL_HOST",
    "EMAIL_HOST_PASSWORD",
    "EMAIL_HOST_USER",
    "LEDGER_WITNESS_S3_ACCESS_KEY",
    "LEDGER_WITNESS_S3_SECRET_KEY",
    "LEDGER_WITNESS_S3_SESSION_TOKEN",
    "PG_BINDIR",
    "SECRET_KEY_FALLBACKS",
    "STATIC_ROOT",
}
# Django warns of overriding these; the readers have judged them.
BEHIND = {"DATABASES", "CACHES"}


def refusal_of(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a process that starts with it says; empty if it starts."""
    monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "config.settings.mail")
    monkeypatch.delitem(sys.modules, "config.settings.pool")
    try:
        monkeypatch.setattr(failpoints, "_armed", failpoints._parse(environ.get("FAILPOINTS", "")))
        read: dict[str, Any] = runpy.run_path(base.__file__)
        given = {key: read[key] for key in read if key.isupper() and key not in BEHIND}
        with override_settings(**given):
            worker_start.demand_sound_settings()
    except ImproperlyConfigured as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_value_that_makes_no_sense_stops_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusal_of(name, value, monkeypatch)

    assert name in said
    assert "hush" not in said


@pytest.mark.parametrize("module", ["config.asgi", "config.wsgi"])
def test_nor_does_a_web_server_start_with_it(module: str) -> None:
    server = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        env={**environ, "FAILPOINTS": "step.claims:kill"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (server.returncode, "FAILPOINTS names step.claims" in server.stderr) == (1, True)


def test_every_setting_is_looked_at() -> None:
    assert {*WRONG, *NOT_JUDGED} == set(environment.readings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", "books.example,.example.org,[::1],*,10.0.0.1"),
        ("APPROVAL_MAIL_FROM", "Books <books@example.org>"),
        ("CELERY_BROKER_URL", "amqp://rabbit//"),
        ("COMMERCE_PAYMENT_WEBHOOK_SECRETS", "whsec_MDEyMzQ1Njc4OTAx MDEyMw"),
        ("DAYBOOK_RETRY_MAX", "-1"),
        ("FAILPOINTS", "sequencer.before_commit:kill:0.3,webhook.after_call:sleep=2"),
        ("LEDGER_WITNESSES", "file://localhost/var/proofs"),
        ("REDIS_URL", "rediss://:pass@cache:6379/3?ssl_ca_certs=/etc/ca.pem"),
        ("REDIS_URL", "unix:///run/valkey.sock?db=2"),
    ],
)
def test_values_that_make_sense_do_not(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal_of(name, value, monkeypatch) == ""


@pytest.mark.parametrize(("is_open", "found"), [(True, ["platform.W002"]), (False, [])])
def test_an_engine_that_is_open_is_named_before_it_is_deployed(
    *, is_open: bool, found: list[str]
) -> None:
    with override_settings(OPEN_ENGINE=is_open):
        assert [message.id for message in checks.check_engine()] == found
