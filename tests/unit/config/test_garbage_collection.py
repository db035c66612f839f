"""What a process has loaded is not searched for garbage again and again."""

import gc
import importlib
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from celery.signals import worker_init

import config.asgi
import config.celery
import config.wsgi
from config import garbage_collection


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.unfreeze()
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_worker_spares_what_it_has_loaded_before_it_forks() -> None:
    worker_init.send(sender="test")

    assert gc.get_freeze_count() > 10_000


@pytest.mark.parametrize("entry_point", [config.asgi, config.wsgi])
def test_whoever_answers_http_spares_it_too(entry_point: ModuleType) -> None:
    importlib.reload(entry_point)

    assert gc.get_freeze_count() > 10_000


@pytest.mark.parametrize("entry_point", ["config.asgi", "config.wsgi"])
def test_and_what_its_first_request_would_load(entry_point: str) -> None:
    loads = f"import sys, {entry_point}; sys.exit('commerce.api.urls' not in sys.modules)"

    assert subprocess.run([sys.executable, "-c", loads], check=False).returncode == 0


def test_it_searches_seldom_in_a_process_that_serves() -> None:
    garbage_collection.freeze()

    assert gc.get_threshold()[0] == garbage_collection.NEW_OBJECTS_MAX
    assert gc.isenabled()


def test_it_rests_while_modules_are_loaded_and_no_longer() -> None:
    with garbage_collection.paused():
        assert not gc.isenabled()

    assert gc.isenabled()
