"""The composition root as an app: it brings Celery and the commands that concern everything."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """Makes the Celery app known, so that every `shared_task` belongs to it."""

    name = "config"
    label = "platform"

    def ready(self) -> None:
        # Reads the settings, which are ready now; importing registers the checks.
        from config import celery, checks  # noqa: F401, PLC0415
