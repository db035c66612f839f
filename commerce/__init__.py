"""The reference domain: products, bookings, invoices, payments, documents."""
