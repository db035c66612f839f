from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CommerceConfig(AppConfig):
    name = "commerce"

    def ready(self) -> None:
        # Importing registers: events, capabilities, the aggregate, jobs, listeners.
        from commerce import (  # noqa: F401, PLC0415
            approval_policies,
            boundaries,
            capabilities,
            checks,
            event_invariants,
            invariants,
            jobs,
            people,
            places,
            projections,
            readings,
            record,
            steps,
            subscribers,
            timetable,
        )
        from commerce.catalogue import bookings as _facts_of_bookings  # noqa: F401, PLC0415
        from commerce.catalogue import money as _facts_of_money  # noqa: F401, PLC0415
        from commerce.commands import bookings, documents, invoices, money, products  # noqa: F401, PLC0415
        from commerce.reversals import bookings as _bookings  # noqa: F401, PLC0415
        from commerce.reversals import documents as _documents  # noqa: F401, PLC0415
        from commerce.reversals import money as _money  # noqa: F401, PLC0415
        from commerce.reversals import products as _products  # noqa: F401, PLC0415

        post_migrate.connect(
            timetable.install_defaults, sender=self, dispatch_uid="commerce.timetable"
        )
        post_migrate.connect(
            approval_policies.install_defaults,
            sender=self,
            dispatch_uid="commerce.approval_policies",
        )
