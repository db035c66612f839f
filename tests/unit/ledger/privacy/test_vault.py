import base64
import hmac

import pytest
from django.core.exceptions import ImproperlyConfigured

from ledger.privacy import vault


def test_a_key_is_32_bytes_in_base64() -> None:
    key = bytes(range(32))

    assert vault.decode_key(base64.b64encode(key).decode(), setting="A_KEY") == key


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("no base64", "A_KEY holds keys in base64"),
        (base64.b64encode(bytes(32)).decode() + "!", "A_KEY holds keys in base64"),
        (base64.b64encode(bytes(31)).decode(), "A key of A_KEY has 32 bytes"),
        (base64.b64encode(bytes(33)).decode(), "A key of A_KEY has 32 bytes"),
    ],
)
def test_what_is_none_is_refused_with_the_name_of_its_setting(written: str, fault: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=fault):
        vault.decode_key(written, setting="A_KEY")


@pytest.mark.parametrize("key", [bytes(32), bytes(range(32)), b"\xff" * 32])
@pytest.mark.parametrize("value", [b"", b"a line", bytes(range(256)) * 3])
def test_a_mac_is_the_hmac_of_the_library(key: bytes, value: bytes) -> None:
    derived = vault.derived(key.hex(), b"an index")

    for _ in range(2):  # What is kept of the key is not used up.
        assert vault.mac(key, b"an index", value) == hmac.digest(derived, value, "sha256").hex()
