import base64
import os

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import override_settings

from commerce import vault
from ledger.privacy.vault import SealBroken, decode_key

VALUE = {"name": "Ada", "born": "1815-12-10"}


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def sealed_for(row: str) -> bytes:
    with transaction.atomic():
        return vault.seal(VALUE, subject="traveller/1", of=row)


@pytest.mark.django_db(transaction=True)
class TestSeal:
    def test_opens_for_the_row_that_it_belongs_to(self) -> None:
        assert vault.unseal(sealed_for("row-1"), of="row-1") == VALUE

    def test_does_not_open_for_another_row(self) -> None:
        with pytest.raises(SealBroken):
            vault.unseal(sealed_for("row-1"), of="row-2")

    def test_does_not_open_when_a_bit_was_changed(self) -> None:
        sealed = bytearray(sealed_for("row-1"))
        sealed[-1] ^= 1

        with pytest.raises(SealBroken):
            vault.unseal(bytes(sealed), of="row-1")

    def test_does_not_open_under_a_key_that_never_was(self) -> None:
        sealed = bytearray(sealed_for("row-1"))
        sealed[0] ^= 1

        with pytest.raises(SealBroken, match="never here"):
            vault.unseal(bytes(sealed), of="row-1")

    def test_shows_nothing_and_is_never_the_same(self) -> None:
        one, other = sealed_for("row-1"), sealed_for("row-1")

        assert one != other
        assert b"Ada" not in one

    def test_outlives_a_change_of_keys(self) -> None:
        old, new = key(), key()
        with override_settings(LEDGER_DATA_KEYS=[old]):
            sealed = sealed_for("row-1")

        with override_settings(LEDGER_DATA_KEYS=[new, old]):
            assert vault.unseal(sealed, of="row-1") == VALUE
        with override_settings(LEDGER_DATA_KEYS=[new]), pytest.raises(SealBroken):
            vault.unseal(sealed, of="row-1")

    @pytest.mark.parametrize("text", ["short", base64.b64encode(b"16 bytes of key!").decode(), "ä"])
    def test_refuses_keys_that_are_none(self, text: str) -> None:
        with pytest.raises(ImproperlyConfigured):
            decode_key(text, setting="LEDGER_DATA_KEYS")
