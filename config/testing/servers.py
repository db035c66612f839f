"""A pytest plugin: start PostgreSQL and Valkey before pytest-django reads the settings.

Loaded by `-p` in pyproject.toml, because a conftest is read too late. Does nothing when
DATABASE_URL and REDIS_URL name servers already, as they do in the workers of xdist.
"""

import gc
import os
from collections.abc import Iterator

import pytest

from config.embedded import attach
from config.embedded.binaries import ServersUnavailable
from config.embedded.postgres import DATABASE
from config.embedded.servers import Servers
from config.embedded.state import State
from config.testing import template, throwaway

pytest_plugins = ["config.testing.fixtures"]

VALKEY_DATABASES = 16

_started: list[Servers] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    """Start what the environment does not name."""
    gc.set_threshold(100_000, 10, 10)  # What is imported and collected now is no garbage.
    _take_own_valkey_database()
    if attach.is_embedded():
        try:
            _start()
        except ServersUnavailable as error:
            raise pytest.UsageError(str(error)) from error
    yield


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Spare the collector of garbage what stays to the end: all modules, all collected tests."""
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def pytest_unconfigure() -> None:
    """Stop what was started here."""
    for servers in _started:
        servers.stop()
        throwaway.remove(servers.state.folder)
    _started.clear()


def _start() -> None:
    throwaway.remove_what_nobody_holds()
    state = State(throwaway.new_folder("daybook-tests-"))
    state.prepare()
    servers = Servers.wanted(state, careless=True)
    _started.append(servers)
    if servers.postgres:
        template.install_template(state)
        os.environ[template.VARIABLE] = DATABASE
    servers.begin()
    servers.finish()
    # The superuser: only he may empty append-only tables between transactional tests.
    os.environ.update(servers.environment(superuser=True))


def _take_own_valkey_database() -> None:
    """Give each worker of xdist a database of its own behind the one Valkey."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker.startswith("gw"):
        _choose_valkey_database(int(worker[2:]) + 1)


def move_to_valkey_database(number: int) -> None:
    """Go over to another database behind the one Valkey, with settings that are made already."""
    if not _choose_valkey_database(number):
        return
    from django.conf import settings  # noqa: PLC0415 - they were not chosen when this was imported.
    from django.test.signals import clear_cache_handlers  # noqa: PLC0415 - likewise.

    from config.celery import app  # noqa: PLC0415 - likewise.
    from config.settings import env  # noqa: PLC0415

    url = os.environ["REDIS_URL"]
    settings.REDIS_URL = url
    settings.CELERY_BROKER_URL = env.as_broker(url)
    settings.CACHES["default"]["LOCATION"] = url
    clear_cache_handlers(setting="CACHES")  # One may be there: system checks make it.
    app.config_from_object("django.conf:settings", namespace="CELERY", force=True)


def _choose_valkey_database(number: int) -> bool:
    url = os.environ.get("REDIS_URL", "")
    if not url.endswith("db=0"):
        return False
    os.environ["REDIS_URL"] = f"{url.removesuffix('0')}{number % VALKEY_DATABASES}"
    return True
