from django.apps import AppConfig


class WorkConfig(AppConfig):
    name = "workflows.work"

    def ready(self) -> None:
        # Importing registers: events, capabilities, invariants of the doctor.
        from workflows.work import (  # noqa: PLC0415
            approved,  # noqa: F401
            capabilities,  # noqa: F401
            catalogue,  # noqa: F401
            checks,  # noqa: F401
            gauges,  # noqa: F401
            invariants,  # noqa: F401
            places,  # noqa: F401
        )
