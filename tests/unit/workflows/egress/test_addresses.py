from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.egress import addresses


def listed(text: str) -> list[str]:
    return text.split()


NOT_PUBLIC = listed("""
    127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 169.254.169.254 10.0.0.1 172.16.0.1 172.31.255.255
    192.168.0.1 100.64.0.1 100.100.100.200 192.0.0.192 192.0.2.1 198.51.100.1 203.0.113.1
    198.18.0.1 198.19.255.255 192.88.99.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    ::1 :: ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1
    ::ffff:10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::a9fe:a9fe
    64:ff9b:1::808:808 2002:a9fe:a9fe:: 2002:7f00:1:: 2002:808:808:: 2001:0:a9fe:a9fe::
    2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 3fff::1 5f00::1 100::1 fc00::1
    fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
""")
PUBLIC = listed("""
    8.8.8.8 1.1.1.1 93.184.216.34 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1
    198.17.255.255 223.255.255.254 2606:4700:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8
    64:ff9b::808:808
""")


class TestIsPublic:
    @pytest.mark.parametrize("text", NOT_PUBLIC)
    def test_refuses_what_is_not_the_public_internet(self, text: str) -> None:
        assert not addresses.is_public(addresses.read(text))

    @pytest.mark.parametrize("text", PUBLIC)
    def test_accepts_ordinary_sites(self, text: str) -> None:
        assert addresses.is_public(addresses.read(text))

    @given(st.ip_addresses(v=4))
    def test_judges_a_mapped_address_like_the_one_inside(self, inside: IPv4Address) -> None:
        mapped = addresses.read(f"::ffff:{inside}")

        assert addresses.is_public(mapped) == addresses.is_public(inside)

    @given(st.ip_addresses(v=4))
    def test_never_reaches_a_private_address_through_nat64(self, inside: IPv4Address) -> None:
        outside = IPv6Address(int(IPv6Address("64:ff9b::")) | int(inside))

        assert addresses.is_public(outside) == addresses.is_public(inside)

    @given(st.ip_addresses(network="2002::/16") | st.ip_addresses(network="2001::/32"))
    def test_refuses_every_tunnel(self, address: IPv6Address) -> None:
        assert not addresses.is_public(address)


class TestIsAllowed:
    def test_opens_exactly_the_networks_that_are_named(self) -> None:
        allowed = addresses.networks(["127.0.0.0/8", "fd00::/8"])

        assert addresses.is_allowed(addresses.read("127.0.0.1"), allowed)
        assert addresses.is_allowed(addresses.read("::ffff:127.0.0.1"), allowed)
        assert addresses.is_allowed(addresses.read("fd12::1"), allowed)
        assert not addresses.is_allowed(addresses.read("10.0.0.1"), allowed)
        assert not addresses.is_allowed(addresses.read("::1"), allowed)

    def test_refuses_a_block_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="does not appear to be"):
            addresses.networks(["localhost"])
