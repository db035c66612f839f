#!/usr/bin/env python3
"""The one door: `python3 manage.py up`, `pytest`, `demo`, `doctor`, and Django's own commands.

This file must be readable by any Python 3, so that an old one can say that it is too old.
"""

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit("Daybook needs Python 3.11 or newer; this is " + sys.version)

    try:
        from config import command_line

        sys.exit(command_line.main(sys.argv))
    except KeyboardInterrupt:
        sys.exit(130)
