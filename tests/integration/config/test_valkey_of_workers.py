"""Each process of tests has a database of its own behind the one Valkey, everywhere."""

import os

from celery import current_app
from django.conf import settings
from django.core.cache import caches

from config.settings import env
from events import conf


def test_everything_means_the_same_one() -> None:
    url = os.environ["REDIS_URL"]

    assert conf.valkey_url() == settings.REDIS_URL == url
    assert caches["default"]._servers == [url]  # type: ignore[attr-defined]
    assert current_app.conf.broker_url == settings.CELERY_BROKER_URL == env.as_broker(url)


def test_no_two_workers_have_one_in_common() -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw-1")

    assert os.environ["REDIS_URL"].endswith(f"db={int(worker.removeprefix('gw')) + 1}")
