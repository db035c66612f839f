"""The Celery app. Messages are doorbells: JSON, ids only, no results, no ETA."""

import os

from celery import Celery

from config import celery_context

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

app = Celery("daybook")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
celery_context.connect()
