"""The services of commerce. One public service is one durable transaction.

Note [Order of locks]: the stream of the booking (`lock_booking`), its row, departures by id,
the invoice, the payment, the credit note or refund; never in another order. The lock of any
other stream is taken by the event that is recorded in it, after the row that it is about.
"""
