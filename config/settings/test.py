"""Overrides for the test suite. The services behind it are real."""

import os
from typing import Any

# The plugin config.testing.servers names real servers; mypy only wants to read the settings.
os.environ.setdefault("DATABASE_URL", "postgresql:///not-started")
os.environ.setdefault("REDIS_URL", "unix:///not-started")
os.environ.setdefault("SECRET_KEY", "for-tests-only-0123456789-abcdefghijklmnopqrstuvwxyz")
os.environ.setdefault("HTTPS", "false")  # Django's test client speaks plainly.

from config.settings.base import *  # noqa: F403

# Migrated already: by the plugin that starts the servers, if it did (config.testing.template).
DATABASES["default"]["TEST"] = {"TEMPLATE": os.environ.get("DAYBOOK_TEST_TEMPLATE")}  # noqa: F405
# Twenty who race for one row, and whoever waits in a transaction for another thread, are to come
# to an end that the test can look at, however slow the machine is.
_OPTIONS: Any = DATABASES["default"]["OPTIONS"]  # noqa: F405
_OPTIONS["options"] += (
    " -c lock_timeout=60s -c statement_timeout=120s -c idle_in_transaction_session_timeout=120s"
)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EVENTS_STRICT = True

# On a machine that is busy with much else any of them may be, and a test counts what is logged.
BUS_SLOW_HANDLER_MS = 60_000

# A test says itself what is due.
COMMERCE_TIMETABLE = False
APPROVAL_POLICIES = False
FLOWS_HEALTH_INTERVAL_S = 0

# Any 32 bytes: what a test seals is not evidence.
LEDGER_SIGNING_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
