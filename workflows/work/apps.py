from django.apps import AppConfig


class WorkConfig(AppConfig):
    name = "workflows.work"

    def ready(self) -> None:
        # Importing registers: events, capabilities, invariants of the doctor.
        from workflows.work import capabilities, catalogue, invariants  # noqa: F401, PLC0415
