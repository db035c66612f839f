"""`manage.py` for processes that must know the kinds of the lab."""

import sys

import django
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    django.setup()
    from tests import worklab  # noqa: F401 (registers the kinds)

    execute_from_command_line(sys.argv)
