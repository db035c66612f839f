"""Commerce in the admin: read-only pages, with actions that call services."""

from commerce.admin import bookings, invoices, products  # noqa: F401 - importing registers.
