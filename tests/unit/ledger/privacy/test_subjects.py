"""What stands for terms that nobody may read: the same for the same, and for nothing else."""

import hashlib
from datetime import UTC, datetime
from uuid import UUID

import pytest

from ledger.domain.payload import Redaction
from ledger.privacy import subjects


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"n": 2**70, "a": "x"}, {"a": "x", "n": 2**70}),
        (["\ud800"], ["\ud800"]),
        ((1, 2), [1, 2]),
        (Redaction.REDACTED, "redacted"),
        (UUID(int=7), str(UUID(int=7))),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_is_the_same_for_the_same(one: object, same: object) -> None:
    assert subjects.fingerprint_of(one, of="x") == subjects.fingerprint_of(same, of="x")


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"b": 1}, {}, [1], None])
def test_is_another_for_anything_else(other: object) -> None:
    assert subjects.fingerprint_of({"a": 1}, of="x") != subjects.fingerprint_of(other, of="x")


def test_is_another_of_another_action() -> None:
    assert subjects.fingerprint_of("ada", of="x") != subjects.fingerprint_of("ada", of="y")


def test_is_not_what_anybody_could_compute() -> None:
    plain = {hashlib.sha256(text).hexdigest() for text in (b"ada", b'"ada"', b'x\0"ada"')}

    assert subjects.fingerprint_of("ada", of="x") not in plain
