"""Create the demo data that `up` starts with."""

from typing import Any

from django.core.management.base import BaseCommand

from commerce import example_data


class Command(BaseCommand):
    help = "Make what is missing of the example: products, departures, bookings, invoices."

    def handle(self, *_args: Any, **_options: Any) -> None:
        made = example_data.create_example()
        self.stdout.write(f"Made {', '.join(made)}." if made else "Nothing was missing.")
