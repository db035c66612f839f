"""The Celery app. Messages are doorbells: JSON, ids only, no results, no ETA."""

import os

from celery import Celery
from celery.signals import worker_init, worker_process_init, worker_shutting_down

from config import celery_context, garbage_collection, worker_start
from workflows.work import stopping

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

app = Celery("daybook")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
celery_context.connect()
# Before anything is taken. Celery would make these checks once more, and not look at the result.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")
worker_init.connect(worker_start.check_settings, dispatch_uid="daybook.settings")
worker_init.connect(worker_start.check_schema, dispatch_uid="daybook.schema")
# Before it forks.
worker_init.connect(garbage_collection.freeze, dispatch_uid="daybook.garbage_collection")
worker_init.connect(stopping.share, dispatch_uid="daybook.stopping")
worker_process_init.connect(stopping.be_child, dispatch_uid="daybook.stopping")
worker_shutting_down.connect(stopping.ask, dispatch_uid="daybook.stopping")
