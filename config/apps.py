"""The composition root as a Django app: Celery, and commands that concern the whole product."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """Makes the Celery app known, so that every `shared_task` belongs to it."""

    name = "config"
    label = "platform"

    def ready(self) -> None:
        # Reads the settings, which are ready now; importing registers checks and jobs.
        from config import celery, checks, jobs  # noqa: F401, PLC0415
