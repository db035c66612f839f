#!/usr/bin/env python3
"""The one door: `python3 manage.py up`, `pytest`, `demo`, `doctor`."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
