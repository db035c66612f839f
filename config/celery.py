"""The Celery app. Messages are doorbells: JSON, ids only, no results, no ETA."""

import os

from celery import Celery
from celery.signals import worker_init

from config import celery_context, collector

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

app = Celery("daybook")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
celery_context.connect()
# Before it forks.
worker_init.connect(collector.spare_what_is_loaded, dispatch_uid="daybook.collector")
