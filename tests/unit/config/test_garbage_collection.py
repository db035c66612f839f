"""What a process has loaded is not searched for garbage again and again."""

import gc
import importlib
from collections.abc import Iterator

import pytest
from celery.signals import worker_init

import config.asgi
import config.celery
from config import garbage_collection


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_a_worker_spares_what_it_has_loaded_before_it_forks() -> None:
    worker_init.send(sender="test")

    assert gc.get_freeze_count() > 10_000


def test_whoever_serves_over_asgi_spares_it_too() -> None:
    importlib.reload(config.asgi)

    assert gc.get_freeze_count() > 10_000


def test_it_rests_while_modules_are_loaded_and_no_longer() -> None:
    with garbage_collection.paused():
        assert not gc.isenabled()

    assert gc.isenabled()
