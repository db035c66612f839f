from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "workflows.flows"

    def ready(self) -> None:
        # Importing registers: events, capabilities, aggregates, kinds of work.
        from workflows.flows import (  # noqa: F401, PLC0415
            aggregates,
            capabilities,
            catalogue,
            invariants,
            jobs,
        )
