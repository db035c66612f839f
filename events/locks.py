"""The first key of every two-key advisory lock: a permanent registry, never reuse a number.

Advisory locks share one number space per database. Order: advisory locks before row locks,
several streams in the order of their keys.
"""

from enum import IntEnum


class LockClass(IntEnum):
    STREAM = 1
    SEQUENCER = 2
    AGENTS = 3
    SEALER = 4
    ERASURE = 5
    ACCOUNTS = 6
