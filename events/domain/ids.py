"""UUIDv7 (RFC 9562 §5.7; the finer clock of §6.2, method 3): ids that sort by their making."""

from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_NS_PER_MS = 1_000_000


def uuid7(*, unix_ns: int, random_bits: int) -> UUID:
    """Build a UUIDv7 from nanoseconds since 1970 and 62 random bits."""
    return UUID(int=uuid7_as_integer(unix_ns=unix_ns, random_bits=random_bits))


def uuid7_as_integer(*, unix_ns: int, random_bits: int) -> int:
    """Build the 128 bits of a UUIDv7: half of what a UUID costs is being one.

    The 12 bits after the milliseconds count their 4,096th parts, 244 ns each, so that ids made
    one after the other in one process sort in that order.
    """
    unix_ms, rest_ns = divmod(unix_ns, _NS_PER_MS)
    return (
        (unix_ms << 80) | _VERSION | ((rest_ns << 12) // _NS_PER_MS << 64) | _VARIANT | random_bits
    )
