"""The table of bad addresses: none is connected to, however it is written."""

import pytest
from pytest_django import Settings

from tests.integration.workflows.egress.conftest import Names
from tests.peers import receiver
from workflows.egress import client
from workflows.egress.client import Call
from workflows.egress.refusals import EgressRefused

BAD_HOSTS = """
    127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.0.0.1 0177.0.0.1 017700000001 0 0.0.0.0
    169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 localhost localhost.
    LOCALHOST 10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1 100.100.100.200 192.0.0.192 198.18.0.1
    192.88.99.1 224.0.0.1 240.0.0.1 255.255.255.255 [::1] [::] [::ffff:127.0.0.1]
    [::ffff:169.254.169.254] [::ffff:7f00:1] [::127.0.0.1] [0:0:0:0:0:ffff:7f00:1]
    [64:ff9b::a9fe:a9fe] [64:ff9b:1::a9fe:a9fe] [2002:a9fe:a9fe::] [2001:0:a9fe:a9fe::]
    [fd00:ec2::254] [fe80::1] [fe80::1%eth0] [fe80::1%25eth0] [fec0::1] [ff02::1]
    ①②⑦.⓪.⓪.① １２７.0.0.1 127。0。0。1 a@127.0.0.1 ok.example:80@127.0.0.1 ok.example\\@127.0.0.1
    127.0.0.1#@ok.example %31%32%37.0.0.1
""".split()  # noqa: RUF001, SIM905

INTERNAL_NAMES = {
    "metadata.google.internal": ["169.254.169.254"],
    "only-internal.example": ["10.0.0.7"],
    "a-public-aaaa-internal.example": ["93.184.216.34", "fd00::7"],
    "aaaa-public-a-internal.example": ["2606:4700:4700::1111", "10.0.0.7"],
    "alias-of-localhost.example": ["127.0.0.1"],
    "nat64.example": ["64:ff9b::a00:7"],
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_bad_address_is_not_connected_to(
    host: str, scheme: str, connections: list[tuple[str, int]]
) -> None:
    with pytest.raises(EgressRefused):
        client.send(Call(method="GET", url=f"{scheme}://{host}/"))
    with pytest.raises(EgressRefused):
        client.vet(f"{scheme}://{host}/", https_only=False)

    assert connections == []


@pytest.mark.parametrize("name", INTERNAL_NAMES)
def test_a_name_is_refused_when_one_of_its_addresses_is_internal(
    name: str, names: Names, connections: list[tuple[str, int]]
) -> None:
    names[name] = [INTERNAL_NAMES[name]]

    with pytest.raises(EgressRefused) as refusal:
        client.send(Call(method="GET", url=f"https://{name}/"))

    assert str(refusal.value) == (
        "The call was refused: it leads to an address that is not public."
    )
    assert refusal.value.facts["host"] == name
    assert connections == []


def test_a_public_name_is_called_on_the_web_ports_only(
    names: Names, connections: list[tuple[str, int]]
) -> None:
    names["ok.example"] = [["93.184.216.34"]]

    with pytest.raises(EgressRefused, match="ports 80 and 443 only"):
        client.send(Call(method="GET", url="https://ok.example:6379/"))

    assert connections == []


@pytest.mark.parametrize("port", [80, 443])
def test_https_only_bars_plain_http_to_public_hosts_on_any_port(
    names: Names, connections: list[tuple[str, int]], port: int
) -> None:
    names["ok.example"] = [["93.184.216.34"]]

    with pytest.raises(EgressRefused, match="by https only"):
        client.send(Call(method="GET", url=f"http://ok.example:{port}/", https_only=True))

    assert connections == []


def test_a_name_that_rebinds_between_two_calls_is_checked_both_times(
    names: Names, connections: list[tuple[str, int]], settings: Settings
) -> None:
    settings.HTTP_ALLOW = ["127.0.0.1/32"]
    names["rebinds.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    with receiver((200, {"connection": "close"}, b"")) as peer:
        url = f"http://rebinds.example:{peer.port}/"
        assert client.send(Call(method="GET", url=url)).status == 200

        with pytest.raises(EgressRefused):
            client.send(Call(method="GET", url=url))

    assert connections == [("127.0.0.1", peer.port)]


def test_a_name_that_rebinds_within_a_call_is_asked_only_once(
    names: Names, connections: list[tuple[str, int]], settings: Settings
) -> None:
    # A checker that resolves and a client that resolves again would end up at 127.0.0.2.
    settings.HTTP_ALLOW = ["127.0.0.1/32"]
    names["rebinds.example"] = [["127.0.0.1"], ["127.0.0.2"]]

    with receiver() as peer:
        client.send(Call(method="GET", url=f"http://rebinds.example:{peer.port}/"))

    assert connections == [("127.0.0.1", peer.port)]
    assert peer.received[0].headers["host"] == f"rebinds.example:{peer.port}"


def test_a_connection_that_one_rule_opened_does_not_serve_a_stricter_one(
    names: Names, settings: Settings
) -> None:
    settings.HTTP_ALLOW = ["127.0.0.0/8"]
    with receiver() as peer:
        url = f"http://127.0.0.1:{peer.port}/"
        client.send(Call(method="GET", url=url))
        settings.HTTP_ALLOW = []

        with pytest.raises(EgressRefused):
            client.send(Call(method="GET", url=url, https_only=True))
