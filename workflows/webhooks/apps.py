"""Webhooks out: external events, sent to who asked for them."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "workflows.webhooks"

    def ready(self) -> None:
        # Importing registers: events, capabilities, work, the hook on the bus, invariants.
        from workflows.webhooks import (  # noqa: PLC0415
            boundaries,  # noqa: F401
            capabilities,  # noqa: F401
            catalogue,  # noqa: F401
            gauges,  # noqa: F401
            invariants,  # noqa: F401
            jobs,  # noqa: F401
            places,  # noqa: F401
            subscribers,  # noqa: F401
        )
