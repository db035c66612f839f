"""The trade in the admin: everything can be looked at, and changed only through the services."""

from commerce.admin import bookings, invoices, products  # noqa: F401 - importing registers.
