"""Numbers of bookings and invoices, which people know by their end."""

from typing import Final

from django.contrib.postgres.indexes import OpClass
from django.db.models import F
from django.db.models.functions import Reverse, Upper
from django.db.models.lookups import StartsWith

BACKWARDS: Final = OpClass(Reverse(Upper("number")), name="text_pattern_ops")
"""What an index has to be on for `ends_in`."""


def ends_in(field: str, text: str) -> StartsWith:
    """Return the condition that the number in `field` ends in `text`, in whatever case."""
    return StartsWith(Reverse(Upper(F(field))), text.upper()[::-1])
