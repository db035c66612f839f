"""Moments in the admin: to the second, on a clock of 24 hours, and with the zone.

They break in two lines at most, after the date.
"""

DATETIME_FORMAT = "j\u00a0M\u00a0Y, H:i:s\u00a0T"
SHORT_DATETIME_FORMAT = "Y-m-d H:i:s T"
TIME_FORMAT = "H:i:s"
