"""A process that does flows in threads, and writes their first results in one commit.

`python -m tests.chaos.work.together LOG FLOW…`: each call of the first step is a line of LOG.
"""

import sys
from pathlib import Path

import django

if __name__ == "__main__":
    django.setup()
    from events import group_commit
    from tests.support.writing_together import all_writing_at_once, know_the_steps

    group_commit.PATIENCE_S = 30
    know_the_steps(Path(sys.argv[1]))
    with all_writing_at_once(sys.argv[2:]):
        pass
