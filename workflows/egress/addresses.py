"""The IP addresses that outgoing HTTP may reach. Pure.

`ipaddress.is_private` is not enough and neither is `is_global`: on Python 3.11 the
latter lets through NAT64 to the metadata service, 6to4, multicast and more.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")

_NEVER: tuple[Network, ...] = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # "This" network: 0 is the local machine on Linux.
        "100.64.0.0/10",  # Carrier NAT; cloud metadata lives at 100.100.100.200.
        "192.0.0.0/24",  # Protocol assignments; Oracle's metadata lives at 192.0.0.192.
        "192.88.99.0/24",  # 6to4 relays.
        "198.18.0.0/15",  # Benchmarking.
        "224.0.0.0/3",  # Multicast, reserved, broadcast.
        "::/96",  # IPv4-compatible, unspecified, loopback.
        "64:ff9b:1::/48",  # NAT64 for local use.
        "100::/64",  # Discard.
        "2001::/23",  # Protocol assignments, Teredo among them.
        "2002::/16",  # 6to4: an IPv4 address in disguise.
        "3fff::/20",  # Documentation.
        "5f00::/16",  # Segment routing.
        "fc00::/7",  # Unique local; fd00:ec2::254 is a metadata service.
        "fe80::/10",  # Link local.
        "fec0::/10",  # Site local.
        "ff00::/8",  # Multicast.
    )
)


def networks(blocks: Sequence[str]) -> tuple[Network, ...]:
    """Read CIDR blocks.

    :raises ValueError: if one of them is none.
    """
    return tuple(ip_network(block) for block in blocks)


def read(text: str) -> Address:
    """Read an address; one that was mapped into IPv6 is judged as the IPv4 it is.

    :raises ValueError: if `text` is not an address in its plain notation.
    """
    return _unmapped(ip_address(text))


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether the operator opened a network that holds `address`."""
    return _within(address, allowed)


def is_public(address: Address) -> bool:
    """Whether `address` belongs to the public internet, beyond doubt."""
    if isinstance(address, IPv6Address) and address in _NAT64:
        # DNS64 networks hand these out for ordinary sites; the IPv4 inside decides.
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    odd = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not odd and not _within(address, _NEVER)


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: Address, blocks: Sequence[Network]) -> bool:
    return any(address.version == block.version and address in block for block in blocks)
