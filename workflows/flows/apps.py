from django.apps import AppConfig
from django.db.models.signals import post_migrate


class FlowsConfig(AppConfig):
    name = "workflows.flows"

    def ready(self) -> None:
        # Importing registers: events, capabilities, aggregates, kinds of work.
        from events.domain.principal import PrincipalKind  # noqa: PLC0415
        from ledger.access import principals  # noqa: PLC0415
        from workflows.flows import (  # noqa: F401, PLC0415
            capabilities,
            catalogue,
            commands,
            following,
            gauges,
            invariants,
            jobs,
            places,
            record,
            selectors,
            subscribers,
        )
        from workflows.flows.execution import aggregates  # noqa: F401, PLC0415
        from workflows.flows.steps import health  # noqa: PLC0415
        from workflows.work import followers  # noqa: PLC0415

        followers.register("flows", following.follow)
        principals.register_starter(PrincipalKind.WORKFLOW, selectors.starter_of)

        post_migrate.connect(health.install_defaults, sender=self, dispatch_uid="flows.health")
